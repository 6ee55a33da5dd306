"""The URNs of the program's resources, and the command that records them in urns.json.

Pulumi knows a resource by its URN, which is made of its name and of the types around it. With another URN it is another
resource: the old one is deleted, with the models on it and the endpoint in front of it, and a new one is made. So a URN
may go only on purpose. To keep what a renamed or moved resource stands for, give it an alias
(`pulumi.ResourceOptions(aliases=[...])`) that names what it was. Then record the new URNs:

    .venv/bin/python -m tests.infra.urns
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from workbench.program.config import load
from workbench.program.graph import Graph, Resource
from workbench.program.preview import preview

COMMAND = ".venv/bin/python -m tests.infra.urns"
RECORD = Path(__file__).with_name("urns.json")

_CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"
_KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
_SCHEDULE = '{"at": "cron(0 8 ? * MON-FRI *)", "minimum": 1, "maximum": 2}'

# Settings with which the program registers further resources; a setting that adds one belongs here. A key adds
# none, and is here so that it stays so.
VARIANTS: dict[str, list[str]] = {
    "defaults": [],
    "auth jwt": ["auth=jwt", 'jwt={"issuer": "https://issuer.example", "audience": ["me"]}'],
    "a domain": [f'domain={{"name": "models.example.org", "certificateArn": "{_CERTIFICATE}"}}'],
    "function URLs": ["functionUrl=true", "functionUrlAuth=none", "reservedConcurrency=1"],
    "provisioned concurrency": [
        "provisionedConcurrency=1",
        f'scaling={{"maximum": 2, "schedules": [{_SCHEDULE}]}}',
    ],
    "a key": [f"kmsKeyArn={_KEY}"],
    "monitoring": ["monitoring=true"],
}

# Other models are other objects in the bucket, and are meant to be.
_BUNDLE = re.compile(r"-(nlp\d)-[0-9a-f]{12}-")


def urns(graph: Graph) -> list[str]:
    """The URNs of a graph as the engine makes them, with a word in the place of the digests of bundles."""
    return sorted(_BUNDLE.sub(r"-\1-<digest>-", _urn(graph, resource)) for resource in graph.resources)


def _urn(graph: Graph, resource: Resource) -> str:
    """The SDK's mocks put one parent's type into a URN; the engine puts all of them, but for the stack's own."""
    types, parent = [resource.type], resource.parent
    while parent:
        above = graph.by_urn(parent)
        types.insert(0, above.type)
        parent = above.parent
    stack, project = resource.urn.split(":")[2], resource.urn.split("::")[1]
    return f"urn:pulumi:{stack}::{project}::{'$'.join(types)}::{resource.name}"


def variants() -> dict[str, list[str]]:
    """The URNs of the local stack with its defaults, and what each of the other settings adds."""
    found = {name: urns(preview(load("local", settings))) for name, settings in VARIANTS.items()}
    return {
        name: listed if name == "defaults" else [urn for urn in listed if urn not in found["defaults"]]
        for name, listed in found.items()
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps(variants(), indent=2) + "\n", encoding="utf-8")
