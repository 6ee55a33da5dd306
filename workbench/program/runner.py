"""Runs the real `__main__.py` without the Pulumi CLI: the SDK's mock monitor stands where the engine would be.

What a resource becomes is the business of the `Provider` that is passed in: `workbench.program.preview` makes values
up, `workbench.local.deployer` creates the resource in the emulator.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import runpy
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import engine_pb2, resource_pb2
from pulumi.runtime.settings import configure
from pulumi.runtime.stack import run_in_stack

from . import sdk
from .config import StackConfig
from .graph import Graph, Resource

PROGRAM = Path("__main__.py")

_STACK = "pulumi:pulumi:Stack"


class ProgramError(Exception):
    """The program stopped; the message is what it said, or what was wrong with what it registered."""


class Provider(Protocol):
    """What stands behind the program's resources and function calls."""

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        """The id and the outputs of a resource that the program registers; an empty id is one not known yet."""
        ...

    def invoke(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
        """The result of a provider's function such as `aws:ec2/getManagedPrefixList:getManagedPrefixList`."""
        ...


class _Unused(mocks.Mocks):
    """The monitor below answers by itself; the SDK's type wants mocks all the same."""

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(args.token)

    def new_resource(self, args: mocks.MockResourceArgs) -> Any:
        raise AssertionError(args.typ)


class _Monitor(mocks.MockMonitor):
    """Records everything that is registered, with what the SDK's own mocks leave out: parents and dependencies."""

    def __init__(self, provider: Provider, graph: Graph) -> None:
        super().__init__(_Unused())
        self._provider = provider
        self._graph = graph
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  (the name of the gRPC method)
        urn = self.make_urn(request.parent, request.type, request.name)
        reply = resource_pb2.RegisterResourceResponse(urn=urn)
        if request.type == _STACK:
            return reply
        resource = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            parent="" if _type_of(request.parent) == _STACK else request.parent,
            inputs=_values(rpc.deserialize_properties(request.object)),
            depends_on=tuple(sorted(set(request.dependencies))),
            custom=bool(request.custom),
            provider=request.provider,
            providers=tuple(request.providers.values()),
            protect=bool(request.protect),
            retain_on_delete=bool(request.retainOnDelete),
            ignore_changes=tuple(request.ignoreChanges),
            delete_timeout=request.customTimeouts.delete,
            sources={
                key: tuple(sorted(value.urns)) for key, value in request.propertyDependencies.items() if value.urns
            },
            # Of the message itself: the SDK makes the whole of an input a secret that has one somewhere inside.
            secrets=tuple(sorted(_secrets(json_format.MessageToDict(request.object)))),
        )
        with self._lock:
            if any(other.urn == urn for other in self._graph.resources):
                raise ProgramError(f"Two resources have the URN {urn}; give one of them another name.")
            self._graph.resources.append(resource)
        identity, outputs = "", {}
        if _has_provider(resource):
            if found := sdk.problems(resource):
                raise ProgramError(" ".join(found))
            identity, outputs = self._provider.create(resource)
        reply.id = identity
        reply.object.CopyFrom(_serialized(outputs))
        self.resources[urn] = mocks.MockMonitor.ResourceRegistration(urn, identity, outputs)
        return reply

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  (the name of the gRPC method)
        if _type_of(request.urn) == _STACK:
            self._graph.outputs = _values(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)

    def Invoke(self, request: Any) -> Any:  # noqa: N802  (the name of the gRPC method)
        result = self._provider.invoke(request.tok, _values(rpc.deserialize_properties(request.args)))
        return resource_pb2.ResourceInvokeResponse(**{"return": _serialized(result)})


class _Engine(mocks.MockEngine):
    """Keeps what the program warns of, with the resource that it warns about; everything else it says is left out."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(logging.getLogger("pulumi.program"))
        self._graph = graph

    def Log(self, request: Any) -> None:  # noqa: N802  (the name of the gRPC method)
        if request.severity == engine_pb2.WARNING:
            about = request.urn.rpartition("::")[2]
            self._graph.warnings.append(f"{about}: {request.message}" if about else request.message)
        else:
            super().Log(request)


def run(config: StackConfig, provider: Provider, *, preview: bool = False, program: Path = PROGRAM) -> Graph:
    """Runs the program to its end and returns what it registered.

    With `preview`, outputs that `provider` does not give are unknown, as in `pulumi preview`; without, they are None,
    as after `pulumi up`.

    Raises:
        ProgramError: the program refused its configuration, or failed.
    """
    graph = Graph()
    monitor = _Monitor(provider, graph)

    def execute() -> None:
        runpy.run_path(str(program), run_name="__main__")

    async def execute_in_stack() -> None:
        # The first error ends the run and is raised below; the others follow from it, and the log would be full of them.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await run_in_stack(execute)

    def work() -> None:
        configure(
            mocks.MockSettings(
                monitor=monitor,
                monitor_features=set(monitor.GetDeploymentInfo(None).supportedFeatures),
                engine=_Engine(graph),
                project=config.project,
                stack=config.stack,
                dry_run=preview,
                organization="organization",
                callbacks=None,
            )
        )
        set_all_config(config.values, [])
        asyncio.run(execute_in_stack())

    # A thread and a context of its own: Pulumi keeps the state of a run in both, and one process may run several.
    with ThreadPoolExecutor(1, "pulumi-program") as executor:
        try:
            executor.submit(contextvars.Context().run, work).result()
        except pulumi.RunError as error:
            raise ProgramError(str(error)) from error
    return graph


def _type_of(urn: str) -> str:
    """The type at the end of the chain of types in a URN; empty for no URN."""
    return urn.split("::")[2].split("$")[-1] if urn else ""


def _has_provider(resource: Resource) -> bool:
    """Components written in this program have none; a component of another package, such as awsx, is made by it."""
    return resource.custom or not resource.type.startswith("ml-inference:")


def _serialized(values: dict[str, Any]) -> Any:
    # The SDK calls the monitor on threads of a pool, which have no event loop.
    return asyncio.run(rpc.serialize_properties(values, {}))


def _secrets(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the secrets in property values, as `a.b[0].c`."""
    if rpc.is_rpc_secret(value):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secrets(item, f"{path}[{index}]")


def _values(value: Any) -> Any:
    """Property values as the program gave them: the wire knows no integers, and secrets are laid open (they stay here)."""
    if rpc.is_rpc_secret(value):
        return _values(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_values(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
