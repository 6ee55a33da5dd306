"""A function with SnapStart that tells which hooks ran, and what it can see of credentials."""

import json
import os
import urllib.error
import urllib.request
from typing import Any

from snapshot_restore_py import register_after_restore, register_before_snapshot

steps: list[str] = []
register_before_snapshot(steps.append, "before")
register_after_restore(steps.append, "after")
if "FAIL_AFTER_RESTORE" in os.environ:
    register_after_restore(lambda: steps[99])


def credentials(token: str) -> tuple[int, Any]:
    address = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Authorization": token})) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, None


def handler(_event: object, _context: object) -> dict[str, Any]:
    return {
        "steps": steps,
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "keys": [name for name in os.environ if "ACCESS_KEY" in name],
        "credentials": credentials(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]),
        "stranger": credentials("another")[0],
    }
