"""Functions run on this machine as they do on AWS Lambda: real processes of the real runtime behind the emulator."""

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from botocore.exceptions import ClientError

from workbench.local.emulator import Emulator
from workbench.local.lambda_service import invocations
from workbench.local.lambda_service.functions import ImageTarget, UnsupportedFunctionError
from workbench.local.lambda_service.service import LambdaService

if TYPE_CHECKING:
    from conftest import Toys

FUNCTIONS = Path(__file__).with_name("functions")

Alive = Callable[[int], bool]
Until = Callable[[Callable[[], bool]], bool]


def log_of(folder: Path, name: str) -> str:
    return (folder / "logs" / f"{name}.log").read_text()


# Environments


def test_environment_is_reused_when_warm(toys: "Toys", service: LambdaService) -> None:
    name = toys.deploy("toys.echo")

    replies = [toys.invoke(name, {"n": n}) for n in range(3)]

    assert [reply.error for reply in replies] == [None] * 3
    assert [reply.payload["event"] for reply in replies] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len({reply.payload["pid"] for reply in replies}) == 1
    cold, *warm = service.reports(name)
    assert cold.pid == replies[0].payload["pid"]
    assert (cold.cold, cold.status, cold.memory_size_mb) == (True, "success", 128)
    assert cold.init_ms is not None
    assert cold.first_answer_ms is not None
    assert 0 < cold.duration_ms < cold.init_ms < cold.first_answer_ms < 10_000
    assert cold.init_ms + cold.duration_ms <= cold.billed_ms < cold.init_ms + cold.duration_ms + 1
    assert 5 < cold.max_memory_mb < 128
    assert all((r.cold, r.init_ms, r.first_answer_ms) == (False, None, None) for r in warm)


def test_concurrent_requests_get_an_environment_each_and_the_latest_used_serves_next(
    toys: "Toys", service: LambdaService
) -> None:
    name = toys.deploy("toys.sleep")

    with ThreadPoolExecutor() as pool:
        short = pool.submit(toys.invoke, name, {"seconds": 0.5})
        long = pool.submit(toys.invoke, name, {"seconds": 1.0})
    pids = short.result().payload["pid"], long.result().payload["pid"]

    assert len(set(pids)) == 2
    assert [toys.invoke(name, {"seconds": 0}).payload["pid"] for _ in range(2)] == [pids[1]] * 2
    assert [report.cold for report in service.reports(name)] == [True, True, False, False]


def test_back_to_back_requests_never_start_a_second_environment(toys: "Toys", service: LambdaService) -> None:
    name = toys.deploy("toys.echo")
    toys.functions.publish_version(FunctionName=name)  # so that nothing is asked of the emulator in between

    assert len({toys.invoke(name, qualifier="1").payload["pid"] for _ in range(100)}) == 1


def test_requests_past_the_limit_are_throttled(toys: "Toys", emulator: Emulator) -> None:
    name = toys.deploy("toys.sleep")
    api = toys.api(name)

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(toys.invoke, name, {"seconds": 1.0}) for _ in range(emulator.concurrency)]
        time.sleep(0.4)
        with pytest.raises(ClientError) as throttled:
            toys.invoke(name, {"seconds": 0})
        status, _, _ = toys.post(api)

    assert throttled.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert status == 429
    assert len({future.result().payload["pid"] for future in running}) == emulator.concurrency


def test_published_version_gets_environments_of_its_own(toys: "Toys") -> None:
    name = toys.deploy("toys.environment", {"MARK": "one"})
    toys.functions.publish_version(FunctionName=name)
    toys.functions.update_function_configuration(FunctionName=name, Environment=toys.variables(MARK="two"))
    toys.functions.publish_version(FunctionName=name)

    seen = [toys.invoke(name, qualifier=version).payload for version in ("1", "2", "1", "$LATEST")]

    assert [variables["MARK"] for variables in seen] == ["one", "two", "one", "two"]
    assert [variables["AWS_LAMBDA_FUNCTION_VERSION"] for variables in seen] == ["1", "2", "1", "$LATEST"]


def test_changed_configuration_of_latest_is_not_served_by_the_old_environment(
    toys: "Toys", alive: Alive, until: Until
) -> None:
    name = toys.deploy("toys.echo")
    old = toys.invoke(name).payload["pid"]

    toys.functions.update_function_configuration(
        FunctionName=name, ImageConfig={"Command": ["functions.toys.environment"]}
    )

    assert toys.invoke(name).payload["_HANDLER"] == "functions.toys.environment"
    assert until(lambda: not alive(old))


def test_function_that_is_deleted_and_made_again_is_read_again(toys: "Toys", service: LambdaService) -> None:
    name = toys.deploy("toys.exit_with")
    toys.functions.publish_version(FunctionName=name)
    toys.invoke(name, {"status": 1}, qualifier="1")
    toys.functions.delete_function(FunctionName=name)
    toys.deploy("toys.echo", name=name, Publish=True)

    assert toys.invoke(name, {"status": 1}, qualifier="1").payload["event"] == {"status": 1}


# Failures


def test_timeout_kills_the_environment_and_all_it_started(
    toys: "Toys", service: LambdaService, folder: Path, tmp_path: Path, alive: Alive
) -> None:
    name = toys.deploy("toys.hang_with_child", Timeout=1)
    begun = time.monotonic()

    reply = toys.invoke(name, {"pids": str(tmp_path / "pids")})

    assert 1.0 <= time.monotonic() - begun < 3.0
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert [pid for pid in pids if alive(pid)] == []
    (report,) = service.reports(name)
    assert reply.error == "Unhandled"
    assert reply.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {report.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert (report.status, report.error_type) == ("timeout", "Sandbox.Timedout")
    assert 1000 <= report.duration_ms < 1500
    assert re.search(
        rf"^\S+Z {report.request_id} Task timed out after 1.00 seconds$", log_of(folder, name), re.MULTILINE
    )


def test_request_after_a_timeout_gets_a_fresh_environment(
    toys: "Toys", emulator: Emulator, service: LambdaService
) -> None:
    name = toys.deploy("toys.sleep", Timeout=1)

    # the same outcome every time, whoever's clock is ahead
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda _: toys.invoke(name, {"seconds": 5}), range(emulator.concurrency)))

    assert [reply.payload["errorType"] for reply in replies] == ["Sandbox.Timedout"] * emulator.concurrency
    assert toys.invoke(name, {"seconds": 0}).error is None
    assert [report.cold for report in service.reports(name)] == [True] * (emulator.concurrency + 1)
    assert len({report.pid for report in service.reports(name)}) == emulator.concurrency + 1


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"status": 3}, "Runtime exited with error: exit status 3"),
        ({"status": 0}, "Runtime exited without providing a reason"),
        ({"signal": "SIGKILL"}, "Runtime exited with error: signal: killed"),
        ({"signal": "SIGSEGV"}, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_crash_is_reported_and_the_next_request_gets_a_fresh_environment(
    toys: "Toys", service: LambdaService, event: dict[str, Any], reason: str
) -> None:
    name = toys.deploy("toys.exit_with")
    first = toys.invoke(name).payload["pid"]

    crash = toys.invoke(name, event)

    report = service.reports(name)[-1]
    assert crash.error == "Unhandled"
    assert crash.payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {report.request_id} Error: {reason}",
    }
    assert (report.pid, report.status, report.error_type) == (first, "error", "Runtime.ExitError")
    after = toys.invoke(name)
    assert after.error is None
    assert after.payload["pid"] != first


def test_environment_that_dies_while_idle_is_replaced(toys: "Toys", until: Until, alive: Alive) -> None:
    name = toys.deploy("toys.echo")
    first = toys.invoke(name).payload["pid"]

    psutil.Process(first).kill()

    assert until(lambda: not alive(first))
    time.sleep(0.1)
    assert toys.invoke(name).error is None


def test_handler_error_is_reported_as_the_runtime_gives_it_and_the_environment_stays(toys: "Toys") -> None:
    name = toys.deploy("toys.fail")

    # more than the emulator lets through of an error by itself
    replies = [toys.invoke(name, {"length": length}) for length in (0, 5000)]

    assert [reply.error for reply in replies] == ["Unhandled", "Unhandled"]
    assert replies[0].payload["errorType"] == "ValueError"
    assert replies[0].payload["errorMessage"] == "no such thing"
    assert "in fail" in replies[0].payload["stackTrace"][0]
    assert replies[1].payload["errorMessage"] == "x" * 5000 + "no such thing"


def test_handler_error_leaves_the_environment_warm(toys: "Toys", service: LambdaService) -> None:
    name = toys.deploy("toys.fail")

    for _ in range(2):
        toys.invoke(name)

    first, second = service.reports(name)
    assert (first.cold, second.cold) == (True, False)
    assert (second.pid, second.status, second.error_type) == (first.pid, "error", "ValueError")


@pytest.mark.parametrize(
    ("failure", "error_type", "message"),
    [
        ("import", "Runtime.ImportModuleError", "Unable to import module 'functions.broken'"),
        ("error", "LookupError", "not found at import"),
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
    ],
)
def test_init_error_is_reported_and_its_environment_thrown_away(
    toys: "Toys", service: LambdaService, folder: Path, alive: Alive, failure: str, error_type: str, message: str
) -> None:
    name = toys.deploy("broken.handler", {"FAILURE": failure})

    replies = [toys.invoke(name) for _ in range(2)]

    assert [reply.error for reply in replies] == ["Unhandled", "Unhandled"]
    assert {reply.payload["errorType"] for reply in replies} == {error_type}
    assert all(message in reply.payload["errorMessage"] for reply in replies)
    reports = service.reports(name)
    assert [(report.cold, report.status, report.init_ms) for report in reports] == [(True, "error", None)] * 2
    assert len({report.pid for report in reports}) == 2
    assert not any(alive(report.pid) for report in reports)
    assert log_of(folder, name).count("Phase: init\tStatus: error") == 2


def test_unknown_handler_is_an_init_error(toys: "Toys") -> None:
    reply = toys.invoke(toys.deploy("toys.no_such_handler"))

    assert reply.error == "Unhandled"
    assert reply.payload["errorType"] == "Runtime.HandlerNotFound"


def test_time_of_the_init_phase_does_not_count(toys: "Toys", service: LambdaService) -> None:
    name = toys.deploy("slow.handler", {"IMPORT_SECONDS": "1.5"}, Timeout=1)

    assert toys.invoke(name).error is None
    (report,) = service.reports(name)
    assert report.init_ms is not None
    assert report.init_ms > 1500
    assert report.duration_ms < 1000


def test_init_phase_that_takes_too_long_is_repeated_within_the_invocation(
    toys: "Toys", service: LambdaService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocations, "_INIT_LIMIT", 0.5)
    in_time = toys.deploy("slow.handler", {"IMPORT_SECONDS": "0.8"}, Timeout=5)
    too_late = toys.deploy("slow.handler", {"IMPORT_SECONDS": "3"}, Timeout=1)
    before = {process.pid for process in psutil.Process().children()}

    assert toys.invoke(in_time).error is None
    assert toys.invoke(too_late).payload["errorType"] == "Sandbox.Timedout"

    (report,) = service.reports(in_time)
    assert {process.pid for process in psutil.Process().children()} - before == {report.pid}
    assert report.init_ms is None
    assert report.duration_ms > 800
    assert report.first_answer_ms is not None
    assert report.first_answer_ms > report.duration_ms + 500
    assert "Phase: init\tStatus: timeout" in log_of(folder, in_time)


def test_answer_that_is_too_large_is_refused(toys: "Toys") -> None:
    name = toys.deploy("toys.big")

    assert toys.invoke(name, {"length": 6_000_000}).payload == "x" * 6_000_000
    refused = toys.invoke(name, {"length": 6_300_000})
    assert refused.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert toys.invoke(name, {"length": 1}).payload == "x"


def test_event_may_be_as_large_as_lambda_allows(toys: "Toys") -> None:
    assert toys.invoke(toys.deploy("toys.big"), {"length": 1, "padding": "x" * 5_000_000}).payload == "x"


def test_function_that_cannot_run_here_says_why(toys: "Toys") -> None:
    name = toys.deploy("", ImageConfig={"EntryPoint": ["/bin/sh"]})

    reply = toys.invoke(name)

    assert reply.error == "Unhandled"
    assert reply.payload["errorType"] == "Local.ServiceError"
    assert "sets the image's EntryPoint" in reply.payload["errorMessage"]


# What a handler sees


def test_environment_variables_are_those_of_lambda_and_the_functions_own(
    toys: "Toys", emulator: Emulator, service: LambdaService, models: Path
) -> None:
    name = toys.deploy(
        "toys.environment",
        {
            "PLAIN": "a value",
            "IMAGE_FOLDER": "/opt/models",
            "BELOW_MOUNT": "/mnt/models/nlp1",
            "BESIDE_MOUNT": "/mnt/models2",
            "TEMPORARY": "/tmp/cache",  # noqa: S108 - the container's
            "AWS_REGION": "not to be overridden",
        },
        FileSystemConfigs=[
            {
                "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
                "LocalMountPath": "/mnt/models",
            }
        ],
        MemorySize=512,
        TracingConfig={"Mode": "Active"},
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "LogGroup": "/toys"},
    )

    seen = toys.invoke(name).payload

    assert seen["PLAIN"] == "a value"
    assert seen["IMAGE_FOLDER"] == str(models)
    assert seen["BELOW_MOUNT"] == str(models / "mounted" / "nlp1")
    assert seen["BESIDE_MOUNT"] == "/mnt/models2"
    assert seen["TEMPORARY"] == seen["TMPDIR"] + "/cache"
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
    assert seen["AWS_ENDPOINT_URL"] == emulator.endpoint
    assert seen["AWS_ACCESS_KEY_ID"] == seen["AWS_SECRET_ACCESS_KEY"] == "test"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert seen["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert seen["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert seen["AWS_LAMBDA_LOG_LEVEL"] == "WARN"
    assert seen["AWS_LAMBDA_LOG_GROUP_NAME"] == "/toys"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert seen["_HANDLER"] == "functions.toys.environment"
    assert seen["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert seen["TZ"] == ":UTC"
    assert "MINISTACK_LAMBDA_PROXY_URL" not in seen


def test_variables_of_the_users_shell_do_not_reach_function_or_emulator(
    toys: "Toys", emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")  # the emulator was started with this and the next
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")

    seen = toys.invoke(toys.deploy("toys.environment")).payload

    emulators = psutil.Process(emulator.pid).environ()
    for variables in (seen, emulators):
        assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PYTHONPATH"} & set(variables)
    assert not any(name.startswith("AWS_") for name in emulators)


def test_handler_is_imported_from_the_task_root(toys: "Toys", folder: Path) -> None:
    seen = toys.invoke(toys.deploy("toys.interpreter")).payload

    root = folder / "lambda" / "task"
    assert [entry.name for entry in root.iterdir()] == ["functions"]
    assert seen["cwd"] == seen["path"][0] == str(root)
    assert not any("workbench" in entry for entry in seen["path"])
    assert seen["argv"][1:] == ["functions.toys.interpreter"]
    assert seen["stdin"] == ""


def test_context_is_that_of_the_invocation(toys: "Toys", service: LambdaService) -> None:
    name = toys.deploy("toys.context", Timeout=7)

    seen = toys.invoke(name).payload

    (report,) = service.reports(name)
    assert (seen["name"], seen["version"], seen["id"]) == (name, "$LATEST", report.request_id)
    assert seen["arn"].startswith(f"arn:aws:lambda:us-east-1:000000000000:function:{name}")
    assert 6000 < seen["remaining"] <= 7000


def test_temporary_folder_belongs_to_one_environment_and_goes_with_it(toys: "Toys", until: Until) -> None:
    one, other = toys.deploy("toys.scratch"), toys.deploy("toys.scratch")

    first, again = toys.invoke(one, {"name": "a"}).payload, toys.invoke(one, {"name": "b"}).payload
    apart = toys.invoke(other, {"name": "c"}).payload

    assert (first["before"], again["before"], apart["before"]) == ([], ["a"], [])
    assert first["folder"] == again["folder"] != apart["folder"]
    toys.functions.update_function_configuration(FunctionName=one, Timeout=9)
    toys.invoke(one, {"name": "d"})
    assert until(lambda: not Path(first["folder"]).exists())


# Logs


def test_log_holds_the_output_of_the_code_between_lambdas_own_lines(
    toys: "Toys", service: LambdaService, folder: Path
) -> None:
    name = toys.deploy("toys.say")

    toys.invoke(name)
    toys.invoke(name)

    first, second = service.reports(name)
    cold = log_of(folder, name).splitlines()[:5]
    assert cold[:4] == [
        f"START RequestId: {first.request_id} Version: $LATEST",
        "to standard output",
        "to standard error",
        f"END RequestId: {first.request_id}",
    ]
    assert cold[4] == (
        f"REPORT RequestId: {first.request_id}\tDuration: {first.duration_ms:.2f} ms\t"
        f"Billed Duration: {first.billed_ms} ms\tMemory Size: 128 MB\tMax Memory Used: {first.max_memory_mb} MB\t"
        f"Init Duration: {first.init_ms:.2f} ms"
    )
    assert log_of(folder, name).splitlines()[-1].startswith(f"REPORT RequestId: {second.request_id}\t")
    assert "Init Duration" not in log_of(folder, name).splitlines()[-1]


def test_log_is_json_where_the_function_asks_for_it(toys: "Toys", service: LambdaService, folder: Path) -> None:
    name = toys.deploy("toys.fail", LoggingConfig={"LogFormat": "JSON"})

    toys.invoke(name)

    (report,) = service.reports(name)
    start, error, end = (json.loads(line) for line in log_of(folder, name).splitlines())
    assert (start["type"], start["record"]["requestId"]) == ("platform.start", report.request_id)
    assert (error["level"], error["errorType"]) == ("ERROR", "ValueError")
    assert end["type"] == "platform.report"
    assert (end["record"]["status"], end["record"]["errorType"]) == ("error", "ValueError")
    assert end["record"]["metrics"]["billedDurationMs"] == report.billed_ms


# Through an HTTP API


def test_http_api_passes_on_what_the_handler_responds(toys: "Toys") -> None:
    status, headers, body = toys.post(toys.api(toys.deploy("toys.respond")))

    assert (status, headers["content-type"], body) == (502, "text/plain", b"the handler's own")


@pytest.mark.parametrize("by_path", [False, True])
@pytest.mark.parametrize(
    ("handler", "variables"),
    [("toys.fail", {}), ("toys.sleep", {}), ("broken.handler", {"FAILURE": "import"})],
)
def test_http_api_answers_500_and_nothing_else_when_the_function_fails(
    toys: "Toys", handler: str, variables: dict[str, str], by_path: bool
) -> None:
    api = toys.api(toys.deploy(handler, variables))

    status, headers, body = toys.post(api, by_path=by_path)

    assert status == 500
    assert body == b'{"message":"Internal Server Error"}'
    assert headers["content-type"] == "application/json"
    assert "127.0.0.1" not in str(headers)


def test_asynchronous_invocation_is_run_too(toys: "Toys", service: LambdaService, until: Until) -> None:
    name = toys.deploy("toys.echo")

    accepted = toys.functions.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")

    assert accepted["StatusCode"] == 202
    assert until(lambda: [report.status for report in service.reports(name)] == ["success"])


# The service itself


def test_stop_ends_busy_and_idle_environments_and_removes_their_folders(
    emulator: Emulator, toys_at: Callable[[str, str], "Toys"], tmp_path: Path, alive: Alive, until: Until
) -> None:
    service = LambdaService(
        endpoint=emulator.endpoint,
        folder=tmp_path / "local",
        code=FUNCTIONS,
        images=lambda _: ImageTarget([], {}),
        mounts=Path,
    )
    with ThreadPoolExecutor() as pool:
        with service:
            toys = toys_at(emulator.endpoint, service.url)
            idle = toys.invoke(toys.deploy("toys.echo")).payload["pid"]
            pids = tmp_path / "pids"
            busy = pool.submit(toys.invoke, toys.deploy("toys.hang_with_child", Timeout=60), {"pids": str(pids)})
            assert until(pids.exists)
            begun = time.monotonic()
        assert time.monotonic() - begun < 2.0
        assert busy.result(5).error == "Unhandled"
    service.stop()

    assert not [pid for pid in (idle, *map(int, pids.read_text().split())) if alive(pid)]
    assert not (tmp_path / "local" / "lambda").exists()


def test_unknown_image_is_reported_with_the_resolvers_sentence(
    emulator: Emulator, toys_at: Callable[[str, str], "Toys"], tmp_path: Path
) -> None:
    def images(uri: str) -> ImageTarget:
        raise UnsupportedFunctionError(f"There is no image {uri}.")

    with LambdaService(
        endpoint=emulator.endpoint, folder=tmp_path, code=FUNCTIONS, images=images, mounts=Path
    ) as service:
        toys = toys_at(emulator.endpoint, service.url)
        reply = toys.invoke(toys.deploy("toys.echo"))

    assert reply.error == "Unhandled"
    assert reply.payload["errorMessage"].startswith("There is no image 000000000000.dkr.ecr")


def snapshot(toys: "Toys", **variables: str) -> str:
    """A function with SnapStart, its version 1 published."""
    settings = {"Publish": True, "SnapStart": {"ApplyOn": "PublishedVersions"}}
    name = toys.deploy("snapshot.handler", variables, **settings)
    waiter = toys.functions.get_waiter("function_active_v2")
    waiter.wait(FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 0.1, "MaxAttempts": 50})
    return name


def test_a_function_with_snap_start_runs_its_hooks_and_has_credentials_from_an_address(toys: "Toys") -> None:
    reply = toys.invoke(snapshot(toys), qualifier="1")
    assert reply.error is None, reply.payload
    assert reply.payload["steps"] == ["before", "after"]
    assert (reply.payload["type"], reply.payload["keys"]) == ("snap-start", [])
    status, credentials = reply.payload["credentials"]
    assert (status, credentials["AccessKeyId"]) == (200, "test")
    assert credentials["Expiration"].endswith("Z")
    assert reply.payload["stranger"] == 403


def test_a_hook_that_fails_after_the_restore_fails_the_invocation(toys: "Toys") -> None:
    reply = toys.invoke(snapshot(toys, FAIL_AFTER_RESTORE="1"), qualifier="1")
    assert (reply.error, reply.payload["errorType"]) == ("Unhandled", "IndexError")
