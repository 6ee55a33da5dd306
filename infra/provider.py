"""The AWS provider of the stack: the stack's own `aws:` settings, and the tags that every resource carries."""

from __future__ import annotations

import inspect
from typing import Any

import pulumi
import pulumi_aws as aws


def aws_provider() -> aws.Provider:
    """A provider with every `aws:` setting of the stack and with default tags for project, stack and purpose.

    Pulumi applies `aws:` settings to its default provider only, and only a provider of our own can have tags that
    depend on the stack.
    """
    settings = {name: value for name in _arguments() if (value := _setting(name)) is not None}
    given = settings.pop("default_tags", None) or {}
    tags = {"project": pulumi.get_project(), "stack": pulumi.get_stack(), "purpose": "ml-inference"}
    return aws.Provider("aws", **settings, default_tags=aws.ProviderDefaultTagsArgs(tags=tags | given.get("tags", {})))


def _arguments() -> list[str]:
    return [name for name in inspect.signature(aws.ProviderArgs).parameters if not name.startswith("__")]


def _setting(name: str) -> Any:
    config = pulumi.Config("aws")
    first, *rest = name.split("_")
    key = first + "".join(word.capitalize() for word in rest)
    if config.get(key) is None:
        return None
    try:
        return config.get_object(key)
    except pulumi.ConfigTypeError:
        return config.get(key)
