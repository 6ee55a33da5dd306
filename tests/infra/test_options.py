"""Options that are off by default: what each adds to the graph when it is on, and that nothing is there without it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import pytest

from workbench.cost.prices import PriceTable
from workbench.program.config import load
from workbench.program.graph import Graph, Resource
from workbench.program.preview import preview

Configured = Callable[..., Graph]

KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
DOMAIN = {
    "name": "models.example.org",
    "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000",
}


def graph_of(*architectures: str, **config: Any) -> Graph:
    overrides = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()]
    return preview(load("local", [f"architectures={json.dumps(architectures)}", *overrides]))


def functions(graph: Graph) -> dict[str, dict[str, Any]]:
    """The inputs of the inference functions, by architecture."""
    found = {}
    for resource in graph.of_type("aws:lambda/function:Function"):
        [command] = resource.inputs["imageConfig"]["commands"]
        if command.endswith(".app.handler"):
            found[command.split(".")[1]] = resource.inputs
    return found


def the(graph: Graph, kind: str) -> Resource:
    [found] = graph.of_type(kind)
    return found


# Start-up


def test_without_options_a_function_has_none_of_them(whole_graph: Graph) -> None:
    for inputs in functions(whole_graph).values():
        assert inputs["ephemeralStorage"] == {"size": 512}
        assert not {"snapStart", "reservedConcurrentExecutions", "kmsKeyArn"} & set(inputs)
    for kind in (
        "aws:apigatewayv2/apiMapping:ApiMapping",
        "aws:apigatewayv2/domainName:DomainName",
        "aws:appautoscaling/target:Target",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:lambda/functionUrl:FunctionUrl",
        "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig",
    ):
        assert not whole_graph.of_type(kind)
    assert not [resource.name for resource in whole_graph.resources if resource.protect]
    for alias in whole_graph.of_type("aws:lambda/alias:Alias"):
        assert (alias.inputs["functionVersion"], alias.inputs.get("routingConfig")) == ("1", None)


def test_memory_timeout_tmp_and_reservation_are_set_for_the_stack_and_for_one_architecture() -> None:
    graph = graph_of("s3", "oci", memory=2048, reservedConcurrency=9, oci={"ephemeralStorage": 1024, "timeout": 7})
    s3, oci = functions(graph)["s3"], functions(graph)["oci"]
    assert (s3["memorySize"], s3["timeout"], s3["ephemeralStorage"]) == (2048, 30, {"size": 512})
    assert (oci["memorySize"], oci["timeout"], oci["ephemeralStorage"]) == (2048, 7, {"size": 1024})
    assert s3["reservedConcurrentExecutions"] == oci["reservedConcurrentExecutions"] == 9


def test_a_reservation_of_zero_is_one() -> None:
    assert functions(graph_of("oci", reservedConcurrency=0))["oci"]["reservedConcurrentExecutions"] == 0


def test_the_loader_takes_no_part_in_the_options_of_inference() -> None:
    graph = graph_of("efs", reservedConcurrency=9, ephemeralStorage=1024)
    [loader] = [it for it in graph.of_type("aws:lambda/function:Function") if "loader" in it.name]
    assert not {"reservedConcurrentExecutions", "ephemeralStorage", "snapStart"} & set(loader.inputs)


def test_snapshots_are_taken_of_published_versions_behind_the_alias() -> None:
    graph = graph_of("efs", "s3", "oci", snapStart=True, efs={"snapStart": False})
    by_architecture = functions(graph)
    assert "snapStart" not in by_architecture["efs"]
    for architecture in ("s3", "oci"):
        assert by_architecture[architecture]["snapStart"] == {"applyOn": "PublishedVersions"}
        assert by_architecture[architecture]["publish"] is True
        assert "fileSystemConfig" not in by_architecture[architecture]


def test_models_go_to_tmp_where_it_was_made_larger() -> None:
    assert "MODEL_TMP" not in functions(graph_of("s3"))["s3"]["environment"]["variables"]
    larger = functions(graph_of("s3", "oci", ephemeralStorage=1024))
    assert larger["s3"]["environment"]["variables"]["MODEL_TMP"] == "/tmp/models"  # noqa: S108  (the function's)
    assert "MODEL_TMP" not in larger["oci"]["environment"]["variables"]


def test_provisioned_concurrency_is_that_of_the_alias() -> None:
    graph = graph_of("s3", "oci", provisionedConcurrency=3, s3={"provisionedConcurrency": 0})
    config = the(graph, "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig")
    assert config.inputs == {
        "functionName": graph.outputs["functions"]["oci"],
        "qualifier": "live",
        "provisionedConcurrentExecutions": 3,
    }
    assert config.ignore_changes == ()
    assert not graph.of_type("aws:appautoscaling/target:Target")
    assert any(":Alias::" in urn for urn in config.depends_on)


def test_provisioned_concurrency_follows_load_and_clock() -> None:
    schedules = [
        {"at": "cron(0 8 ? * MON-FRI *)", "timezone": "Europe/Vienna", "minimum": 4, "maximum": 20},
        {"at": "cron(0 18 ? * MON-FRI *)", "minimum": 1, "maximum": 2},
    ]
    scaling = {"maximum": 10, "utilization": 60, "schedules": schedules}
    graph = graph_of("oci", provisionedConcurrency=2, scaling=scaling)
    alias = f"function:{graph.outputs['functions']['oci']}:live"
    target = the(graph, "aws:appautoscaling/target:Target")
    assert (target.inputs["resourceId"], target.inputs["minCapacity"], target.inputs["maxCapacity"]) == (alias, 2, 10)
    policy = the(graph, "aws:appautoscaling/policy:Policy").inputs
    assert policy["policyType"] == "TargetTrackingScaling"
    assert policy["targetTrackingScalingPolicyConfiguration"] == {
        "targetValue": 0.6,
        "predefinedMetricSpecification": {"predefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
    }
    actions = graph.of_type("aws:appautoscaling/scheduledAction:ScheduledAction")
    assert [(it.inputs["schedule"], it.inputs["timezone"]) for it in actions] == [
        ("cron(0 8 ? * MON-FRI *)", "Europe/Vienna"),
        ("cron(0 18 ? * MON-FRI *)", "UTC"),
    ]
    assert [it.inputs["scalableTargetAction"] for it in actions] == [
        {"minCapacity": 4, "maxCapacity": 20},
        {"minCapacity": 1, "maxCapacity": 2},
    ]
    config = the(graph, "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig")
    assert config.ignore_changes == ("provisionedConcurrentExecutions",), "an update would undo what scaling has set"
    assert config.urn in target.depends_on
    for resource in (target, the(graph, "aws:appautoscaling/policy:Policy"), *actions):
        assert resource.inputs["serviceNamespace"] == "lambda"
        assert resource.inputs["scalableDimension"] == "lambda:function:ProvisionedConcurrency"
        assert resource.inputs["resourceId"] == alias


def test_a_schedule_alone_has_no_policy() -> None:
    schedule = {"at": "at(2030-01-01T00:00:00)", "minimum": 2, "maximum": 4}
    graph = graph_of("oci", provisionedConcurrency=2, scaling={"schedules": [schedule]})
    assert not graph.of_type("aws:appautoscaling/policy:Policy")
    assert the(graph, "aws:appautoscaling/target:Target").inputs["maxCapacity"] == 2


# Access


def test_auth_is_chosen_for_each_architecture_and_the_sample_request_goes_with_it() -> None:
    jwt = {"issuer": "https://issuer.example", "audience": ["me"]}
    graph = graph_of("efs", "s3", "oci", auth="iam", jwt=jwt, s3={"auth": "jwt"}, oci={"auth": "none"})
    routes = {it.name.split("-")[3]: it.inputs for it in graph.of_type("aws:apigatewayv2/route:Route")}
    assert {name: inputs["authorizationType"] for name, inputs in routes.items()} == {
        "efs": "AWS_IAM",
        "s3": "JWT",
        "oci": "NONE",
    }
    assert [name for name, inputs in routes.items() if "authorizerId" in inputs] == ["s3"]
    samples = graph.outputs["sampleRequests"]
    assert "--aws-sigv4" in samples["efs"]
    assert "Bearer" in samples["s3"]
    assert "authorization" not in samples["oci"].lower()


def test_the_program_warns_of_each_endpoint_that_is_open_and_of_no_other() -> None:
    graph = graph_of("s3", "oci", oci={"auth": "iam"})
    [warning] = graph.warnings
    assert warning.startswith("ml-inference-local-s3-api: Its auth is none")
    assert "10 requests a second" in warning
    assert not graph_of("oci", auth="iam").warnings


def test_no_throttling_of_its_own_is_that_of_the_account() -> None:
    stage = the(graph_of("oci", auth="iam", throttleRate=0), "aws:apigatewayv2/stage:Stage")
    assert stage.inputs["defaultRouteSettings"] == {"throttlingRateLimit": 10_000, "throttlingBurstLimit": 5_000}


def test_credentials_are_taken_from_browsers_only_when_asked_for() -> None:
    origins = ["https://app.example"]
    without = the(graph_of("oci", corsOrigins=origins), "aws:apigatewayv2/api:Api").inputs["corsConfiguration"]
    assert "allowCredentials" not in without
    with_them = the(graph_of("oci", corsOrigins=origins, corsCredentials=True), "aws:apigatewayv2/api:Api")
    assert with_them.inputs["corsConfiguration"]["allowCredentials"] is True


def test_a_domain_leads_to_every_architecture_and_closes_the_generated_addresses() -> None:
    graph = graph_of("s3", "oci", domain=DOMAIN)
    domain = the(graph, "aws:apigatewayv2/domainName:DomainName")
    assert domain.inputs["domainName"] == "models.example.org"
    assert domain.inputs["domainNameConfiguration"] == {
        "certificateArn": DOMAIN["certificateArn"],
        "endpointType": "REGIONAL",
        "securityPolicy": "TLS_1_2",
    }
    mappings = graph.of_type("aws:apigatewayv2/apiMapping:ApiMapping")
    stages = {it.inputs["apiId"]: it for it in graph.of_type("aws:apigatewayv2/stage:Stage")}
    assert {it.inputs["apiMappingKey"] for it in mappings} == {"s3", "oci"}
    for mapping in mappings:
        assert (mapping.inputs["domainName"], mapping.inputs["stage"]) == ("models.example.org", "develop")
        assert stages[mapping.inputs["apiId"]].urn in mapping.depends_on, "AWS would delete the stage first"
        assert domain.urn in mapping.depends_on
    for api in graph.of_type("aws:apigatewayv2/api:Api"):
        assert api.inputs["disableExecuteApiEndpoint"] is True
    assert graph.outputs["endpoints"] == {
        "s3": "https://models.example.org/s3",
        "oci": "https://models.example.org/oci",
    }
    assert graph.outputs["sampleRequests"]["oci"].startswith("curl -sS https://models.example.org/oci ")
    assert graph.outputs["domainTarget"].endswith(".execute-api.us-east-1.amazonaws.com")


def test_a_function_url_asks_for_iam_answers_in_one_piece_and_leads_to_the_alias() -> None:
    graph = graph_of("oci", functionUrl=True)
    url = the(graph, "aws:lambda/functionUrl:FunctionUrl")
    assert url.inputs == {
        "functionName": graph.outputs["functions"]["oci"],
        "qualifier": "live",
        "authorizationType": "AWS_IAM",
        "invokeMode": "BUFFERED",
    }
    assert [it.inputs["principal"] for it in graph.of_type("aws:lambda/permission:Permission")] == [
        "apigateway.amazonaws.com"
    ]
    assert graph.outputs["functionUrls"]["oci"].endswith(".lambda-url.us-east-1.on.aws/")


def test_a_function_url_for_everyone_gives_everyone_the_url_and_nothing_else() -> None:
    graph = graph_of("oci", functionUrl=True, functionUrlAuth="none", reservedConcurrency=2, auth="iam")
    assert the(graph, "aws:lambda/functionUrl:FunctionUrl").inputs["authorizationType"] == "NONE"
    public = [it.inputs for it in graph.of_type("aws:lambda/permission:Permission") if it.inputs["principal"] == "*"]
    assert {it["action"] for it in public} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    for inputs in public:
        assert inputs["qualifier"] == "live"
        assert inputs.get("functionUrlAuthType") == "NONE" or inputs.get("invokedViaFunctionUrl") is True
    [warning] = graph.warnings
    assert "functionUrlAuth is none" in warning


# Encryption and data


def test_a_key_encrypts_bucket_file_system_logs_and_repositories() -> None:
    graph = graph_of("efs", "s3", "oci", kmsKeyArn=KEY)
    encryption = the(
        graph, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs["rules"]
    assert encryption == [
        {
            "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY},
            "bucketKeyEnabled": True,
        }
    ]
    file_system = the(graph, "aws:efs/fileSystem:FileSystem").inputs
    assert (file_system["encrypted"], file_system["kmsKeyId"]) == (True, KEY)
    groups = graph.of_type("aws:cloudwatch/logGroup:LogGroup")
    assert len(groups) == 7
    assert {it.inputs["kmsKeyId"] for it in groups} == {KEY}
    for repository in graph.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": KEY}]


def test_only_roles_that_read_the_bucket_may_use_the_key_and_through_s3_alone() -> None:
    graph = graph_of("efs", "s3", "oci", kmsKeyArn=KEY)
    allowed = {}
    for policy in graph.of_type("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            if any(action.startswith("kms:") for action in statement["Action"]):
                allowed[policy.name] = statement
    assert set(allowed) == {"ml-inference-local-s3-policy", "ml-inference-local-efs-loader-policy"}
    for statement in allowed.values():
        assert statement == {
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": KEY,
            "Condition": {"StringLike": {"kms:ViaService": "s3.us-east-1.amazonaws.com*"}},
        }


def test_without_a_key_the_encryption_is_that_of_aws(whole_graph: Graph) -> None:
    assert the(whole_graph, "aws:efs/fileSystem:FileSystem").inputs["encrypted"] is True
    assert KEY not in json.dumps([str(resource.inputs) for resource in whole_graph.resources])
    for policy in whole_graph.of_type("aws:iam/rolePolicy:RolePolicy"):
        assert "kms:" not in policy.inputs["policy"]


def test_protected_data_are_the_bucket_and_the_file_system() -> None:
    graph = graph_of("efs", "s3", "oci", protectData=True)
    assert {it.type for it in graph.resources if it.protect} == {
        "aws:efs/fileSystem:FileSystem",
        "aws:s3/bucket:Bucket",
    }
    assert the(graph, "aws:s3/bucket:Bucket").inputs["forceDestroy"] is False


# Life cycle


def test_everything_goes_with_the_stack(whole_graph: Graph) -> None:
    assert the(whole_graph, "aws:s3/bucket:Bucket").inputs["forceDestroy"] is True
    assert {it.inputs["forceDelete"] for it in whole_graph.of_type("aws:ecr/repository:Repository")} == {True}
    for function in whole_graph.of_type("aws:lambda/function:Function"):
        assert not function.inputs.get("skipDestroy")
    for group in whole_graph.of_type("aws:cloudwatch/logGroup:LogGroup"):
        assert not group.inputs.get("skipDestroy")
    # What is retained lies in the bucket, which takes its content along.
    assert {it.type for it in whole_graph.resources if it.retain_on_delete} == {"aws:s3/bucketObjectv2:BucketObjectv2"}


def test_what_aws_wants_deleted_first_depends_on_what_goes_after_it(whole_graph: Graph) -> None:
    def depends(dependent: str, on: str, through: str = "") -> bool:
        found = [it for it in whole_graph.of_type(dependent) if through in it.name]
        assert found
        return all(any(whole_graph.by_urn(urn).type == on for urn in it.depends_on) for it in found)

    assert depends("aws:efs/mountTarget:MountTarget", "awsx:ec2:Vpc")
    assert depends("aws:efs/mountTarget:MountTarget", "aws:ec2/securityGroup:SecurityGroup")
    assert depends("aws:lambda/alias:Alias", "aws:lambda/function:Function")
    assert depends("aws:lambda/permission:Permission", "aws:lambda/alias:Alias")
    assert depends("aws:lambda/function:Function", "aws:cloudwatch/logGroup:LogGroup")
    assert depends("aws:lambda/function:Function", "aws:efs/accessPoint:AccessPoint", "efs")
    assert depends("aws:apigatewayv2/stage:Stage", "aws:cloudwatch/logGroup:LogGroup")


def test_security_groups_are_waited_for_as_long_as_lambda_keeps_its_interfaces(whole_graph: Graph) -> None:
    groups = whole_graph.of_type("aws:ec2/securityGroup:SecurityGroup")
    assert {it.delete_timeout for it in groups} == {"45m"}


def test_a_new_model_is_loaded_before_the_version_and_the_alias_moves_last(
    configured: Configured,
) -> None:
    """The old bundle stays in the bucket and on the file system, so that the alias can point to the old version."""
    before, after = (
        configured("efs", "s3"),
        graph_of("efs", "s3", models=[{"name": "nlp1", "bundle": "models/demo/nlp1"}]),
    )
    [load] = after.of_type("aws:lambda/invocation:Invocation")
    assert load.inputs["triggers"] != the(before, "aws:lambda/invocation:Invocation").inputs["triggers"]
    for alias in after.of_type("aws:lambda/alias:Alias"):
        if "loader" in alias.name:
            continue
        [function] = [after.by_urn(urn) for urn in alias.depends_on if ":Function::" in urn]
        changed = [it for it in before.resources if it.urn == function.urn]
        assert changed[0].inputs["environment"] != function.inputs["environment"], "no new version would be published"
        if "efs" in alias.name:
            assert load.urn in function.depends_on
        else:
            assert {it.urn for it in after.of_type("aws:s3/bucketObjectv2:BucketObjectv2")} <= set(function.depends_on)
    gone = {it.urn for it in before.resources} - {it.urn for it in after.resources}
    removed = [it for it in before.resources if it.urn in gone]
    assert removed
    assert all(it.retain_on_delete for it in removed), "the old version would lose its models"


@pytest.mark.parametrize(
    ("stable", "percent", "weights"),
    [(7, 10, {"1": 0.1}), (7, 0, None), (1, 10, {})],
    ids=["trial", "back", "nothing new"],
)
def test_a_rollout_keeps_the_alias_on_the_stable_version(stable: int, percent: int, weights: Any) -> None:
    graph = graph_of("s3", "oci", oci={"rollout": {"stable": stable, "percent": percent}})
    aliases = {it.name.split("-")[3]: it.inputs for it in graph.of_type("aws:lambda/alias:Alias")}
    assert aliases["s3"]["functionVersion"] == "1"
    assert aliases["oci"]["functionVersion"] == str(stable)
    routing = aliases["oci"].get("routingConfig")
    assert routing == (None if weights is None else {"additionalVersionWeights": weights})


# Monitoring


def dashboard(graph: Graph) -> dict[str, Any]:
    return json.loads(the(graph, "aws:cloudwatch/dashboard:Dashboard").inputs["dashboardBody"])


def test_the_dashboard_has_widgets_that_cloudwatch_can_draw(configured: Configured) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
    widgets = dashboard(configured("efs", "s3", "oci", monitoring="true"))["widgets"]
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        assert 0 <= widget["x"] <= 23
        assert 1 <= widget["width"] <= 24 - widget["x"]
        assert 1 <= widget["height"] <= 1000
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken, f"{widget['properties']['title']} lies on another widget"
        taken |= cells
        properties = widget["properties"]
        assert properties["region"] == "us-east-1"
        assert properties["title"]
        if widget["type"] == "log":
            assert properties["query"].startswith("SOURCE '")
            assert properties["view"] == "table"
        else:
            assert widget["type"] == "metric"
            assert properties["view"] == "timeSeries"
            assert properties["period"] % 60 == 0
            assert properties["stat"] in {"Sum", "Maximum", "p50", "p95", "p99"}
            said = re.search(r"\bp\d\d\b", properties["title"])
            assert said is None or said[0] == properties["stat"]
            for metric in properties["metrics"]:
                assert len(metric) == 1 or len(metric) % 2 == 1, "namespace, name, dimensions in pairs, options"
                assert isinstance(metric[-1], dict)
                assert set(metric[-1]) <= {"label", "expression", "id"}


@pytest.mark.parametrize("subset", [("efs",), ("s3", "oci"), ("efs", "s3", "oci")], ids="+".join)
def test_every_widget_shows_what_this_stack_has_and_all_of_it(configured: Configured, subset: tuple[str, ...]) -> None:
    graph = configured(*subset, monitoring="true")
    names = set(graph.outputs["functions"].values())
    apis = {it.inputs["apiId"] for it in graph.of_type("aws:apigatewayv2/stage:Stage")}
    groups = set(graph.outputs["logGroups"].values())
    namespaces = {it["environment"]["variables"]["POWERTOOLS_METRICS_NAMESPACE"] for it in functions(graph).values()}
    assert namespaces == {"ml-inference/local"}
    titles = []
    for widget in dashboard(graph)["widgets"]:
        properties = widget["properties"]
        titles.append(properties["title"])
        if widget["type"] == "log":
            sources = {part.split("'")[1] for part in properties["query"].split(" | ") if part.startswith("SOURCE")}
            assert sources == groups
            continue
        if [len(metric) for metric in properties["metrics"]] == [1]:
            assert '{"ml-inference/local",architecture,code,model}' in properties["metrics"][0][0]["expression"]
            continue
        lines = [
            (metric[0], metric[1], dict(zip(metric[2:-1:2], metric[3:-1:2], strict=True)))
            for metric in properties["metrics"]
        ]
        [(namespace, name)] = {(namespace, name) for namespace, name, _ in lines}
        if namespace == "AWS/Lambda":
            assert name in {"Throttles", "ConcurrentExecutions"}
            assert {values["FunctionName"] for *_, values in lines} == names
        elif namespace == "AWS/ApiGateway":
            assert name in {"Latency", "5xx"}
            assert {(values["ApiId"], values["Stage"]) for *_, values in lines} == {(api, "develop") for api in apis}
        else:
            assert (namespace, name in {"ColdStart", "LoadMs", "InferMs"}) == ("ml-inference/local", True)
            shown = {(values["architecture"], values["model"]) for *_, values in lines}
            assert shown == {(architecture, model) for architecture in subset for model in ("nlp1", "nlp2")}
    for part in ("init", "cost", "p50", "p95", "p99", "errors (5xx)", "Throttled", "at work", "Cold starts", "by code"):
        assert [title for title in titles if part in title], part


@pytest.mark.parametrize("cpu", ["x86_64", "arm64"])
def test_the_cost_on_the_dashboard_is_that_of_the_processor_by_gigabytes_and_seconds(
    configured: Configured, cpu: Literal["x86_64", "arm64"]
) -> None:
    """A report of Lambda's has milliseconds and megabytes; the prices are those that the workbench bills by."""
    prices = PriceTable.read().of("us-east-1")
    [query] = [
        widget["properties"]["query"]
        for widget in dashboard(configured("oci", monitoring="true", cpu=cpu))["widgets"]
        if "cost" in widget["properties"]["title"]
    ]
    shown = re.search(
        r"\| stats .*\bsum\(record\.metrics\.billedDurationMs \* record\.metrics\.memorySizeMB\) / 1024 / 1000 \* ([\d.]+)"
        r" \+ count\(\*\) \* ([\d.]+) as dollars",
        query,
    )
    assert shown, query
    assert float(shown[1]) == prices.lambda_gb_second[cpu]
    assert float(shown[2]) == pytest.approx(prices.lambda_request + prices.http_api_request)


def test_each_architecture_has_alarms_for_errors_slowness_and_throttling(configured: Configured) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:ops"
    alarms = json.dumps({"topicArn": topic, "errorPercent": 2, "p95Ms": 900, "throttles": 3})
    graph = configured("s3", "oci", monitoring="true", alarms=alarms)
    found = {it.name: it.inputs for it in graph.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")}
    assert len(found) == 6
    for name, inputs in found.items():
        assert inputs["alarmActions"] == inputs["okActions"] == [topic]
        assert inputs["treatMissingData"] == "notBreaching"
        assert inputs["comparisonOperator"] == "GreaterThanThreshold"
        architecture = name.split("-")[4]
        assert architecture in ("s3", "oci")
    errors = found["ml-inference-local-monitoring-oci-errors"]
    assert errors["threshold"] == 2
    assert [query.get("expression") for query in errors["metricQueries"] if query.get("returnData")] == [
        "100 * errors / requests"
    ]
    assert {query["metric"]["metricName"] for query in errors["metricQueries"] if "metric" in query} == {"5xx", "Count"}
    latency = found["ml-inference-local-monitoring-oci-latency"]
    assert (latency["metricName"], latency["extendedStatistic"], latency["threshold"]) == ("Latency", "p95", 900)
    assert latency["evaluateLowSampleCountPercentiles"] == "ignore", "one cold start at night would ring"
    [api] = [it.inputs["apiId"] for it in graph.of_type("aws:apigatewayv2/stage:Stage") if "-oci-" in it.name]
    watched = [latency["dimensions"], *(it["metric"]["dimensions"] for it in errors["metricQueries"] if "metric" in it)]
    assert watched == [{"ApiId": api, "Stage": "develop"}] * 3
    throttles = found["ml-inference-local-monitoring-oci-throttles"]
    assert (throttles["namespace"], throttles["metricName"]) == ("AWS/Lambda", "Throttles")
    assert (throttles["statistic"], throttles["threshold"]) == ("Sum", 3)
    assert throttles["dimensions"] == {"FunctionName": graph.outputs["functions"]["oci"]}


def test_without_a_topic_alarms_tell_nobody(configured: Configured) -> None:
    for alarm in configured("oci", monitoring="true").of_type("aws:cloudwatch/metricAlarm:MetricAlarm"):
        assert not {"alarmActions", "okActions"} & set(alarm.inputs)
