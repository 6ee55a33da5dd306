"""Takes its time to be imported."""

import os
import time

time.sleep(float(os.environ["IMPORT_SECONDS"]))


def handler(event, context):
    return {"pid": os.getpid()}
