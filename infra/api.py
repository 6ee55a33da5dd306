"""The HTTP API in front of a function: `POST /` on stage `develop`, throttled, logged, with or without authorisation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from .domain import CustomDomain
from .function import ContainerFunction
from .options import Jwt
from .settings import Auth

STAGE = "develop"
ROUTE = "POST /"

# What API Gateway lets through for a whole account unless AWS has raised it (quotas of Amazon API Gateway).
ACCOUNT_RATE, ACCOUNT_BURST = 10_000, 5_000

# What is logged of a request: who, when, how long and with what result; no bodies, no query strings.
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latencyMs": "$context.responseLatency",
    "integrationLatencyMs": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "responseBytes": "$context.responseLength",
}


@dataclass(kw_only=True)
class HttpApiArgs:
    """The function that answers, and who may ask it how often: rates in requests a second, bursts in requests.

    A rate of 0 is none but the account's. With a `domain`, the API is at `path` below it and nowhere else.
    """

    function: ContainerFunction
    throttle_rate: int
    throttle_burst: int
    log_retention_days: int
    auth: Auth = "none"
    jwt: Jwt = field(default_factory=Jwt)
    cors_origins: Sequence[str] = field(default_factory=list)
    cors_credentials: bool = False
    kms_key_arn: str = ""
    domain: CustomDomain | None = None
    path: str = ""


class HttpApi(pulumi.ComponentResource):
    """An HTTP API (v2) with one route to the function's alias; `endpoint` is the URL to post to."""

    api_id: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: HttpApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:HttpApi", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if args.auth == "none":
            pulumi.log.warn(
                f"Its auth is none: whoever knows the address can use it, up to {args.throttle_rate} requests a second at "
                "your expense. Set ml-inference:auth to iam or jwt to know who asks.",
                self,
            )

        api = aws.apigatewayv2.Api(
            f"{name}-http",
            protocol_type="HTTP",
            cors_configuration=_cors(args),
            # Who knows the generated address would get past what guards the domain.
            disable_execute_api_endpoint=True if args.domain else None,
            opts=child,
        )
        integration = aws.apigatewayv2.Integration(
            f"{name}-integration",
            api_id=api.id,
            integration_type="AWS_PROXY",
            integration_uri=args.function.invoke_arn,
            payload_format_version="2.0",
            opts=child,
        )
        authorizer = (
            aws.apigatewayv2.Authorizer(
                f"{name}-authorizer",
                api_id=api.id,
                authorizer_type="JWT",
                identity_sources=["$request.header.Authorization"],
                jwt_configuration=aws.apigatewayv2.AuthorizerJwtConfigurationArgs(
                    issuer=args.jwt.issuer, audiences=args.jwt.audience
                ),
                opts=child,
            )
            if args.auth == "jwt"
            else None
        )
        route = aws.apigatewayv2.Route(
            f"{name}-route",
            api_id=api.id,
            route_key=ROUTE,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type={"none": "NONE", "iam": "AWS_IAM", "jwt": "JWT"}[args.auth],
            authorizer_id=authorizer.id if authorizer else None,
            opts=child,
        )
        access_log = aws.cloudwatch.LogGroup(
            f"{name}-access-logs",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.kms_key_arn or None,
            opts=child,
        )
        stage = aws.apigatewayv2.Stage(
            f"{name}-stage",
            api_id=api.id,
            name=STAGE,
            auto_deploy=True,
            access_log_settings=aws.apigatewayv2.StageAccessLogSettingsArgs(
                destination_arn=access_log.arn, format=json.dumps(ACCESS_LOG)
            ),
            default_route_settings=_throttling(args),
            # A stage that is deployed before it has a route answers 404 until the next deployment.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[route])),
        )
        aws.lambda_.Permission(
            f"{name}-permission",
            action="lambda:InvokeFunction",
            principal="apigateway.amazonaws.com",
            function=args.function.name,
            qualifier=args.function.alias,
            source_arn=pulumi.Output.concat(api.execution_arn, f"/{STAGE}/{ROUTE.replace(' ', '')}"),
            opts=child,
        )

        self.api_id = api.id
        self.endpoint = pulumi.Output.concat(stage.invoke_url, "/")
        if args.domain:
            mapping = aws.apigatewayv2.ApiMapping(
                f"{name}-mapping",
                api_id=api.id,
                domain_name=args.domain.name,
                stage=stage.id,
                api_mapping_key=args.path,
                opts=child,
            )
            self.endpoint = pulumi.Output.concat("https://", mapping.domain_name, "/", args.path)
        self.log_group_name = access_log.name
        self.register_outputs({"endpoint": self.endpoint, "logGroupName": self.log_group_name})


def _cors(args: HttpApiArgs) -> aws.apigatewayv2.ApiCorsConfigurationArgs | None:
    if not args.cors_origins:
        return None
    return aws.apigatewayv2.ApiCorsConfigurationArgs(
        allow_origins=args.cors_origins,
        allow_methods=["POST"],
        # The last three are what a request signed for IAM has besides.
        allow_headers=["content-type", "authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"],
        allow_credentials=True if args.cors_credentials else None,
        expose_headers=["server-timing", "x-cold-start"],
    )


def _throttling(args: HttpApiArgs) -> aws.apigatewayv2.StageDefaultRouteSettingsArgs:
    # Settings that are left out stay as they were on AWS, so that no throttling has to be said, too.
    rate, burst = (args.throttle_rate, args.throttle_burst) if args.throttle_rate else (ACCOUNT_RATE, ACCOUNT_BURST)
    return aws.apigatewayv2.StageDefaultRouteSettingsArgs(throttling_rate_limit=rate, throttling_burst_limit=burst)
