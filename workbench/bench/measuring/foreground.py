"""Runs a program as a child of this process. A module, so that `workbench.local.child` can end it with its parent."""

import subprocess
import sys

if __name__ == "__main__":
    sys.exit(subprocess.call(sys.argv[1:]))
