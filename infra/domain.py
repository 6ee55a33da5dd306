"""A domain of the user's in front of the HTTP APIs. The DNS record that leads to it is the user's to make."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from .options import Domain


class CustomDomain(pulumi.ComponentResource):
    """A regional domain name in API Gateway, TLS 1.2 and later; `target` is what a CNAME or alias record points to."""

    name: pulumi.Output[str]
    target: pulumi.Output[str]

    def __init__(self, name: str, args: Domain, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:CustomDomain", name, None, opts)
        if not args.name or not args.certificate_arn:
            raise ValueError("A domain has a name and a certificate; the settings have both or neither.")

        domain = aws.apigatewayv2.DomainName(
            f"{name}-name",
            domain_name=args.name,
            domain_name_configuration=aws.apigatewayv2.DomainNameDomainNameConfigurationArgs(
                certificate_arn=args.certificate_arn, endpoint_type="REGIONAL", security_policy="TLS_1_2"
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = domain.domain_name
        self.target = domain.domain_name_configuration.apply(
            lambda configuration: configuration.target_domain_name or ""
        )
        self.register_outputs({"name": self.name, "target": self.target})
