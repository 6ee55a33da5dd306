"""`make local-pulumi`: the real Pulumi CLI deploys the stack `local` into the emulator, twice, and takes it down.

The CLI, its engine and its providers are the real ones, and so are the images: Docker builds them and pushes them to
the emulator's registry. The emulator stands for AWS. Functions are executed as in `local up`, by the Lambda service and
from the build context of their image, because the emulator cannot mount a file system into a container.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3
from rich.console import Console

from infra.sample import PASSAGE, QUESTIONS
from workbench.program.config import StackConfig, load

from .asking import Asker
from .demo import ANSWERS
from .emulator import HOST, Emulator
from .images import COMMAND, MODELS, FileSystems
from .lambda_service.functions import ImageTarget
from .lambda_service.service import LambdaService
from .processes import claim
from .stack import FOLDER, HANDLERS

STACK = "local"
CONTEXTS = Path(".build")

# Repositories are named after their component, `<project>-<stack>-<target>-repository-<suffix>`.
_REPOSITORY = re.compile(r"-([a-z0-9]+)-repository-[0-9a-f]+@")


class MissingToolError(Exception):
    """What this needs and does not bring along is not there. The message is a sentence for the user."""


class PulumiError(Exception):
    """The Pulumi CLI failed, or the stack did not do what it should. The message is a sentence for the user."""


def local_pulumi(console: Console) -> None:
    """Deploys with the CLI, asks every endpoint and model, deploys again, which must change nothing, and destroys.

    Raises:
        MissingToolError: the Pulumi CLI or Docker is not on this machine.
        PulumiError: a command failed, an answer was wrong, or the second deployment found something to change.
        EmulatorError, AlreadyRunningError: the emulator could not be started.
    """
    _require("pulumi", ["version"], "install it as https://www.pulumi.com/docs/install/ says")
    _require("docker", ["info"], "install Docker Engine with BuildKit, and start it")
    config = load(STACK)
    port = _port(config)
    folder = (FOLDER / "pulumi").resolve()
    with claim(folder, STACK) as claimed, contextlib.ExitStack() as exits:
        functions = exits.enter_context(
            LambdaService(
                endpoint=f"http://{HOST}:{port}",
                folder=folder,
                code=HANDLERS,
                images=built_image,
                mounts=FileSystems(folder / "file-systems"),
            )
        )
        emulator = exits.enter_context(Emulator(folder, port, functions=functions.url))
        claimed.record(emulator.endpoint)
        cli = _Cli(folder, console)
        with _unchanged(Path(f"Pulumi.{STACK}.yaml")):
            cli.run("install")
            cli.run("stack", "select", "--create", STACK)
            cli.run("up", "--stack", STACK, "--yes", "--policy-pack", "policy")
            _ask(cli.outputs(), config, emulator, console)
            cli.run("up", "--stack", STACK, "--yes", "--policy-pack", "policy", "--expect-no-changes")
            cli.run("destroy", "--stack", STACK, "--yes")
    console.print("Deployed, asked, deployed again without a change, and destroyed.")


def built_image(uri: str) -> ImageTarget:
    """What is in an image that the program has built and pushed; raises `LookupError` for another one."""
    named = _REPOSITORY.search(uri)
    if named is None or not (context := CONTEXTS / named[1]).is_dir():
        raise LookupError(f"No image {uri} was built from a context in {CONTEXTS}.")
    return ImageTarget(command=(COMMAND.format(target=named[1]),), folders={MODELS: (context / "models").resolve()})


class _Cli:
    """The Pulumi CLI with a backend of its own in `folder`, so that no account of the user's is logged in to."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._console = console
        state = folder / "state"
        shutil.rmtree(state, ignore_errors=True)  # of a run whose emulator has gone
        state.mkdir(parents=True)
        self._environment = os.environ | {
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "local",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def run(self, *arguments: str) -> None:
        command = ["pulumi", *arguments, "--non-interactive"]
        self._console.print(f"[bold]{' '.join(command)}[/]", soft_wrap=True)
        done = subprocess.run(command, env=self._environment, check=False)
        if done.returncode:
            raise PulumiError(
                f"`{' '.join(command)}` failed with exit code {done.returncode}; what it said is above, and the logs of "
                f"the emulator and of the functions are in {FOLDER / 'pulumi' / 'logs'}."
            )

    def outputs(self) -> dict[str, Any]:
        command = ["pulumi", "stack", "output", "--json", "--stack", STACK]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PulumiError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
        return json.loads(done.stdout)


def _ask(outputs: dict[str, Any], config: StackConfig, emulator: Emulator, console: Console) -> None:
    models = [model["name"] for model in json.loads(config.values[f"{config.project}:models"])]
    with Asker() as asker:
        for architecture, endpoint in sorted(outputs["endpoints"].items()):
            here = _here(endpoint, emulator.port)
            for model in models:
                for question, expected in zip(QUESTIONS, ANSWERS, strict=True):
                    try:
                        reply = asker.ask(here, model_type=model, question=question, context=PASSAGE)
                    except urllib3.exceptions.HTTPError as error:
                        raise PulumiError(
                            f"The endpoint of {architecture} at {here} does not answer ({error})."
                        ) from error
                    if reply.status != 200 or reply.body["answer"] != expected:
                        raise PulumiError(
                            f"{architecture} answered {question!r} for model {model} with {reply.status}: {reply.body}; "
                            f"the passage says {expected!r}."
                        )
                    console.print(f"{architecture} {model}: {question} {expected}")


def _here(endpoint: str, port: int) -> str:
    """The AWS provider makes an endpoint's address up from the API's id; the emulator has the same API at this one."""
    url = urllib.parse.urlsplit(endpoint)
    api = (url.hostname or "").partition(".")[0]
    return f"http://{api}.execute-api.localhost:{port}{url.path}"


def _port(config: StackConfig) -> int:
    """The port that the stack's configuration tells the AWS provider to find the emulator at."""
    [endpoints] = json.loads(config.values["aws:endpoints"])
    [port] = {urllib.parse.urlsplit(endpoint).port for endpoint in endpoints.values()}
    if port is None:
        raise PulumiError(f"aws:endpoints in Pulumi.{STACK}.yaml name no port; give all of them one, such as 4566.")
    return port


def _require(tool: str, arguments: list[str], remedy: str) -> None:
    if shutil.which(tool) is None:
        raise MissingToolError(f"There is no `{tool}` on this machine, so nothing was run; {remedy}.")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise MissingToolError(
            f"`{tool} {' '.join(arguments)}` fails, so nothing was run ({said[-1] if said else 'it says nothing'}); {remedy}."
        )


@contextlib.contextmanager
def _unchanged(file: Path) -> Iterator[None]:
    """Puts a file back as it was: the CLI adds the salt of its secrets to the stack's configuration."""
    before = file.read_bytes()
    try:
        yield
    finally:
        file.write_bytes(before)
