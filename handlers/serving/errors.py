"""The one exception for a request that gets an error instead of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Code = Literal["invalid_json", "invalid_request", "unknown_model", "too_large", "internal", "model_unavailable"]

STATUS: Mapping[Code, int] = {
    "invalid_json": 400,
    "invalid_request": 400,
    "unknown_model": 404,
    "too_large": 413,
    "internal": 500,
    "model_unavailable": 503,
}


class RequestError(Exception):
    """A request that cannot be answered.

    `code` is for programs. `message` is for the person who sent the request: what was given, what is allowed, what to
    do. It never quotes a question or a context.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
