"""A Lambda function from a container image, with everything that always goes with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from . import policies
from .options import Rollout
from .settings import Cpu

ALIAS = "live"


@dataclass(kw_only=True)
class FileSystemMount:
    """An EFS access point, where a function sees it, and the network it is reached through."""

    access_point_arn: pulumi.Input[str]
    path: str
    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_id: pulumi.Input[str]


@dataclass(kw_only=True)
class ContainerFunctionArgs:
    """A function of one image: memory and ephemeral storage in MB, timeout in seconds, concurrency in environments.

    `command` is the handler that the image's runtime interface client runs. `statements` is what the role may do
    beyond writing its logs and traces. `requires` is what must be there before the function is, and outlives it.
    A reserved concurrency of -1 is none. With a `rollout`, the alias points to the version that is stable.
    """

    image_uri: pulumi.Input[str]
    command: str
    cpu: Cpu
    memory: int
    timeout: int
    log_retention_days: int
    environment: Mapping[str, pulumi.Input[str]]
    statements: Sequence[pulumi.Input[policies.Statement]] = field(default_factory=list)
    file_system: FileSystemMount | None = None
    requires: Sequence[pulumi.Resource] = field(default_factory=list)
    ephemeral_storage: int | None = None
    snap_start: bool = False
    reserved_concurrency: int = -1
    rollout: Rollout | None = None
    kms_key_arn: str = ""


class ContainerFunction(pulumi.ComponentResource):
    """Role, log group, function, published version and the alias `live` that callers use."""

    name: pulumi.Output[str]
    alias: pulumi.Output[str]
    invoke_arn: pulumi.Output[str]
    log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: ContainerFunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:ContainerFunction", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        # Ours rather than the one Lambda makes at the first invocation, which would keep logs for ever and outlive the stack.
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.kms_key_arn or None,
            opts=child,
        )

        role = aws.iam.Role(f"{name}-role", assume_role_policy=policies.assumed_by("lambda.amazonaws.com"), opts=child)
        statements = [log_group.arn.apply(policies.write_logs), policies.write_traces(), *args.statements]
        if args.file_system:
            statements.append(policies.join_vpc())
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.all(*statements).apply(lambda all_of_them: policies.document(*all_of_them)),
            opts=child,
        )

        function = aws.lambda_.Function(
            f"{name}-function",
            package_type="Image",
            image_uri=args.image_uri,
            image_config=aws.lambda_.FunctionImageConfigArgs(commands=[args.command]),
            architectures=[args.cpu],
            role=role.arn,
            memory_size=args.memory,
            timeout=args.timeout,
            ephemeral_storage=_ephemeral_storage(args.ephemeral_storage),
            snap_start=_snap_start(args.snap_start),
            reserved_concurrent_executions=None if args.reserved_concurrency < 0 else args.reserved_concurrency,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=args.environment),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log_group.name),
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            vpc_config=_vpc_config(args.file_system),
            file_system_config=_file_system_config(args.file_system),
            publish=True,
            # Lambda checks the role when it creates the function and places it in a VPC.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[policy, *args.requires])),
        )
        alias = aws.lambda_.Alias(
            f"{name}-alias",
            name=ALIAS,
            function_name=function.name,
            function_version=str(args.rollout.stable) if args.rollout else function.version,
            routing_config=_routing_config(args.rollout, function.version),
            opts=child,
        )

        self.name = function.name
        self.alias = alias.name
        self.invoke_arn = alias.invoke_arn
        self.log_group_name = log_group.name
        self.register_outputs(
            {
                "name": self.name,
                "alias": self.alias,
                "invokeArn": self.invoke_arn,
                "logGroupName": self.log_group_name,
            }
        )


def _ephemeral_storage(size: int | None) -> aws.lambda_.FunctionEphemeralStorageArgs | None:
    return None if size is None else aws.lambda_.FunctionEphemeralStorageArgs(size=size)


def _snap_start(on: bool) -> aws.lambda_.FunctionSnapStartArgs | None:
    # Lambda takes snapshots of published versions only; the alias points to one.
    return aws.lambda_.FunctionSnapStartArgs(apply_on="PublishedVersions") if on else None


def _routing_config(rollout: Rollout | None, new: pulumi.Output[str]) -> aws.lambda_.AliasRoutingConfigArgs | None:
    if rollout is None or rollout.percent == 0:
        return None
    stable, weight = str(rollout.stable), rollout.percent / 100
    return aws.lambda_.AliasRoutingConfigArgs(
        # As long as nothing new was published, the stable version is the newest one, and an alias names a version once.
        additional_version_weights=new.apply(lambda version: {} if version == stable else {version: weight})
    )


def _vpc_config(file_system: FileSystemMount | None) -> aws.lambda_.FunctionVpcConfigArgs | None:
    if file_system is None:
        return None
    return aws.lambda_.FunctionVpcConfigArgs(
        subnet_ids=file_system.subnet_ids, security_group_ids=[file_system.security_group_id]
    )


def _file_system_config(file_system: FileSystemMount | None) -> aws.lambda_.FunctionFileSystemConfigArgs | None:
    if file_system is None:
        return None
    return aws.lambda_.FunctionFileSystemConfigArgs(arn=file_system.access_point_arn, local_mount_path=file_system.path)
