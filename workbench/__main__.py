"""`python -m workbench`: the commands that a user of the program runs on their own machine."""

import sys

try:
    from workbench.commands import main
except ModuleNotFoundError as error:
    if error.name in ("workbench", None) or error.name.startswith("workbench."):
        raise
    sys.exit(
        f"This Python has no package {error.name}. `make demo` installs what the workbench needs into .venv; run it with "
        ".venv/bin/python, or after `. .venv/bin/activate`."
    )

main()
