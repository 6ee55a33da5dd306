"""The EFS file system that holds the bundles: encrypted, reachable from the network's zones, through one access point."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from . import policies
from .network import IsolatedNetwork

# Nobody else's on the file system: EFS forces every access through the access point to be by this user.
_UID = _GID = 1001


@dataclass(kw_only=True)
class ModelFileSystemArgs:
    """The network it is reached through, the key it is encrypted with (empty: AWS's own), and whether it is protected."""

    network: IsolatedNetwork
    kms_key_arn: str = ""
    protect: bool = False


class ModelFileSystem(pulumi.ComponentResource):
    """A file system, a mount target in each of the network's two subnets, and the access point `/lambda`.

    A function can mount the file system only when it has `mount_targets`.
    """

    id: pulumi.Output[str]
    arn: pulumi.Output[str]
    access_point_arn: pulumi.Output[str]
    mount_targets: list[pulumi.Resource]

    def __init__(self, name: str, args: ModelFileSystemArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:ModelFileSystem", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        file_system = aws.efs.FileSystem(
            f"{name}-files",
            encrypted=True,
            kms_key_id=args.kms_key_arn or None,
            performance_mode="generalPurpose",
            throughput_mode="elastic",
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=args.protect or None)),
        )
        aws.efs.FileSystemPolicy(
            f"{name}-files-policy",
            file_system_id=file_system.id,
            policy=file_system.arn.apply(lambda arn: policies.document(policies.deny_plain_text("*", arn))),
            opts=child,
        )
        self.mount_targets = [
            aws.efs.MountTarget(
                f"{name}-mount-target-{zone}",
                file_system_id=file_system.id,
                subnet_id=args.network.subnet_ids[zone],
                security_groups=[args.network.mount_target_group_id],
                opts=child,
            )
            for zone in range(2)
        ]
        access_point = aws.efs.AccessPoint(
            f"{name}-access-point",
            file_system_id=file_system.id,
            posix_user=aws.efs.AccessPointPosixUserArgs(uid=_UID, gid=_GID),
            root_directory=aws.efs.AccessPointRootDirectoryArgs(
                path="/lambda",
                creation_info=aws.efs.AccessPointRootDirectoryCreationInfoArgs(
                    owner_uid=_UID, owner_gid=_GID, permissions="750"
                ),
            ),
            opts=child,
        )

        self.id = file_system.id
        self.arn = file_system.arn
        self.access_point_arn = access_point.arn
        self.register_outputs({"id": self.id, "arn": self.arn, "accessPointArn": self.access_point_arn})

    def mount_statement(self, *, write: bool = False) -> pulumi.Output[policies.Statement]:
        """What a role needs to mount the file system through its access point; read-only unless `write`."""
        return pulumi.Output.all(self.arn, self.access_point_arn).apply(lambda arns: policies.mount(*arns, write=write))
