"""boto3 clients for the emulator, whose every call is checked against AWS's API models.

They read neither the AWS settings in the environment nor the files in the user's home: nothing that is meant for the
emulator may reach an account, and no profile of the user's may get in the way.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.session import Session as BotocoreSession

from . import api_model

# The emulator's own default: it takes any key, and a key of twelve digits as the account's number.
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105  (no secret of anybody's)


class Clients:
    """A checked client for each service, made at its first use and shared by all threads."""

    def __init__(self, endpoint: str, region: str) -> None:
        self.endpoint = endpoint
        self.region = region
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        nothing = (None, None, None, None)
        session = BotocoreSession(
            session_vars={
                "profile": nothing,
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
                "ca_bundle": nothing,
            }
        )
        self._session = boto3.Session(
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=region,
            botocore_session=session,
        )

    def __call__(self, service: str) -> Any:
        """The client of `service`, a name of botocore's such as `apigatewayv2`."""
        with self._lock:
            if service not in self._clients:
                client = self._session.client(
                    service,
                    endpoint_url=self.endpoint,
                    # A function may run for its 15 minutes before Invoke answers.
                    config=Config(
                        retries={"total_max_attempts": 1},
                        read_timeout=960,
                        s3={"addressing_style": "path"},
                        proxies={},
                    ),
                )
                api_model.check_calls(client)
                self._clients[service] = client
            return self._clients[service]

    def check(self, service: str, operation: str, **members: Any) -> None:
        """Checks a call as those of the clients are, without sending it: for what the emulator does not have.

        Raises:
            ApiModelError, botocore.exceptions.ParamValidationError: AWS would refuse the call.
        """
        api_model.check_call(self(service), operation, members)
