"""The network that EFS needs, and no more of one: isolated subnets, and S3 through a gateway endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

NFS = 2049
HTTPS = 443


@dataclass(kw_only=True)
class IsolatedNetworkArgs:
    """The IPv4 range of the VPC, and the region it lies in."""

    cidr: str
    region: str


class IsolatedNetwork(pulumi.ComponentResource):
    """A VPC over two zones without a way to the internet, and a security group for each part that talks.

    Lambda reaches a file system only from inside a VPC, and the loader reads the bucket from there. A NAT gateway
    would do as well, at a price by the hour and by the gigabyte; the S3 gateway endpoint costs nothing.
    """

    subnet_ids: pulumi.Output[Sequence[str]]
    mount_target_group_id: pulumi.Output[str]
    function_group_id: pulumi.Output[str]
    loader_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: IsolatedNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:IsolatedNetwork", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        s3 = f"com.amazonaws.{args.region}.s3"

        vpc = awsx.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            number_of_availability_zones=2,
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            subnet_specs=[awsx.ec2.SubnetSpecArgs(type=awsx.ec2.SubnetType.ISOLATED)],
            nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=awsx.ec2.NatGatewayStrategy.NONE),
            # "Auto" puts the endpoint into the route tables of the subnets that the VPC makes.
            vpc_endpoint_strategy=awsx.ec2.VpcEndpointStrategy.AUTO,
            vpc_endpoint_specs=[awsx.ec2.VpcEndpointSpecArgs(service_name=s3, vpc_endpoint_type="Gateway")],
            opts=child,
        )
        s3_prefixes = aws.ec2.get_managed_prefix_list_output(name=s3, opts=pulumi.InvokeOutputOptions(parent=self))

        # Lambda gives its network interfaces back up to 45 minutes after the last function of a group is gone, and until
        # then AWS does not delete the group.
        patient = pulumi.ResourceOptions.merge(
            child, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(delete="45m"))
        )
        mount_target, function, loader = (
            aws.ec2.SecurityGroup(f"{name}-{part}", vpc_id=vpc.vpc_id, description=description, opts=patient)
            for part, description in {
                "mount-target": "The mount targets of the models file system",
                "inference": "Inference functions, which read models from the file system",
                "loader": "The loader, which copies models from the bucket to the file system",
            }.items()
        )
        for part, group in {"inference": function, "loader": loader}.items():
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-{part}-to-mount-target",
                security_group_id=group.id,
                referenced_security_group_id=mount_target.id,
                ip_protocol="tcp",
                from_port=NFS,
                to_port=NFS,
                opts=child,
            )
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-mount-target-from-{part}",
                security_group_id=mount_target.id,
                referenced_security_group_id=group.id,
                ip_protocol="tcp",
                from_port=NFS,
                to_port=NFS,
                opts=child,
            )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-loader-to-s3",
            security_group_id=loader.id,
            prefix_list_id=s3_prefixes.id,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=child,
        )

        self.subnet_ids = vpc.isolated_subnet_ids
        self.mount_target_group_id = mount_target.id
        self.function_group_id = function.id
        self.loader_group_id = loader.id
        self.register_outputs(
            {
                "subnetIds": self.subnet_ids,
                "mountTargetGroupId": self.mount_target_group_id,
                "functionGroupId": self.function_group_id,
                "loaderGroupId": self.loader_group_id,
            }
        )
