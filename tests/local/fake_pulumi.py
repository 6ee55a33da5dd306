"""Stands in for the Pulumi CLI where there is none: `up` runs the program against the emulator as the CLI would.

It takes the emulator for AWS: nothing tells it who executes functions, it gets addresses of repositories from ECR, and
endpoints are those that the AWS provider makes up. What it was asked is written to `asked.txt` in the current folder.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import yaml

# It is started by its path, in the folder of the project.
sys.path.insert(0, str(Path.cwd()))

from workbench.local.clients import Clients
from workbench.local.deployer import EmulatorProvider
from workbench.local.images import FileSystems, Images
from workbench.local.translations import Context
from workbench.program.config import load
from workbench.program.runner import run

OUTPUTS = Path("outputs.json")


def up() -> None:
    config = load("local")
    [endpoints] = json.loads(config.values["aws:endpoints"])
    context = Context(
        Clients(endpoints["lambda"], config.region), Images(Path("images")), FileSystems(Path("file-systems")), ""
    )
    graph = run(config, EmulatorProvider(context))
    outputs = graph.outputs
    outputs["endpoints"] = {
        key: re.sub(r"^http://(\w+)\.[^/]*", r"https://\1.execute-api.us-east-1.amazonaws.com", endpoint)
        for key, endpoint in outputs["endpoints"].items()
    }
    OUTPUTS.write_text(json.dumps(outputs))


def main(arguments: list[str]) -> int:
    with Path("asked.txt").open("a") as asked:
        asked.write(" ".join(arguments) + "\n")
    if arguments[0] == "stack" and "--create" in arguments:
        # As the real one does, for the secrets of the stack.
        file = Path("Pulumi.local.yaml")
        file.write_text(file.read_text() + "encryptionsalt: v1:abc\n")
        assert yaml.safe_load(file.read_text())["encryptionsalt"]
        assert os.environ["PULUMI_BACKEND_URL"].startswith("file://")
    elif arguments[:2] == ["stack", "output"]:
        print(OUTPUTS.read_text())
    elif arguments[0] == "up" and "--expect-no-changes" in arguments:
        if Path("changed").exists():
            print("error: changes were expected to be none", file=sys.stderr)
            return 255
    elif arguments[0] == "up":
        up()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
