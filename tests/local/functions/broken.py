"""Fails to be imported, in the way that the variable FAILURE says."""

import os

match os.environ["FAILURE"]:
    case "import":
        import no_such_module  # noqa: F401  # pyright: ignore[reportMissingImports]
    case "error":
        raise LookupError("not found at import")
    case "exit":
        os._exit(7)


def handler(event, context):
    return {}
