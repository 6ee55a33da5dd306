"""What a function does when Lambda starts it ahead of its first request: for a snapshot, or to be kept ready.

Started on demand, it loads a model when the first request for it comes; see `serving.application`.
"""

from __future__ import annotations

import os
import random

from handlers.serving.models import Models
from handlers.serving.stores import Store

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_INITIALIZATION_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"
_PROVISIONED = "provisioned-concurrency"
_SNAP_START = "snap-start"


def is_kept_ready() -> bool:
    """Whether this environment was started before any request needed it, so that none waits for the start."""
    return os.environ.get(_INITIALIZATION_TYPE) == _PROVISIONED


def start_ahead(models: Models, store: Store) -> None:
    """Loads every model, if nobody waits for this start; and, for a snapshot, sees to what must not be in it twice.

    Raises:
        BundleError: a model cannot be loaded. The version, or its provisioned concurrency, then fails to come up, which
            is better than an environment that is ready for nothing.
    """
    kind = os.environ.get(_INITIALIZATION_TYPE)
    if kind not in (_PROVISIONED, _SNAP_START):
        return
    models.load_all()
    if kind == _SNAP_START:
        from snapshot_restore_py import register_after_restore

        register_after_restore(_restored, store)


def _restored(store: Store) -> None:
    """Runs in each environment that is made from the snapshot, before its first request."""
    # The connections of the snapshot ended long ago, and its credentials may have.
    store.renew()
    # Every environment would otherwise go on with the same random numbers.
    random.seed()
