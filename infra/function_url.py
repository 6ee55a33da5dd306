"""A URL of a function's own, without an API in between: no throttling, no access log, no custom domain."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .function import ContainerFunction
from .settings import FunctionUrlAuth


@dataclass(kw_only=True)
class FunctionUrlArgs:
    """The function whose alias answers, and who may ask: callers with IAM rights, or everyone."""

    function: ContainerFunction
    auth: FunctionUrlAuth = "iam"


class FunctionUrl(pulumi.ComponentResource):
    """A URL of the function's alias that answers in one piece; `url` is where to post to."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionUrlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:FunctionUrl", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        url = aws.lambda_.FunctionUrl(
            f"{name}-address",
            function_name=args.function.name,
            qualifier=args.function.alias,
            authorization_type={"iam": "AWS_IAM", "none": "NONE"}[args.auth],
            invoke_mode="BUFFERED",
            opts=child,
        )
        if args.auth == "none":
            pulumi.log.warn("Its functionUrlAuth is none: whoever knows the function URL can use it.", self)
            # Who calls with IAM has the right from a policy of their own; everyone else gets it here. Since October 2025
            # a URL needs both actions ("Control access to Lambda function URLs", AWS Lambda developer guide).
            aws.lambda_.Permission(
                f"{name}-public",
                action="lambda:InvokeFunctionUrl",
                principal="*",
                function=args.function.name,
                qualifier=args.function.alias,
                function_url_auth_type="NONE",
                opts=child,
            )
            aws.lambda_.Permission(
                f"{name}-public-invoke",
                action="lambda:InvokeFunction",
                principal="*",
                function=args.function.name,
                qualifier=args.function.alias,
                invoked_via_function_url=True,
                opts=child,
            )
        self.url = url.function_url
        self.register_outputs({"url": self.url})
