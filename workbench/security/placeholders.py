"""Names in the place of values that only a deployment will tell, so that a page about one stack holds for all."""

from __future__ import annotations

import re
from typing import Any

from workbench.program.config import StackConfig
from workbench.program.graph import Graph, Resource
from workbench.program.preview import ACCOUNT, Imagined
from workbench.program.runner import run

# The outputs that identify a resource; an ARN is made of them.
_IDENTITIES = ("id", "name", "bucket", "vpcId")


class _Remembering:
    """Makes values up as a preview does, and remembers which resource each of them is of."""

    def __init__(self, config: StackConfig) -> None:
        self._imagined = Imagined(config.region)
        self._prefix = f"{config.project}-{config.stack}-"
        self.names = {ACCOUNT: "<account>", config.region: "<region>"}

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        identity, outputs = self._imagined.create(resource)
        given = [value for value in resource.inputs.values() if isinstance(value, str)]
        for value in (identity, *(outputs.get(key) for key in _IDENTITIES)):
            # What the program has named itself, such as the alias, stays as it is.
            if isinstance(value, str) and value and value not in given:
                self.names[value] = f"<{resource.name.removeprefix(self._prefix)}>"
        return identity, outputs

    def invoke(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
        result = self._imagined.invoke(token, args)
        if "id" in result and "name" in args:
            self.names[result["id"]] = args["name"]
        return result


def graph_with_placeholders(config: StackConfig) -> Graph:
    """The graph of a stack, where `<efs-files>` stands for the id or the physical name of the resource `efs-files`.

    Names of resources are given without the project and the stack that they begin with.

    Raises:
        ProgramError: the program stops, or registers something that the preview does not know.
    """
    provider = _Remembering(config)
    graph = run(config, provider)
    # The longest first: a name may begin with another one.
    known = "|".join(re.escape(value) for value in sorted(provider.names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])(?:{known})(?![\w-])")

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if isinstance(value, str):
            # Twice, because the name of a prefix list holds the region.
            for _ in range(2):
                value = pattern.sub(lambda match: provider.names[match[0]], value)
        return value

    prefix = f"{config.project}-{config.stack}-"
    return Graph(
        [
            Resource(
                urn=resource.urn,
                type=resource.type,
                name=resource.name.removeprefix(prefix),
                parent=resource.parent,
                inputs=replaced(resource.inputs),
                depends_on=resource.depends_on,
                custom=resource.custom,
                sources=resource.sources,
            )
            for resource in graph.resources
        ]
    )
