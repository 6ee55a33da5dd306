"""What Docker is called with to build images and to run functions; the images themselves are tested in tests/images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.image_build import ImageBuild
from workbench.local.containers import UNPRIVILEGED, Mount, build_arguments, run_arguments
from workbench.local.images import FileSystems, Images

ARN = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1"
ROLE = "arn:aws:iam::000000000000:role/loader"


def policy(action: str | list[str], effect: str = "Allow") -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]})


def one(context: Path, **args: str) -> ImageBuild:
    (context / "handlers").mkdir(parents=True, exist_ok=True)
    (context / "handlers/Dockerfile").write_text("FROM scratch")
    (context / "models/nlp1").mkdir(parents=True, exist_ok=True)
    (context / "models/nlp1/model.onnx").write_text("weights")
    return ImageBuild(context=context, target="oci", platform="linux/arm64", args=args)


def test_a_build_gives_docker_what_pulumis_provider_is_given(tmp_path: Path) -> None:
    arguments = build_arguments(one(tmp_path / "context", ENGINE="torch", BASE_IMAGE="base"))
    assert arguments == [
        *("build", "--platform", "linux/arm64", "--target", "oci", "--file", f"{tmp_path}/context/handlers/Dockerfile"),
        *(
            "--build-arg",
            "BASE_IMAGE=base",
            "--build-arg",
            "ENGINE=torch",
            "--network",
            "host",
            str(tmp_path / "context"),
        ),
    ]


def test_a_function_runs_with_a_read_only_root_no_rights_and_its_limits(tmp_path: Path) -> None:
    mounts = [Mount(tmp_path, "/mnt/models"), Mount(tmp_path, "/mnt/other", writable=True)]
    arguments = run_arguments("image", ["handler"], memory=512, tmp=64, mounts=mounts, variables={"SECRET": "value"})
    text = " ".join(arguments)
    for option in (
        "--read-only",
        "--tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=64m",
        f"--user {UNPRIVILEGED}",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--memory 512m --memory-swap 512m",
        "--ipc none",
        f"--volume {tmp_path}:/mnt/models:ro",
        f"--volume {tmp_path}:/mnt/other:rw",
        "--env SECRET",
    ):
        assert option in text
    assert "value" not in text
    assert arguments[-2:] == ["image", "handler"]


def test_an_image_that_is_not_built_is_its_build_context(tmp_path: Path) -> None:
    images = Images(tmp_path / "images")
    target = images(images.add("registry/repository", one(tmp_path / "context")))
    assert target.built == ""
    assert target.command == ("handlers.oci.app.handler",)
    assert (target.folders["/opt/models"] / "nlp1/model.onnx").read_text() == "weights"


def test_a_built_image_is_known_by_what_the_build_made(tmp_path: Path) -> None:
    images = Images(tmp_path / "images", lambda build: f"sha256:{build.target}")
    assert images(images.add("registry/repository", one(tmp_path / "context"))).built == "sha256:oci"


def test_an_image_of_other_arguments_has_another_uri(tmp_path: Path) -> None:
    images = Images(tmp_path / "images")
    assert images.add("r", one(tmp_path / "context", ENGINE="onnx")) != images.add(
        "r", one(tmp_path / "context", ENGINE="torch")
    )


@pytest.mark.parametrize(
    ("document", "writable"),
    [
        (policy(["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]), True),
        (policy("elasticfilesystem:*"), True),
        (policy(["elasticfilesystem:ClientMount"]), False),
        (policy("elasticfilesystem:ClientWrite", "Deny"), False),
    ],
)
def test_a_role_writes_to_a_file_system_only_if_its_policy_says_so(
    tmp_path: Path, document: str, writable: bool
) -> None:
    file_systems = FileSystems(tmp_path)
    file_systems.allow("loader", document)
    assert file_systems.access(ARN, ROLE).writable is writable
    assert file_systems.access(ARN, "arn:aws:iam::000000000000:role/other").writable is False


def test_the_folder_of_an_access_point_belongs_to_its_user_or_to_the_one_who_runs_the_stack(tmp_path: Path) -> None:
    file_systems = FileSystems(tmp_path)
    file_systems.declare(ARN, 1001, 1002)
    expected = "1001:1002" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
    assert file_systems.access(ARN, ROLE).user == expected


def test_up_in_containers_without_an_engine_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "local", "up", "--containers", "--port", "0"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("There is no command docker.")
    assert "Traceback" not in done.stderr
