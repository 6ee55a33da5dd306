"""Execution environments that are kept ready for a function's alias, and how their number follows load or the clock."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .function import ContainerFunction
from .options import Scaling

_NAMESPACE = "lambda"
_DIMENSION = "lambda:function:ProvisionedConcurrency"


@dataclass(kw_only=True)
class ProvisionedConcurrencyArgs:
    """The function whose alias is kept ready, the number of environments, and how that number changes."""

    function: ContainerFunction
    environments: int
    scaling: Scaling


class ProvisionedConcurrency(pulumi.ComponentResource):
    """Provisioned concurrency of the alias; with scaling, `environments` is where it starts and its least."""

    def __init__(self, name: str, args: ProvisionedConcurrencyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:ProvisionedConcurrency", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scaling = args.scaling
        scales = bool(scaling.maximum or scaling.schedules)

        provisioned = aws.lambda_.ProvisionedConcurrencyConfig(
            f"{name}-environments",
            function_name=args.function.name,
            qualifier=args.function.alias,
            provisioned_concurrent_executions=args.environments,
            # What scaling has set since is not ours to set back.
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(ignore_changes=["provisionedConcurrentExecutions"] if scales else None),
            ),
        )
        if scales:
            target = aws.appautoscaling.Target(
                f"{name}-target",
                service_namespace=_NAMESPACE,
                scalable_dimension=_DIMENSION,
                resource_id=pulumi.Output.concat("function:", args.function.name, ":", args.function.alias),
                min_capacity=args.environments,
                max_capacity=max(args.environments, scaling.maximum),
                # Destroyed in the opposite order: scaling ends before the environments do.
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[provisioned])),
            )
            self._follow_load(name, target, scaling)
            self._follow_clock(name, target, scaling)
        self.register_outputs({})

    def _follow_load(self, name: str, target: aws.appautoscaling.Target, scaling: Scaling) -> None:
        if not scaling.maximum:
            return
        aws.appautoscaling.Policy(
            f"{name}-utilization",
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                target_value=scaling.utilization / 100,
                predefined_metric_specification=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
                    predefined_metric_type="LambdaProvisionedConcurrencyUtilization"
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _follow_clock(self, name: str, target: aws.appautoscaling.Target, scaling: Scaling) -> None:
        for number, planned in enumerate(scaling.schedules):
            aws.appautoscaling.ScheduledAction(
                f"{name}-schedule-{number}",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                schedule=planned.at,
                timezone=planned.timezone,
                scalable_target_action=aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                    min_capacity=planned.minimum, max_capacity=planned.maximum
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
