"""A dashboard that compares the architectures, and alarms for each of them, in CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .api import STAGE
from .dashboard import PERIOD_S, Watched, dashboard_body
from .inference import Inference, InferenceArgs
from .options import Alarms
from .settings import Architecture


@dataclass(kw_only=True)
class MonitoringArgs:
    """The architectures that are watched and what they were made from, and when an alarm is raised."""

    inference: Mapping[Architecture, Inference]
    made_from: Mapping[Architecture, InferenceArgs]
    alarms: Alarms
    region: str


class Monitoring(pulumi.ComponentResource):
    """One dashboard, and for each architecture an alarm on server errors, on slow answers and on throttling."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:Monitoring", name, None, opts)

        watched = [
            pulumi.Output.all(
                function_name=inference.function_name,
                api_id=inference.api_id,
                log_group_name=inference.log_group_name,
            ).apply(
                lambda physical, architecture=architecture: Watched(
                    architecture=architecture,
                    models=[bundle.name for bundle in args.made_from[architecture].bundles],
                    **physical,
                )
            )
            for architecture, inference in args.inference.items()
        ]
        [(namespace, cpu)] = {(made_from.namespace, made_from.stack.cpu) for made_from in args.made_from.values()}
        aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=name,
            dashboard_body=pulumi.Output.all(*watched).apply(
                lambda known: dashboard_body(args.region, namespace, cpu, known)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        for architecture, inference in args.inference.items():
            self._alarms(f"{name}-{architecture}", inference, args.alarms)
        self.register_outputs({})

    def _alarms(self, name: str, inference: Inference, alarms: Alarms) -> None:
        actions = [alarms.topic_arn] if alarms.topic_arn else None
        child = pulumi.ResourceOptions(parent=self)
        api = {"ApiId": inference.api_id, "Stage": STAGE}

        def sum_of(identity: str, metric: str) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
            return aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=identity,
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace="AWS/ApiGateway", metric_name=metric, stat="Sum", period=PERIOD_S, dimensions=api
                ),
            )

        aws.cloudwatch.MetricAlarm(
            f"{name}-errors",
            alarm_description=f"More than {alarms.error_percent} % of the requests got a status of 5xx",
            metric_queries=[
                sum_of("errors", "5xx"),
                sum_of("requests", "Count"),
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="share", expression="100 * errors / requests", label="Errors, percent", return_data=True
                ),
            ],
            comparison_operator="GreaterThanThreshold",
            threshold=alarms.error_percent,
            evaluation_periods=1,
            # Without requests there are no data, and nothing is wrong.
            treat_missing_data="notBreaching",
            alarm_actions=actions,
            ok_actions=actions,
            opts=child,
        )
        aws.cloudwatch.MetricAlarm(
            f"{name}-latency",
            alarm_description=f"One request in twenty took more than {alarms.p95_ms} ms",
            namespace="AWS/ApiGateway",
            metric_name="Latency",
            dimensions=api,
            extended_statistic="p95",
            period=PERIOD_S,
            comparison_operator="GreaterThanThreshold",
            threshold=alarms.p95_ms,
            # A single cold start among few requests is no reason to wake anybody.
            evaluate_low_sample_count_percentiles="ignore",
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_actions=actions,
            ok_actions=actions,
            opts=child,
        )
        aws.cloudwatch.MetricAlarm(
            f"{name}-throttles",
            alarm_description=f"Lambda throttled more than {alarms.throttles} invocations in {PERIOD_S // 60} minutes",
            namespace="AWS/Lambda",
            metric_name="Throttles",
            dimensions={"FunctionName": inference.function_name},
            statistic="Sum",
            period=PERIOD_S,
            comparison_operator="GreaterThanThreshold",
            threshold=alarms.throttles,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_actions=actions,
            ok_actions=actions,
            opts=child,
        )
