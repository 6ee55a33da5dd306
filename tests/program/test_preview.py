"""The preview refuses what a deployment would trip over: small programs, each with one fault."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.program.config import StackConfig
from workbench.program.graph import Graph
from workbench.program.preview import preview
from workbench.program.runner import ProgramError

Previewed = Callable[[str], Graph]


@pytest.fixture
def previewed(tmp_path: Path) -> Previewed:
    """Previews a program, given as source code."""

    def run(source: str) -> Graph:
        program = tmp_path / "__main__.py"
        program.write_text("import pulumi\nimport pulumi_aws as aws\n" + source)
        return preview(StackConfig("project", "stack", {"aws:region": "us-east-1"}), program)

    return run


def test_resources_are_recorded_with_parents_dependencies_and_outputs(previewed: Previewed) -> None:
    graph = previewed(
        """
class Box(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("ml-inference:infra:Box", "box")
        group = aws.cloudwatch.LogGroup("group", opts=pulumi.ResourceOptions(parent=self))
        after = aws.cloudwatch.LogGroup("after", opts=pulumi.ResourceOptions(parent=self, depends_on=[group]))
        pulumi.export("name", group.name)
Box()
"""
    )
    [box] = graph.of_type("ml-inference:infra:Box")
    group, after = graph.children(box.urn)
    assert (box.parent, group.name, after.depends_on) == ("", "group", (group.urn,))
    assert graph.outputs["name"].startswith("group-")
    [listed] = [entry for entry in graph.to_json()["resources"] if entry["name"] == "after"]
    assert listed == {
        "urn": after.urn,
        "type": "aws:cloudwatch/logGroup:LogGroup",
        "name": "after",
        "parent": box.urn,
        "inputs": after.inputs,
        "dependsOn": [group.urn],
    }


def test_secrets_and_where_an_input_comes_from_are_recorded(previewed: Previewed) -> None:
    graph = previewed(
        """
group = aws.cloudwatch.LogGroup("group")
tags = {"name": group.name, "token": pulumi.Output.secret("hush")}
aws.cloudwatch.LogGroup("other", name_prefix="plain", tags=tags)
"""
    )
    group, other = graph.resources
    assert other.sources == {"tags": (group.urn,)}
    assert other.secrets == ("tags.token",)
    assert other.inputs["tags"]["token"] == "hush"


def test_a_type_that_nobody_listed_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match="aws:sqs/queue:Queue, which this preview does not know"):
        previewed('aws.sqs.Queue("queue")')


def test_a_required_input_that_comes_to_nothing_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match=r"LifecyclePolicy policy: required input policy is missing"):
        previewed(
            """
repository = aws.ecr.Repository("repository")
aws.ecr.LifecyclePolicy("policy", repository=repository.name, policy=repository.encryption_configurations)
"""
        )


def test_a_nested_required_input_that_comes_to_nothing_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match=r"required input posixUser.gid is missing"):
        previewed(
            """
files = aws.efs.FileSystem("files")
user = aws.efs.AccessPointPosixUserArgs(uid=1, gid=files.number_of_mount_targets)
aws.efs.AccessPoint("point", file_system_id=files.id, posix_user=user)
"""
        )


def test_an_optional_input_that_comes_to_nothing_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match=r"LogGroup group loses its input kmsKeyId"):
        previewed(
            """
other = aws.cloudwatch.LogGroup("other")
aws.cloudwatch.LogGroup("group", kms_key_id=other.kms_key_id)
"""
        )


def test_a_null_inside_a_policy_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match=r"RolePolicy policy: policy holds a null"):
        previewed(
            """
role = aws.iam.Role("role", assume_role_policy="{}")
policy = pulumi.Output.json_dumps({"Resource": role.permissions_boundary})
aws.iam.RolePolicy("policy", role=role.name, policy=policy)
"""
        )


def test_an_input_that_the_sdk_does_not_know_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match=r"imageScanningConfiguration.scanOnPull is no input of it"):
        previewed(
            'aws.ecr.Repository("repository", image_scanning_configuration={"scan_on_push": True, "scanOnPull": 1})'
        )


def test_two_resources_with_one_urn_are_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match="Two resources have the URN"):
        previewed('aws.cloudwatch.LogGroup("group"); aws.cloudwatch.LogGroup("group")')


def test_a_program_that_cannot_live_with_unknown_values_is_refused(previewed: Previewed) -> None:
    with pytest.raises(ProgramError, match=r"registers something else.*two only when known"):
        previewed(
            """
one = aws.cloudwatch.LogGroup("one")
one.name.apply(lambda name: aws.cloudwatch.LogGroup("two"))
"""
        )


def run_preview(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Credentials and profile that would be used, and found wanting, if anything were asked of AWS.
    return subprocess.run(
        [sys.executable, "-m", "workbench", "preview", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "HOME": "/nonexistent", "AWS_PROFILE": "nobody"},
    )


def test_the_command_prints_the_graph_as_json() -> None:
    done = run_preview("--stack", "local", "--config", 'architectures=["oci"]', "--json")
    assert done.returncode == 0, done.stderr
    graph = json.loads(done.stdout)
    assert set(graph) == {"resources", "outputs"}
    assert {"type", "name", "parent", "inputs", "dependsOn"} <= set(graph["resources"][0])
    assert list(graph["outputs"]["endpoints"]) == ["oci"]


def test_the_command_prints_the_tree_of_components() -> None:
    done = run_preview("--stack", "local", "--config", 'ml-inference:architectures=["s3"]')
    assert done.returncode == 0, done.stderr
    assert "S3Inference ml-inference-local-s3" in done.stdout
    assert "EfsInference" not in done.stdout


def test_the_command_says_what_the_program_warns_of() -> None:
    done = run_preview("--stack", "local", "--config", 'architectures=["oci"]', "--json")
    assert done.stderr.startswith("warning: ml-inference-local-oci-api: Its auth is none: ")
    assert json.loads(done.stdout), "a warning must not get into the JSON"


def test_a_wrong_configuration_is_one_sentence_and_exit_code_1() -> None:
    done = run_preview("--stack", "local", "--config", "memory=99999")
    assert done.returncode == 1
    assert done.stdout == ""
    assert (
        done.stderr
        == "ml-inference:memory is 99999; allowed: 128 to 10240 (MB), because those are the limits of Lambda.\n"
    )


def test_a_bundle_that_was_not_prepared_names_the_command() -> None:
    done = run_preview("--stack", "local", "--config", 'models=[{"name": "other", "source": "a/b"}]')
    assert done.returncode == 1
    assert "run `python -m workbench models prepare other --stack local`" in done.stderr
    assert "Traceback" not in done.stderr
