"""Lambda events in, Lambda responses out: what of HTTP there is in this package.

Takes events of an HTTP API (API Gateway v2, payload format 2.0), and events with nothing but a `body`, as one types
them into the console. What the fields of a request mean is in `serving.requests`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from handlers.serving.errors import RequestError


def read_body(event: object) -> dict[str, Any]:
    """The JSON object in the body of an event; raises `RequestError` when there is none."""
    body = event.get("body") if isinstance(event, dict) else None
    if not isinstance(body, str) or not body:
        raise RequestError(
            "invalid_json",
            'The request has no body. Send a JSON object: {"question": "...", "context": "..."}. An event that is '
            "sent to the function itself holds that object, as a string, in its field body.",
        )
    try:
        if isinstance(event, dict) and event.get("isBase64Encoded"):
            body = base64.b64decode(body, validate=True).decode("utf-8")
        fields = json.loads(body, object_pairs_hook=_object, parse_constant=_constant)
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RequestError("invalid_json", "The body is not text in UTF-8. Send a JSON object in UTF-8.") from error
    except json.JSONDecodeError as error:
        raise RequestError(
            "invalid_json",
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}). Send a JSON object.",
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of nested brackets
        raise RequestError("invalid_json", "The body is JSON that is too deep or has too long a number.") from error
    if not isinstance(fields, dict):
        raise RequestError(
            "invalid_json", 'The body is JSON but no object. Send an object: {"question": "...", "context": "..."}.'
        )
    return fields


def response(status: int, body: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    """The response that an HTTP API turns into HTTP, with `body` as JSON."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **headers},
        "body": json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # JSON leaves open which of the two counts, so it is better not to guess.
        raise RequestError("invalid_request", "The body has a field twice. Send each field once.")
    return fields


def _constant(name: str) -> float:
    raise RequestError("invalid_json", f"The body has the number {name}, which is not JSON. Send a JSON object.")
