"""The policy pack: hands the rules to Pulumi. `pulumi preview --policy-pack policy` runs it, and nothing else does."""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from rules import RULES, Declared, ResourceRule, StackRule


def resource_policy(rule: ResourceRule) -> Policy:
    """A policy that asks a rule about each resource as soon as its inputs have been checked."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        provider = args.provider.props if args.provider else {}
        for message in rule.check(Declared(args.urn, args.resource_type, args.name, args.props, {}, provider)):
            report(message, args.urn)

    return ResourceValidationPolicy(rule.name, rule.description, validate)


def stack_policy(rule: StackRule) -> Policy:
    """A policy that asks a rule about all resources at the end of a preview or an update."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for resource, message in rule.check([declared(resource) for resource in args.resources]):
            report(message, resource.urn)

    return StackValidationPolicy(rule.name, rule.description, validate)


def declared(resource: PolicyResource) -> Declared:
    """What the rules have to know of a resource of a stack."""
    sources = {key: [item.urn for item in items] for key, items in resource.property_dependencies.items()}
    provider = resource.provider.props if resource.provider else {}
    return Declared(resource.urn, resource.resource_type, resource.name, resource.props, sources, provider)


PolicyPack(
    "ml-inference",
    [resource_policy(rule) if isinstance(rule, ResourceRule) else stack_policy(rule) for rule in RULES],
    EnforcementLevel.MANDATORY,
)
