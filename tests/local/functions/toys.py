"""Handlers that do one thing each, to see what becomes of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def echo(event, context):
    return {"pid": os.getpid(), "event": event}


def sleep(event, context):
    time.sleep(event["seconds"])
    return {"pid": os.getpid()}


def hang_with_child(event, context):
    """Leaves its own and its child's process number behind and does not come back."""
    child = subprocess.Popen(["sleep", "60"])
    Path(event["pids"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)


def fail(event, context):
    raise ValueError("x" * event.get("length", 0) + "no such thing")


def exit_with(event, context):
    if "status" in event:
        os._exit(event["status"])
    if "signal" in event:
        os.kill(os.getpid(), signal.Signals[event["signal"]])
    return {"pid": os.getpid()}


def say(event, context):
    print("to standard output")
    print("to standard error", file=sys.stderr)
    return {}


def environment(event, context):
    return dict(os.environ)


def interpreter(event, context):
    return {"path": sys.path, "cwd": str(Path.cwd()), "argv": sys.argv, "stdin": sys.stdin.read()}


def context(event, context):
    return {
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "id": context.aws_request_id,
    }


def scratch(event, context):
    """Leaves a file in the temporary folder and says what was there before."""
    folder = Path(os.environ["TMPDIR"])
    before = sorted(path.name for path in folder.iterdir())
    (folder / event["name"]).write_text("mine")
    return {"folder": str(folder), "before": before}


def big(event, context):
    return "x" * event["length"]


def respond(event, context):
    return {"statusCode": 502, "headers": {"content-type": "text/plain"}, "body": "the handler's own"}
