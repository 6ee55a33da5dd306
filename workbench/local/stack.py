"""The stack on this machine, whole: the emulator, the Lambda service, and the program deployed into them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from workbench.program.config import StackConfig
from workbench.program.graph import Graph, Resource
from workbench.program.runner import run

from .clients import Clients
from .containers import ContainerLauncher, build
from .deployer import EmulatorProvider
from .emulator import Emulator
from .images import FileSystems, Images
from .lambda_service.service import LambdaService
from .translations import Context

FOLDER = Path(".local")
HANDLERS = Path("handlers")


class LocalStack:
    """A stack that answers on this machine, from `with` to the end of its block.

    Everything it writes lies below `folder`. `port` is the emulator's; None picks a free one. `concurrency` is how
    many requests may be executed at once before one is throttled. With `containers`, the images are built and the
    functions run in containers of them, as Lambda runs them; without, as processes of this machine. `variables` are
    environment variables that every function gets besides its own.

    Raises:
        DockerError: `containers` are asked for and Docker Engine does not answer.
        EmulatorError: the emulator cannot be started.
        ProgramError: the program stops, or registers what the local stack cannot create.
    """

    emulator: Emulator
    functions: LambdaService
    clients: Clients

    def __init__(
        self,
        config: StackConfig,
        folder: Path = FOLDER,
        port: int | None = None,
        concurrency: int = 10,
        containers: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._variables = variables
        self._emulator = Emulator(folder, port=port, concurrency=concurrency)
        self.file_systems = FileSystems(folder / "file-systems")
        self._images = Images(folder / "lambda" / "images", build if containers else None)
        self._launcher = ContainerLauncher(folder, self.file_systems) if containers else None
        self._exits = contextlib.ExitStack()

    @property
    def models(self) -> list[str]:
        """The names of the stack's models, in order."""
        return [model["name"] for model in json.loads(self._config.values[f"{self._config.project}:models"])]

    def __enter__(self) -> LocalStack:
        with contextlib.ExitStack() as exits:
            if self._launcher:
                exits.enter_context(self._launcher)
            self.emulator = exits.enter_context(self._emulator)
            self.clients = Clients(self.emulator.endpoint, self._config.region)
            self.functions = exits.enter_context(
                LambdaService(
                    endpoint=self.emulator.endpoint,
                    folder=self._folder,
                    code=HANDLERS,
                    images=self._images,
                    mounts=self.file_systems,
                    launcher=self._launcher,
                    variables=self._variables,
                )
            )
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    def deploy(self, progress: Callable[[Resource], None] = lambda _: None) -> Graph:
        """Runs the program, which creates its resources in the emulator; `progress` is called after each."""
        context = Context(self.clients, self._images, self.file_systems, self.functions.url)
        return run(self._config, EmulatorProvider(context, progress))
