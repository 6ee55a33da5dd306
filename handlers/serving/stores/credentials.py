"""Credentials of a function that was started from a snapshot, where Lambda keeps none in environment variables.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import json
import os
import urllib.request
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import S3Credential

ADDRESS = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105  (the name of a variable)
_TIMEOUT = 2.0  # seconds; the address is in the execution environment itself


def container_credentials() -> S3Credential:
    """The credentials that the address in the environment gives now; raises `OSError` when it does not answer."""
    # Lambda sets the address, so its scheme is none of a stranger's choice.
    request = urllib.request.Request(os.environ[ADDRESS], headers={"Authorization": os.environ.get(_TOKEN, "")})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:  # noqa: S310
        fields = json.load(reply)
    return {
        "access_key_id": fields["AccessKeyId"],
        "secret_access_key": fields["SecretAccessKey"],
        "token": fields["Token"],
        "expires_at": datetime.fromisoformat(fields["Expiration"]),
    }
