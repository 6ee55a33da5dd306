"""Precautions whose absence would show only in a deployment that goes wrong, or in a bill: order, secrets, expiry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from workbench.program.graph import Graph

FUNCTION = "aws:lambda/function:Function"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"


def test_a_function_comes_after_the_policy_of_its_role(graph: Graph) -> None:
    for function in graph.of_type(FUNCTION):
        [role] = function.sources["role"]
        [policy] = [p for p in graph.of_type("aws:iam/rolePolicy:RolePolicy") if role in p.sources["role"]]
        assert policy.urn in function.depends_on, function.name


def test_the_buckets_policy_comes_after_its_public_access_block(whole_graph: Graph) -> None:
    [policy] = whole_graph.of_type(BUCKET_POLICY)
    [block] = whole_graph.of_type("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert block.urn in policy.depends_on


def test_the_bucket_refuses_every_action_without_tls_on_itself_and_on_its_objects(whole_graph: Graph) -> None:
    [policy] = whole_graph.of_type(BUCKET_POLICY)
    arn = f"arn:aws:s3:::{policy.inputs['bucket']}"
    [statement] = json.loads(policy.inputs["policy"])["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Deny", "s3:*", [arn, f"{arn}/*"])


def test_destroy_takes_the_models_in_the_bucket_and_the_images_in_the_repositories_along(whole_graph: Graph) -> None:
    [bucket] = whole_graph.of_type("aws:s3/bucket:Bucket")
    assert bucket.inputs["forceDestroy"] is True
    assert all(repository.inputs["forceDelete"] for repository in whole_graph.of_type("aws:ecr/repository:Repository"))


def test_only_images_that_a_newer_push_has_replaced_are_expired(whole_graph: Graph) -> None:
    for lifecycle in whole_graph.of_type("aws:ecr/lifecyclePolicy:LifecyclePolicy"):
        [rule] = json.loads(lifecycle.inputs["policy"])["rules"]
        assert rule["selection"]["tagStatus"] == "untagged"
        assert rule["selection"]["countType"] == "imageCountMoreThan"
        assert rule["selection"]["countNumber"] >= 1
        assert rule["action"] == {"type": "expire"}


def test_the_password_of_the_registry_is_a_secret(whole_graph: Graph) -> None:
    images = whole_graph.of_type("docker:index/image:Image")
    assert len(images) == 3
    for image in images:
        assert "registry.password" in image.secrets


def test_the_image_of_oci_is_built_with_the_models_and_the_others_without(whole_graph: Graph) -> None:
    for image in whole_graph.of_type("docker:index/image:Image"):
        context, target = Path(image.inputs["build"]["context"]), image.inputs["build"]["target"]
        models = {path.relative_to(context).parts[1] for path in context.glob("models/*/*/model.onnx")}
        assert models == ({"nlp1", "nlp2"} if target == "oci" else set())


def test_the_models_of_efs_alone_are_in_the_bucket_too(configured: Callable[..., Graph]) -> None:
    graph = configured("efs")
    keys = [item.inputs["key"] for item in graph.of_type("aws:s3/bucketObjectv2:BucketObjectv2")]
    assert {key.split("/")[1] for key in keys} == {"nlp1", "nlp2"}
    assert all(key.startswith("bundles/") for key in keys)


def test_two_zones_have_a_mount_target_each_that_lets_functions_in(whole_graph: Graph) -> None:
    targets = whole_graph.of_type("aws:efs/mountTarget:MountTarget")
    assert len({target.inputs["subnetId"] for target in targets}) == 2
    for target in targets:
        [group] = target.sources["securityGroups"]
        assert group.endswith("-efs-mount-target")


def test_the_vpc_has_the_range_that_is_configured(configured: Callable[..., Graph]) -> None:
    [vpc] = configured("efs", vpcCidr="10.20.0.0/20").of_type("awsx:ec2:Vpc")
    assert vpc.inputs["cidrBlock"] == "10.20.0.0/20"


def test_the_loader_is_invoked_through_its_alias(whole_graph: Graph) -> None:
    [load] = whole_graph.of_type("aws:lambda/invocation:Invocation")
    assert load.inputs["qualifier"] == "live"


def test_throttling_follows_the_configuration(configured: Callable[..., Graph]) -> None:
    [stage] = configured("oci", throttleRate="3", throttleBurst="7").of_type("aws:apigatewayv2/stage:Stage")
    assert stage.inputs["defaultRouteSettings"] == {"throttlingRateLimit": 3, "throttlingBurstLimit": 7}


def test_the_teams_own_default_tags_join_those_of_the_program(configured: Callable[..., Graph]) -> None:
    [provider] = configured("oci", **{"aws:defaultTags": '{"tags": {"team": "search"}}'}).of_type(
        "pulumi:providers:aws"
    )
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert tags == {"project": "ml-inference", "stack": "local", "purpose": "ml-inference", "team": "search"}


def test_nothing_else_of_a_web_site_is_let_through_than_the_request(configured: Callable[..., Graph]) -> None:
    [api] = configured("oci", corsOrigins='["https://app.example"]').of_type("aws:apigatewayv2/api:Api")
    cors = api.inputs["corsConfiguration"]
    assert (cors["allowMethods"], cors["allowOrigins"]) == (["POST"], ["https://app.example"])
    assert "allowCredentials" not in cors
