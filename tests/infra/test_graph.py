"""What the program registers, for every subset of architectures, under mocks that refuse what a deployment would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from infra.sample import PASSAGE
from infra.settings import BASE_IMAGE
from workbench.program.config import load
from workbench.program.graph import Graph, Resource, plain
from workbench.program.preview import preview

FUNCTION = "aws:lambda/function:Function"
COMPONENTS = {
    "efs": "ml-inference:infra:EfsInference",
    "s3": "ml-inference:infra:S3Inference",
    "oci": "ml-inference:infra:OciInference",
}
# Of Lambda's own making; everything else that the program leaves to Pulumi to name has room for its suffix.
LONGEST_NAME = {FUNCTION: 64, "aws:iam/role:Role": 64, "aws:s3/bucket:Bucket": 63, "aws:apigatewayv2/api:Api": 128}
# What AWS knows no tags for, so that default tags do not reach it, is not listed by the provider either.
OURS = "ml-inference:"


def one(resources: list[Resource], fragment: str = "") -> Resource:
    [found] = [resource for resource in resources if fragment in resource.name]
    return found


def below(graph: Graph, urn: str) -> Iterator[Resource]:
    for child in graph.children(urn):
        yield child
        yield from below(graph, child.urn)


def component(graph: Graph, architecture: str) -> Resource:
    return one(graph.of_type(COMPONENTS[architecture]))


def inference_function(graph: Graph, architecture: str) -> Resource:
    return one(
        [
            resource
            for resource in below(graph, component(graph, architecture).urn)
            if resource.type == FUNCTION and ".app.handler" in resource.inputs["imageConfig"]["commands"][0]
        ]
    )


def requirements(graph: Graph, resource: Resource) -> set[str]:
    """The URNs of everything that has to be there before `resource`."""
    found: set[str] = set()
    pending = list(resource.depends_on)
    while pending:
        urn = pending.pop()
        if urn not in found:
            found.add(urn)
            pending.extend(graph.by_urn(urn).depends_on)
    return found


def test_only_the_chosen_architectures_are_deployed(graph: Graph, architectures: tuple[str, ...]) -> None:
    assert {name for name, kind in COMPONENTS.items() if graph.of_type(kind)} == set(architectures)
    assert bool(graph.of_type("ml-inference:infra:ModelBucket")) == (set(architectures) != {"oci"})
    assert bool(graph.of_type("awsx:ec2:Vpc")) == ("efs" in architectures)


def test_every_output_names_exactly_the_chosen_architectures(graph: Graph, architectures: tuple[str, ...]) -> None:
    assert set(graph.outputs) == {"endpoints", "functions", "images", "logGroups", "sampleRequests"}
    for name, value in graph.outputs.items():
        assert set(value) == set(architectures), name
    for architecture in architectures:
        endpoint = graph.outputs["endpoints"][architecture]
        assert re.fullmatch(r"https://\w+\.execute-api\.us-east-1\.amazonaws\.com/develop/", endpoint)
        request = graph.outputs["sampleRequests"][architecture]
        assert request.startswith(f"curl -sS {endpoint} -H 'content-type: application/json' -d ")
        assert PASSAGE in request
        assert graph.outputs["functions"][architecture].startswith(f"ml-inference-local-{architecture}-function-")
        assert re.search(r"@sha256:[0-9a-f]{64}$", graph.outputs["images"][architecture])


def test_every_resource_lies_below_a_component_of_ours_and_carries_its_name(graph: Graph) -> None:
    for resource in graph.resources:
        if resource.type == "pulumi:providers:aws":
            continue
        assert resource.name.startswith("ml-inference-local-")
        if resource.parent:
            parent = graph.by_urn(resource.parent)
            assert parent.type.startswith(OURS)
            assert resource.name.startswith(parent.name)
        else:
            assert resource.type.startswith(OURS), f"{resource.name} has no component around it"


def test_everything_on_aws_comes_from_the_provider_with_the_default_tags(graph: Graph) -> None:
    provider = one(graph.of_type("pulumi:providers:aws"))
    assert json.loads(provider.inputs["defaultTags"]) == {
        "tags": {"project": "ml-inference", "stack": "local", "purpose": "ml-inference"}
    }
    assert provider.inputs["region"] == "us-east-1"
    for resource in graph.resources:
        if resource.type.startswith("aws:"):
            assert resource.provider.startswith(f"{provider.urn}::"), resource.name
        if resource.type.startswith("awsx:"):
            assert any(reference.startswith(f"{provider.urn}::") for reference in resource.providers)


def test_the_api_calls_the_published_version_through_the_alias(graph: Graph, architectures: tuple[str, ...]) -> None:
    for architecture in architectures:
        mine = list(below(graph, component(graph, architecture).urn))
        function = inference_function(graph, architecture)
        assert function.inputs["publish"] is True
        name = graph.outputs["functions"][architecture]
        alias = one([r for r in mine if r.type == "aws:lambda/alias:Alias" and r.inputs["functionName"] == name])
        assert (alias.inputs["name"], alias.inputs["functionVersion"]) == ("live", "1")

        integration = one([r for r in mine if r.type == "aws:apigatewayv2/integration:Integration"])
        assert integration.inputs["integrationUri"].endswith(f":function:{name}:live/invocations")
        assert integration.inputs["integrationType"] == "AWS_PROXY"
        assert integration.inputs["payloadFormatVersion"] == "2.0"

        api = one([r for r in mine if r.type == "aws:apigatewayv2/api:Api"])
        assert api.inputs["protocolType"] == "HTTP"
        assert "corsConfiguration" not in api.inputs
        api_id = integration.inputs["apiId"]
        permission = one([r for r in mine if r.type == "aws:lambda/permission:Permission"])
        assert permission.inputs["function"] == name
        assert permission.inputs["qualifier"] == "live"
        assert permission.inputs["principal"] == "apigateway.amazonaws.com"
        assert permission.inputs["action"] == "lambda:InvokeFunction"
        assert permission.inputs["sourceArn"] == f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/develop/POST/"


def test_the_api_has_one_route_is_throttled_and_logs_no_bodies(graph: Graph, architectures: tuple[str, ...]) -> None:
    assert len(graph.of_type("aws:apigatewayv2/api:Api")) == len(architectures)
    for route in graph.of_type("aws:apigatewayv2/route:Route"):
        assert route.inputs["routeKey"] == "POST /"
        assert route.inputs["authorizationType"] == "NONE"
        assert route.inputs["target"].startswith("integrations/")
    for stage in graph.of_type("aws:apigatewayv2/stage:Stage"):
        assert stage.inputs["name"] == "develop"
        assert stage.inputs["autoDeploy"] is True
        assert stage.inputs["defaultRouteSettings"] == {"throttlingRateLimit": 10, "throttlingBurstLimit": 20}
        logged = json.loads(stage.inputs["accessLogSettings"]["format"])
        assert "$context.requestId" in logged.values()
        assert not [value for value in logged.values() if "path" in value.lower() or "query" in value.lower()]
        route = one(graph.of_type("aws:apigatewayv2/route:Route"), stage.name.removesuffix("-stage"))
        assert route.urn in stage.depends_on


def test_every_log_group_is_ours_and_forgets(graph: Graph) -> None:
    groups = graph.of_type("aws:cloudwatch/logGroup:LogGroup")
    assert len(groups) == len(graph.of_type(FUNCTION)) + len(graph.of_type("aws:apigatewayv2/api:Api"))
    assert {group.inputs["retentionInDays"] for group in groups} == {14}
    for function in graph.of_type(FUNCTION):
        logging = function.inputs["loggingConfig"]
        assert logging["logFormat"] == "JSON"
        assert logging["logGroup"].startswith(function.name.removesuffix("-function") + "-logs-")


def test_every_function_runs_an_image_by_its_digest(graph: Graph) -> None:
    for function in graph.of_type(FUNCTION):
        assert function.inputs["packageType"] == "Image"
        assert re.fullmatch(
            r"\S+\.dkr\.ecr\.us-east-1\.amazonaws\.com/\S+@sha256:[0-9a-f]{64}", function.inputs["imageUri"]
        )
        assert function.inputs["architectures"] == ["x86_64"]
        assert function.inputs["tracingConfig"] == {"mode": "Active"}


def test_images_are_built_by_buildkit_for_the_functions_platform_and_pushed_to_their_own_repository(
    graph: Graph, architectures: tuple[str, ...]
) -> None:
    images = graph.of_type("docker:index/image:Image")
    assert {image.inputs["build"]["target"] for image in images} == set(architectures)
    for image in images:
        build, repository = image.inputs["build"], image.inputs["imageName"].rpartition(":")[0]
        assert build["platform"] == "linux/amd64"
        assert build["args"] == {"BASE_IMAGE": BASE_IMAGE, "ENGINE": "onnx"}
        assert build["builderVersion"] == "BuilderBuildKit"
        assert build["context"] == f".build/{build['target']}"
        assert image.inputs["registry"]["server"] == repository
        assert image.inputs["registry"]["username"] == "AWS"
    for repository in graph.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert repository.inputs["forceDelete"] is True
    assert len(graph.of_type("aws:ecr/lifecyclePolicy:LifecyclePolicy")) == len(architectures)


def test_cpu_engine_and_base_image_decide_what_is_built_and_what_the_function_runs_on(
    configured: Callable[..., Graph],
) -> None:
    graph = configured("efs", "oci", cpu="arm64", baseImage="mirror/python:1", torchIndex="https://index")
    for image in graph.of_type("docker:index/image:Image"):
        assert image.inputs["build"]["platform"] == "linux/arm64"
        assert image.inputs["build"]["args"] == {"BASE_IMAGE": "mirror/python:1", "ENGINE": "onnx"}
    assert {tuple(function.inputs["architectures"]) for function in graph.of_type(FUNCTION)} == {("arm64",)}


def test_the_dockerfile_and_the_configuration_agree_on_the_base_image() -> None:
    assert f"\nARG BASE_IMAGE={BASE_IMAGE}\n" in Path("handlers/Dockerfile").read_text(encoding="utf-8")


def test_memory_and_timeout_follow_the_configuration_and_its_overrides(configured: Callable[..., Graph]) -> None:
    graph = configured("efs", "oci", memory="2048", oci='{"memory": 512, "timeout": 5}')
    efs, oci = inference_function(graph, "efs").inputs, inference_function(graph, "oci").inputs
    assert (efs["memorySize"], efs["timeout"]) == (2048, 30)
    assert (oci["memorySize"], oci["timeout"]) == (512, 5)


def test_functions_are_told_their_models_in_the_order_of_the_configuration(whole_graph: Graph) -> None:
    for architecture in COMPONENTS:
        variables = inference_function(whole_graph, architecture).inputs["environment"]["variables"]
        models = json.loads(variables["MODELS"])
        assert list(models) == ["nlp1", "nlp2"]
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in models.values())


def test_each_architecture_finds_its_weights_in_its_own_place(whole_graph: Graph) -> None:
    variables = {
        architecture: inference_function(whole_graph, architecture).inputs["environment"]["variables"]
        for architecture in COMPONENTS
    }
    bucket = one(whole_graph.of_type("ml-inference:infra:ModelBucket")).name
    assert variables["efs"]["MODEL_ROOT"] == "/mnt/models"
    assert variables["oci"]["MODEL_ROOT"] == "/opt/models"
    assert variables["s3"]["MODEL_BUCKET"].startswith(bucket)
    assert "MODEL_BUCKET" not in variables["efs"]
    assert "MODEL_BUCKET" not in variables["oci"]


def test_the_efs_function_comes_after_the_mount_targets_and_the_loader(whole_graph: Graph) -> None:
    function = inference_function(whole_graph, "efs")
    [load] = whole_graph.of_type("aws:lambda/invocation:Invocation")
    mount_targets = whole_graph.of_type("aws:efs/mountTarget:MountTarget")
    assert len(mount_targets) == 2
    assert {load.urn, *(target.urn for target in mount_targets)} <= set(function.depends_on)

    needed = requirements(whole_graph, load)
    loader = one(
        [
            resource
            for resource in whole_graph.of_type(FUNCTION)
            if resource.inputs["imageConfig"] == {"commands": ["handlers.efs.loader.handler"]}
        ]
    )
    assert loader.urn in needed
    assert {target.urn for target in mount_targets} <= set(loader.depends_on)
    assert {item.urn for item in whole_graph.of_type("aws:s3/bucketObjectv2:BucketObjectv2")} <= needed


def test_the_loader_runs_again_when_a_bundle_or_the_file_system_changes(whole_graph: Graph) -> None:
    [load] = whole_graph.of_type("aws:lambda/invocation:Invocation")
    bundles = json.loads(load.inputs["input"])["bundles"]
    [file_system] = whole_graph.of_type("aws:efs/fileSystem:FileSystem")
    assert set(bundles) == {"nlp1", "nlp2"}
    assert bundles.items() <= load.inputs["triggers"].items()
    assert load.inputs["triggers"]["file-system"].startswith("fs-")
    assert file_system.urn in load.depends_on


def test_the_s3_function_comes_after_the_uploads(whole_graph: Graph) -> None:
    uploads = {item.urn for item in whole_graph.of_type("aws:s3/bucketObjectv2:BucketObjectv2")}
    assert len(uploads) == 6
    assert uploads <= set(inference_function(whole_graph, "s3").depends_on)


def test_the_file_system_is_encrypted_refuses_plain_text_and_has_a_user_of_its_own(whole_graph: Graph) -> None:
    [file_system] = whole_graph.of_type("aws:efs/fileSystem:FileSystem")
    assert file_system.inputs["encrypted"] is True
    [policy] = whole_graph.of_type("aws:efs/fileSystemPolicy:FileSystemPolicy")
    assert _refuses_plain_text(json.loads(policy.inputs["policy"]))
    [access_point] = whole_graph.of_type("aws:efs/accessPoint:AccessPoint")
    assert access_point.inputs["posixUser"] == {"uid": 1001, "gid": 1001}
    assert access_point.inputs["rootDirectory"] == {
        "path": "/lambda",
        "creationInfo": {"ownerUid": 1001, "ownerGid": 1001, "permissions": "750"},
    }


def test_the_bucket_is_private_encrypted_and_refuses_plain_text(graph: Graph, architectures: tuple[str, ...]) -> None:
    buckets = graph.of_type("aws:s3/bucket:Bucket")
    assert len(buckets) == (set(architectures) != {"oci"})
    if not buckets:
        return
    [block] = graph.of_type("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert [value for key, value in block.inputs.items() if key != "bucket"] == [True] * 4
    [encryption] = graph.of_type(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    )
    assert encryption.inputs["rules"] == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    [policy] = graph.of_type("aws:s3/bucketPolicy:BucketPolicy")
    assert _refuses_plain_text(json.loads(policy.inputs["policy"]))


def test_the_network_has_two_isolated_zones_an_s3_endpoint_and_no_nat_gateway(whole_graph: Graph) -> None:
    [vpc] = whole_graph.of_type("awsx:ec2:Vpc")
    assert vpc.inputs["natGateways"] == {"strategy": "None"}
    assert vpc.inputs["numberOfAvailabilityZones"] == 2
    assert vpc.inputs["subnetSpecs"] == [{"type": "Isolated"}]
    assert vpc.inputs["vpcEndpointStrategy"] == "Auto"
    assert vpc.inputs["vpcEndpointSpecs"] == [
        {"serviceName": "com.amazonaws.us-east-1.s3", "vpcEndpointType": "Gateway"}
    ]
    assert not [resource for resource in whole_graph.resources if "natGateway" in resource.type]


def test_the_network_lets_through_nfs_to_the_mount_targets_and_the_loader_to_s3_and_nothing_else(
    whole_graph: Graph,
) -> None:
    groups = {
        resource.urn: resource.name.rpartition("-efs-")[2]
        for resource in whole_graph.of_type("aws:ec2/securityGroup:SecurityGroup")
    }
    assert sorted(groups.values()) == ["inference", "loader", "mount-target"]
    for resource in whole_graph.of_type("aws:ec2/securityGroup:SecurityGroup"):
        assert not {"ingress", "egress"} & set(resource.inputs)

    def rules(kind: str) -> set[tuple[str, str, int, int]]:
        found = set()
        for rule in whole_graph.of_type(kind):
            assert rule.inputs["ipProtocol"] == "tcp"
            assert not {"cidrIpv4", "cidrIpv6"} & set(rule.inputs)
            described = rule.name.rpartition("-efs-")[2]
            targets = [groups[urn] for urn in rule.depends_on if urn in groups]
            assert all(target in described for target in targets)
            found.add(
                (described, rule.inputs.get("prefixListId", "")[:3], rule.inputs["fromPort"], rule.inputs["toPort"])
            )
        return found

    assert rules("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") == {
        ("mount-target-from-inference", "", 2049, 2049),
        ("mount-target-from-loader", "", 2049, 2049),
    }
    assert rules("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule") == {
        ("inference-to-mount-target", "", 2049, 2049),
        ("loader-to-mount-target", "", 2049, 2049),
        ("loader-to-s3", "pl-", 443, 443),
    }


def test_only_efs_functions_are_in_the_network(whole_graph: Graph) -> None:
    for function in whole_graph.of_type(FUNCTION):
        in_network = "efs" in function.inputs["imageConfig"]["commands"][0]
        assert ("vpcConfig" in function.inputs) == in_network
        assert ("fileSystemConfig" in function.inputs) == in_network
        if in_network:
            assert len(function.inputs["vpcConfig"]["subnetIds"]) == 2
            assert function.inputs["fileSystemConfig"]["localMountPath"] == "/mnt/models"
            [group] = [whole_graph.by_urn(urn) for urn in function.depends_on if ":SecurityGroup::" in urn]
            part = "loader" if "loader" in function.name else "inference"
            assert group.name.endswith(f"-efs-{part}"), "only the loader may reach S3"


def test_auth_iam_and_jwt_reach_the_routes(configured: Callable[..., Graph]) -> None:
    iam = configured("oci", auth="iam")
    assert [r.inputs["authorizationType"] for r in iam.of_type("aws:apigatewayv2/route:Route")] == ["AWS_IAM"]
    assert "--aws-sigv4" in iam.outputs["sampleRequests"]["oci"]

    jwt = configured("oci", auth="jwt", jwt='{"issuer": "https://issuer.example", "audience": ["me"]}')
    [route] = jwt.of_type("aws:apigatewayv2/route:Route")
    [authorizer] = jwt.of_type("aws:apigatewayv2/authorizer:Authorizer")
    assert route.inputs["authorizationType"] == "JWT"
    assert authorizer.urn in route.depends_on
    assert authorizer.inputs["jwtConfiguration"] == {"issuer": "https://issuer.example", "audiences": ["me"]}


def test_cors_is_off_unless_configured(configured: Callable[..., Graph]) -> None:
    [api] = configured("oci", corsOrigins='["https://app.example"]').of_type("aws:apigatewayv2/api:Api")
    assert api.inputs["corsConfiguration"]["allowOrigins"] == ["https://app.example"]
    assert api.inputs["corsConfiguration"]["allowMethods"] == ["POST"]


def test_two_runs_register_the_same_inputs(whole_graph: Graph) -> None:
    again = preview(load("local"))
    assert {r.urn: plain(r.inputs) for r in again.resources} == {r.urn: plain(r.inputs) for r in whole_graph.resources}
    assert again.outputs == whole_graph.outputs


def test_names_fit_aws_with_pulumis_suffix(whole_graph: Graph) -> None:
    for kind, limit in LONGEST_NAME.items():
        for resource in whole_graph.of_type(kind):
            assert len(resource.name) + len("-1234567") <= limit


def _refuses_plain_text(policy: dict[str, Any]) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == {"AWS": "*"}
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in policy["Statement"]
    )
