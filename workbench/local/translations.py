"""What each resource of the program becomes in the emulator: the same calls that the Pulumi provider makes on AWS.

One function per resource type. It takes every input of the resource, creates the resource through boto3 and returns
its id and its outputs as the provider would. `workbench.local.deployer` decides when.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.image_build import PLATFORMS, ImageBuild

from .clients import Clients
from .images import FileSystems, Images
from .inputs import Inputs, TranslationError, given

Created = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """What a translation works with: the clients, the stack's images and file systems, and the URL that runs functions."""

    clients: Clients
    images: Images
    file_systems: FileSystems
    lambda_service_url: str

    @property
    def account(self) -> str:
        """The account that the emulator's credentials belong to."""
        return self.clients("sts").get_caller_identity()["Account"]


@dataclass(frozen=True)
class Declared:
    """A resource as declared: its inputs, its physical name where it has one, and its tags (the provider's included)."""

    inputs: Inputs
    name: str
    tags: dict[str, str]

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The tags as most services want them."""
        return [{"Key": key, "Value": value} for key, value in sorted(self.tags.items())]


def _tag_specifications(kind: str, it: Declared) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": it.tag_list}]


def _bucket(it: Declared, to: Context) -> Created:
    s3 = to.clients("s3")
    it.inputs.take("forceDestroy")  # about how the bucket ends; the whole emulator ends with the stack
    region = to.clients.region
    # us-east-1 is the one region that cannot be named as a location.
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=it.name, **location)
    s3.put_bucket_tagging(Bucket=it.name, Tagging={"TagSet": it.tag_list})
    return it.name, {"bucket": it.name, "arn": f"arn:aws:s3:::{it.name}"}


def _bucket_encryption(it: Declared, to: Context) -> Created:
    bucket, rules = it.inputs.take("bucket"), []
    for rule in it.inputs.sections("rules"):
        by_default = rule.section("applyServerSideEncryptionByDefault")
        rules.append(
            given(
                ApplyServerSideEncryptionByDefault=by_default
                and given(
                    SSEAlgorithm=by_default.take("sseAlgorithm"), KMSMasterKeyID=by_default.take("kmsMasterKeyId")
                ),
                BucketKeyEnabled=rule.take("bucketKeyEnabled"),
            )
        )
    to.clients("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    return bucket, {}


def _bucket_public_access_block(it: Declared, to: Context) -> Created:
    bucket = it.inputs.take("bucket")
    to.clients("s3").put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=given(
            BlockPublicAcls=it.inputs.take("blockPublicAcls"),
            BlockPublicPolicy=it.inputs.take("blockPublicPolicy"),
            IgnorePublicAcls=it.inputs.take("ignorePublicAcls"),
            RestrictPublicBuckets=it.inputs.take("restrictPublicBuckets"),
        ),
    )
    return bucket, {}


def _bucket_policy(it: Declared, to: Context) -> Created:
    bucket = it.inputs.take("bucket")
    to.clients("s3").put_bucket_policy(Bucket=bucket, Policy=it.inputs.take("policy"))
    return bucket, {}


def _bucket_object(it: Declared, to: Context) -> Created:
    key = it.inputs.take("key")
    with Path(it.inputs.take("source").path).open("rb") as body:
        reply = to.clients("s3").put_object(
            Bucket=it.inputs.take("bucket"), Key=key, Body=body, Tagging=urllib.parse.urlencode(sorted(it.tags.items()))
        )
    return key, {"etag": reply["ETag"].strip('"')}


def _repository(it: Declared, to: Context) -> Created:
    it.inputs.take("forceDelete")  # about how the repository ends; the whole emulator ends with the stack
    scanning = it.inputs.section("imageScanningConfiguration")
    encryption = next(it.inputs.sections("encryptionConfigurations"), None)
    repository = to.clients("ecr").create_repository(
        repositoryName=it.name,
        tags=it.tag_list,
        **given(
            imageScanningConfiguration=scanning and given(scanOnPush=scanning.take("scanOnPush")),
            encryptionConfiguration=encryption
            and given(encryptionType=encryption.take("encryptionType"), kmsKey=encryption.take("kmsKey")),
        ),
    )["repository"]
    outputs = {
        "name": it.name,
        "arn": repository["repositoryArn"],
        "registryId": repository["registryId"],
        "repositoryUrl": repository["repositoryUri"],
    }
    return it.name, outputs


def _repository_lifecycle(it: Declared, to: Context) -> Created:
    repository = it.inputs.take("repository")
    to.clients("ecr").put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=it.inputs.take("policy"))
    return repository, {}


def _image(it: Declared, to: Context) -> Created:
    """Built where the stack runs in containers; else the functions run from the build context itself."""
    name = it.inputs.take("imageName")
    build, registry = it.inputs.section("build"), it.inputs.section("registry")
    if build is None or registry is None:
        raise TranslationError(f"Image {name}: build and registry are missing; an image is built and pushed.")
    repository = name.rpartition(":")[0]
    registry.expect("server", repository)
    if not (registry.take("username") and registry.take("password")):
        raise TranslationError(f"Image {name}: the registry's username or password is empty; a push would be refused.")
    it.inputs.expect("buildOnPreview", False, None)
    it.inputs.expect("skipPush", False, None)
    build.expect("builderVersion", "BuilderBuildKit")
    declared = ImageBuild(
        context=Path(build.take("context")),
        target=build.take("target"),
        platform=build.expect("platform", *PLATFORMS.values()),
        args=build.take("args", {}),
    )
    dockerfile = Path(build.take("dockerfile"))
    if dockerfile != declared.dockerfile or not dockerfile.is_file():
        raise TranslationError(f"Image {name}: there is no Dockerfile at {dockerfile} in {declared.context}.")
    uri = to.images.add(repository, declared)
    return uri, {"imageName": name, "repoDigest": uri}


def _log_group(it: Declared, to: Context) -> Created:
    logs = to.clients("logs")
    logs.create_log_group(logGroupName=it.name, tags=it.tags, **given(kmsKeyId=it.inputs.take("kmsKeyId")))
    if retention := it.inputs.take("retentionInDays"):
        logs.put_retention_policy(logGroupName=it.name, retentionInDays=retention)
    arn = f"arn:aws:logs:{to.clients.region}:{to.account}:log-group:{it.name}"
    return it.name, {"name": it.name, "arn": arn}


def _dashboard(it: Declared, to: Context) -> Created:
    name = it.inputs.take("dashboardName")
    to.clients("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=it.inputs.take("dashboardBody"))
    return name, {}


def _alarm(it: Declared, to: Context) -> Created:
    queries = [_metric_query(query) for query in it.inputs.sections("metricQueries")]
    to.clients("cloudwatch").put_metric_alarm(
        AlarmName=it.name,
        Tags=it.tag_list,
        **given(
            AlarmDescription=it.inputs.take("alarmDescription"),
            Metrics=queries or None,
            Namespace=it.inputs.take("namespace"),
            MetricName=it.inputs.take("metricName"),
            Dimensions=_dimensions(it.inputs),
            Statistic=it.inputs.take("statistic"),
            ExtendedStatistic=it.inputs.take("extendedStatistic"),
            Period=it.inputs.take("period"),
            ComparisonOperator=it.inputs.take("comparisonOperator"),
            Threshold=it.inputs.take("threshold"),
            EvaluationPeriods=it.inputs.take("evaluationPeriods"),
            EvaluateLowSampleCountPercentile=it.inputs.take("evaluateLowSampleCountPercentiles"),
            TreatMissingData=it.inputs.take("treatMissingData"),
            AlarmActions=it.inputs.take("alarmActions"),
            OKActions=it.inputs.take("okActions"),
        ),
    )
    return it.name, {"name": it.name}


def _metric_query(query: Inputs) -> dict[str, Any]:
    metric = query.section("metric")
    return given(
        Id=query.take("id"),
        Expression=query.take("expression"),
        Label=query.take("label"),
        # AWS takes every query for a result unless it is told otherwise; the provider tells it.
        ReturnData=query.take("returnData", False),
        MetricStat=metric
        and {
            "Metric": given(
                Namespace=metric.take("namespace"), MetricName=metric.take("metricName"), Dimensions=_dimensions(metric)
            ),
            "Period": metric.take("period"),
            "Stat": metric.take("stat"),
        },
    )


def _dimensions(inputs: Inputs) -> list[dict[str, str]] | None:
    dimensions = inputs.take("dimensions")
    return dimensions and [{"Name": name, "Value": value} for name, value in sorted(dimensions.items())]


def _role(it: Declared, to: Context) -> Created:
    role = to.clients("iam").create_role(
        RoleName=it.name, AssumeRolePolicyDocument=it.inputs.take("assumeRolePolicy"), Tags=it.tag_list
    )["Role"]
    return it.name, {"name": it.name, "arn": role["Arn"]}


def _role_policy(it: Declared, to: Context) -> Created:
    role, policy = it.inputs.take("role"), it.inputs.take("policy")
    to.clients("iam").put_role_policy(RoleName=role, PolicyName=it.name, PolicyDocument=policy)
    to.file_systems.allow(role, policy)
    return f"{role}:{it.name}", {"name": it.name}


def _function(it: Declared, to: Context) -> Created:
    image_config, environment = it.inputs.section("imageConfig"), it.inputs.section("environment")
    logging, tracing = it.inputs.section("loggingConfig"), it.inputs.section("tracingConfig")
    vpc, file_system = it.inputs.section("vpcConfig"), it.inputs.section("fileSystemConfig")
    storage, snapshot = it.inputs.section("ephemeralStorage"), it.inputs.section("snapStart")
    reserved = it.inputs.take("reservedConcurrentExecutions")
    variables = (environment.take("variables") if environment else {}) | {
        # This is how the emulator is told who executes the function.
        "MINISTACK_LAMBDA_PROXY_URL": to.lambda_service_url
    }
    function = to.clients("lambda").create_function(
        FunctionName=it.name,
        Tags=it.tags,
        Code={"ImageUri": it.inputs.take("imageUri")},
        Environment={"Variables": variables},
        **given(
            PackageType=it.inputs.take("packageType"),
            Role=it.inputs.take("role"),
            Architectures=it.inputs.take("architectures"),
            MemorySize=it.inputs.take("memorySize"),
            Timeout=it.inputs.take("timeout"),
            Publish=it.inputs.take("publish"),
            EphemeralStorage=storage and given(Size=storage.take("size")),
            SnapStart=snapshot and given(ApplyOn=snapshot.take("applyOn")),
            ImageConfig=image_config and given(Command=image_config.take("commands")),
            LoggingConfig=logging and given(LogFormat=logging.take("logFormat"), LogGroup=logging.take("logGroup")),
            TracingConfig=tracing and given(Mode=tracing.take("mode")),
            VpcConfig=vpc and given(SubnetIds=vpc.take("subnetIds"), SecurityGroupIds=vpc.take("securityGroupIds")),
            FileSystemConfigs=file_system
            and [given(Arn=file_system.take("arn"), LocalMountPath=file_system.take("localMountPath"))],
        ),
    )
    if reserved is not None:
        to.clients("lambda").put_function_concurrency(FunctionName=it.name, ReservedConcurrentExecutions=reserved)
    if snapshot:
        # A version answers only when its snapshot has been taken; until then it is pending.
        to.clients("lambda").get_waiter("function_active_v2").wait(
            FunctionName=it.name, Qualifier=function["Version"], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
    arn = function["FunctionArn"].removesuffix(f":{function['Version']}")
    return it.name, {"name": it.name, "arn": arn, "version": function["Version"]}


def _alias(it: Declared, to: Context) -> Created:
    routing = it.inputs.section("routingConfig")
    alias = to.clients("lambda").create_alias(
        FunctionName=it.inputs.take("functionName"),
        FunctionVersion=it.inputs.take("functionVersion"),
        Name=it.inputs.take("name"),
        **given(
            RoutingConfig=routing and given(AdditionalVersionWeights=routing.take("additionalVersionWeights")),
        ),
    )
    arn = alias["AliasArn"]
    invoke = f"arn:aws:apigateway:{to.clients.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    return alias["Name"], {"arn": arn, "invokeArn": invoke}


def _permission(it: Declared, to: Context) -> Created:
    to.clients("lambda").add_permission(
        FunctionName=it.inputs.take("function"),
        StatementId=it.name,
        Action=it.inputs.take("action"),
        Principal=it.inputs.take("principal"),
        **given(
            Qualifier=it.inputs.take("qualifier"),
            SourceArn=it.inputs.take("sourceArn"),
            FunctionUrlAuthType=it.inputs.take("functionUrlAuthType"),
            InvokedViaFunctionUrl=it.inputs.take("invokedViaFunctionUrl"),
        ),
    )
    return it.name, {"statementId": it.name}


def _function_url(it: Declared, to: Context) -> Created:
    name = it.inputs.take("functionName")
    made = to.clients("lambda").create_function_url_config(
        FunctionName=name,
        AuthType=it.inputs.take("authorizationType"),
        **given(Qualifier=it.inputs.take("qualifier"), InvokeMode=it.inputs.take("invokeMode")),
    )
    return name, {"functionUrl": made["FunctionUrl"]}


def _provisioned_concurrency(it: Declared, to: Context) -> Created:
    name, qualifier = it.inputs.take("functionName"), it.inputs.take("qualifier")
    to.clients("lambda").put_provisioned_concurrency_config(
        FunctionName=name,
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=it.inputs.take("provisionedConcurrentExecutions"),
    )
    return f"{name},{qualifier}", {}


# The emulator has no Application Auto Scaling: what follows is checked against AWS's API model, and not created.


def _scaling_target(it: Declared, to: Context) -> Created:
    resource = it.inputs.take("resourceId")
    to.clients.check(
        "application-autoscaling",
        "RegisterScalableTarget",
        ServiceNamespace=it.inputs.take("serviceNamespace"),
        ScalableDimension=it.inputs.take("scalableDimension"),
        ResourceId=resource,
        Tags=it.tags,
        **given(MinCapacity=it.inputs.take("minCapacity"), MaxCapacity=it.inputs.take("maxCapacity")),
    )
    return resource, {}


def _scaling_policy(it: Declared, to: Context) -> Created:
    tracking = it.inputs.section("targetTrackingScalingPolicyConfiguration")
    metric = tracking.section("predefinedMetricSpecification") if tracking else None
    to.clients.check(
        "application-autoscaling",
        "PutScalingPolicy",
        PolicyName=it.name,
        ServiceNamespace=it.inputs.take("serviceNamespace"),
        ScalableDimension=it.inputs.take("scalableDimension"),
        ResourceId=it.inputs.take("resourceId"),
        **given(
            PolicyType=it.inputs.take("policyType"),
            TargetTrackingScalingPolicyConfiguration=tracking
            and given(
                TargetValue=tracking.take("targetValue"),
                PredefinedMetricSpecification=metric
                and given(PredefinedMetricType=metric.take("predefinedMetricType")),
            ),
        ),
    )
    return it.name, {"name": it.name}


def _scheduled_action(it: Declared, to: Context) -> Created:
    action = it.inputs.section("scalableTargetAction")
    to.clients.check(
        "application-autoscaling",
        "PutScheduledAction",
        ScheduledActionName=it.name,
        ServiceNamespace=it.inputs.take("serviceNamespace"),
        ScalableDimension=it.inputs.take("scalableDimension"),
        ResourceId=it.inputs.take("resourceId"),
        **given(
            Schedule=it.inputs.take("schedule"),
            Timezone=it.inputs.take("timezone"),
            ScalableTargetAction=action
            and given(MinCapacity=action.take("minCapacity"), MaxCapacity=action.take("maxCapacity")),
        ),
    )
    return it.name, {"name": it.name}


def _invocation(it: Declared, to: Context) -> Created:
    name = it.inputs.take("functionName")
    it.inputs.take("triggers")  # what makes a later deployment invoke again; here every deployment is the first
    reply = to.clients("lambda").invoke(
        FunctionName=name,
        Payload=it.inputs.take("input").encode(),
        **given(Qualifier=it.inputs.take("qualifier")),
    )
    result = reply["Payload"].read().decode()
    if "FunctionError" in reply:
        raise TranslationError(f"The function {name}, which the program invokes, failed: {result}")
    return f"{name}-{it.name}", {"result": result}


def _file_system(it: Declared, to: Context) -> Created:
    file_system = to.clients("efs").create_file_system(
        CreationToken=it.name,
        Tags=it.tag_list,
        **given(
            Encrypted=it.inputs.take("encrypted"),
            KmsKeyId=it.inputs.take("kmsKeyId"),
            PerformanceMode=it.inputs.take("performanceMode"),
            ThroughputMode=it.inputs.take("throughputMode"),
        ),
    )
    return file_system["FileSystemId"], {"arn": file_system["FileSystemArn"]}


def _file_system_policy(it: Declared, to: Context) -> Created:
    identity = it.inputs.take("fileSystemId")
    to.clients("efs").put_file_system_policy(FileSystemId=identity, Policy=it.inputs.take("policy"))
    return identity, {}


def _mount_target(it: Declared, to: Context) -> Created:
    target = to.clients("efs").create_mount_target(
        FileSystemId=it.inputs.take("fileSystemId"),
        SubnetId=it.inputs.take("subnetId"),
        **given(SecurityGroups=it.inputs.take("securityGroups")),
    )
    return target["MountTargetId"], {}


def _access_point(it: Declared, to: Context) -> Created:
    user, root = it.inputs.section("posixUser"), it.inputs.section("rootDirectory")
    creation = root.section("creationInfo") if root else None
    access_point = to.clients("efs").create_access_point(
        ClientToken=it.name[:64],
        FileSystemId=it.inputs.take("fileSystemId"),
        Tags=it.tag_list,
        **given(
            PosixUser=user and given(Uid=user.take("uid"), Gid=user.take("gid")),
            RootDirectory=root
            and given(
                Path=root.take("path"),
                CreationInfo=creation
                and given(
                    OwnerUid=creation.take("ownerUid"),
                    OwnerGid=creation.take("ownerGid"),
                    Permissions=creation.take("permissions"),
                ),
            ),
        ),
    )
    if posix := access_point.get("PosixUser"):
        to.file_systems.declare(access_point["AccessPointArn"], posix["Uid"], posix["Gid"])
    return access_point["AccessPointId"], {"arn": access_point["AccessPointArn"]}


def _vpc(it: Declared, to: Context) -> Created:
    """The VPC of pulumi-awsx with isolated subnets, which is the one the program asks for."""
    ec2 = to.clients("ec2")
    it.inputs.expect("subnetStrategy", "Auto")
    it.inputs.expect("vpcEndpointStrategy", "Auto")
    nat_gateways = it.inputs.section("natGateways")
    if nat_gateways is None:
        raise TranslationError("The VPC says nothing of natGateways, which makes pulumi-awsx create one per zone.")
    nat_gateways.expect("strategy", "None")
    [subnet] = it.inputs.sections("subnetSpecs")
    subnet.expect("type", "Isolated")
    zones_wanted = it.inputs.take("numberOfAvailabilityZones")
    cidr = ipaddress.IPv4Network(it.inputs.take("cidrBlock"))

    tags = _tag_specifications
    vpc = ec2.create_vpc(CidrBlock=str(cidr), TagSpecifications=tags("vpc", it))["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway", it))["InternetGateway"]
    # pulumi-awsx always attaches one; without a route it leads nowhere.
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:zones_wanted]
    subnets, tables = [], []
    for zone, block in zip(zones, cidr.subnets(prefixlen_diff=(zones_wanted - 1).bit_length()), strict=False):
        made = ec2.create_subnet(
            VpcId=vpc, AvailabilityZone=zone, CidrBlock=str(block), TagSpecifications=tags("subnet", it)
        )
        table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table", it))["RouteTable"]
        ec2.associate_route_table(RouteTableId=table["RouteTableId"], SubnetId=made["Subnet"]["SubnetId"])
        subnets.append(made["Subnet"]["SubnetId"])
        tables.append(table["RouteTableId"])
    for endpoint in it.inputs.sections("vpcEndpointSpecs"):
        ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName=endpoint.take("serviceName"),
            VpcEndpointType=endpoint.expect("vpcEndpointType", "Gateway"),
            RouteTableIds=tables,
            TagSpecifications=tags("vpc-endpoint", it),
        )
    return vpc, {"vpcId": vpc, "isolatedSubnetIds": subnets}


def _security_group(it: Declared, to: Context) -> Created:
    ec2 = to.clients("ec2")
    group = ec2.create_security_group(
        GroupName=it.name,
        Description=it.inputs.take("description"),
        VpcId=it.inputs.take("vpcId"),
        TagSpecifications=_tag_specifications("security-group", it),
    )["GroupId"]
    # AWS opens every new group to all destinations; the provider closes it again, and so does this.
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])
    return group, {"name": it.name}


def _security_group_rule(direction: str) -> Callable[[Declared, Context], Created]:
    def create(it: Declared, to: Context) -> Created:
        prefixes, group = it.inputs.take("prefixListId"), it.inputs.take("referencedSecurityGroupId")
        permission = given(
            IpProtocol=it.inputs.take("ipProtocol"),
            FromPort=it.inputs.take("fromPort"),
            ToPort=it.inputs.take("toPort"),
            PrefixListIds=prefixes and [{"PrefixListId": prefixes}],
            UserIdGroupPairs=group and [{"GroupId": group}],
        )
        call = getattr(to.clients("ec2"), f"authorize_security_group_{direction}")
        reply = call(
            GroupId=it.inputs.take("securityGroupId"),
            IpPermissions=[permission],
            TagSpecifications=_tag_specifications("security-group-rule", it),
        )
        return reply["SecurityGroupRules"][0]["SecurityGroupRuleId"], {}

    return create


def _api(it: Declared, to: Context) -> Created:
    cors = it.inputs.section("corsConfiguration")
    api = to.clients("apigatewayv2").create_api(
        Name=it.name,
        Tags=it.tags,
        ProtocolType=it.inputs.take("protocolType"),
        **given(
            DisableExecuteApiEndpoint=it.inputs.take("disableExecuteApiEndpoint"),
            CorsConfiguration=cors
            and given(
                AllowOrigins=cors.take("allowOrigins"),
                AllowMethods=cors.take("allowMethods"),
                AllowHeaders=cors.take("allowHeaders"),
                AllowCredentials=cors.take("allowCredentials"),
                ExposeHeaders=cors.take("exposeHeaders"),
            ),
        ),
    )
    identity = api["ApiId"]
    arn = f"arn:aws:execute-api:{to.clients.region}:{to.account}:{identity}"
    return identity, {"name": it.name, "executionArn": arn, "apiEndpoint": api["ApiEndpoint"]}


def _integration(it: Declared, to: Context) -> Created:
    integration = to.clients("apigatewayv2").create_integration(
        ApiId=it.inputs.take("apiId"),
        IntegrationType=it.inputs.take("integrationType"),
        **given(
            IntegrationUri=it.inputs.take("integrationUri"),
            PayloadFormatVersion=it.inputs.take("payloadFormatVersion"),
        ),
    )
    return integration["IntegrationId"], {}


def _authorizer(it: Declared, to: Context) -> Created:
    jwt = it.inputs.section("jwtConfiguration")
    authorizer = to.clients("apigatewayv2").create_authorizer(
        ApiId=it.inputs.take("apiId"),
        Name=it.name,
        AuthorizerType=it.inputs.take("authorizerType"),
        IdentitySource=it.inputs.take("identitySources"),
        **given(JwtConfiguration=jwt and given(Issuer=jwt.take("issuer"), Audience=jwt.take("audiences"))),
    )
    return authorizer["AuthorizerId"], {}


def _route(it: Declared, to: Context) -> Created:
    route = to.clients("apigatewayv2").create_route(
        ApiId=it.inputs.take("apiId"),
        RouteKey=it.inputs.take("routeKey"),
        **given(
            Target=it.inputs.take("target"),
            AuthorizationType=it.inputs.take("authorizationType"),
            AuthorizerId=it.inputs.take("authorizerId"),
        ),
    )
    return route["RouteId"], {}


def _stage(it: Declared, to: Context) -> Created:
    api, name = it.inputs.take("apiId"), it.inputs.take("name")
    access_log, routes = it.inputs.section("accessLogSettings"), it.inputs.section("defaultRouteSettings")
    to.clients("apigatewayv2").create_stage(
        ApiId=api,
        StageName=name,
        Tags=it.tags,
        **given(
            AutoDeploy=it.inputs.take("autoDeploy"),
            AccessLogSettings=access_log
            and given(DestinationArn=access_log.take("destinationArn"), Format=access_log.take("format")),
            DefaultRouteSettings=routes
            and given(
                ThrottlingRateLimit=routes.take("throttlingRateLimit"),
                ThrottlingBurstLimit=routes.take("throttlingBurstLimit"),
            ),
        ),
    )
    endpoint = to.clients("apigatewayv2").get_api(ApiId=api)["ApiEndpoint"]
    return name, {"invokeUrl": f"{endpoint}/{name}"}


def _domain_name(it: Declared, to: Context) -> Created:
    name, configuration = it.inputs.take("domainName"), it.inputs.section("domainNameConfiguration")
    made = to.clients("apigatewayv2").create_domain_name(
        DomainName=name,
        Tags=it.tags,
        **given(
            DomainNameConfigurations=configuration
            and [
                given(
                    CertificateArn=configuration.take("certificateArn"),
                    EndpointType=configuration.take("endpointType"),
                    SecurityPolicy=configuration.take("securityPolicy"),
                )
            ]
        ),
    )
    [answered] = made["DomainNameConfigurations"]
    return name, {"domainNameConfiguration": {"targetDomainName": answered["ApiGatewayDomainName"]}}


def _api_mapping(it: Declared, to: Context) -> Created:
    made = to.clients("apigatewayv2").create_api_mapping(
        ApiId=it.inputs.take("apiId"),
        DomainName=it.inputs.take("domainName"),
        Stage=it.inputs.take("stage"),
        **given(ApiMappingKey=it.inputs.take("apiMappingKey")),
    )
    return made["ApiMappingId"], {}


RESOURCES: dict[str, Callable[[Declared, Context], Created]] = {
    "aws:apigatewayv2/api:Api": _api,
    "aws:apigatewayv2/apiMapping:ApiMapping": _api_mapping,
    "aws:apigatewayv2/authorizer:Authorizer": _authorizer,
    "aws:apigatewayv2/domainName:DomainName": _domain_name,
    "aws:apigatewayv2/integration:Integration": _integration,
    "aws:apigatewayv2/route:Route": _route,
    "aws:apigatewayv2/stage:Stage": _stage,
    "aws:appautoscaling/policy:Policy": _scaling_policy,
    "aws:appautoscaling/scheduledAction:ScheduledAction": _scheduled_action,
    "aws:appautoscaling/target:Target": _scaling_target,
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:ec2/securityGroup:SecurityGroup": _security_group,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _repository_lifecycle,
    "aws:ecr/repository:Repository": _repository,
    "aws:efs/accessPoint:AccessPoint": _access_point,
    "aws:efs/fileSystem:FileSystem": _file_system,
    "aws:efs/fileSystemPolicy:FileSystemPolicy": _file_system_policy,
    "aws:efs/mountTarget:MountTarget": _mount_target,
    "aws:iam/role:Role": _role,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:lambda/alias:Alias": _alias,
    "aws:lambda/function:Function": _function,
    "aws:lambda/functionUrl:FunctionUrl": _function_url,
    "aws:lambda/invocation:Invocation": _invocation,
    "aws:lambda/permission:Permission": _permission,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": _provisioned_concurrency,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketObjectv2:BucketObjectv2": _bucket_object,
    "aws:s3/bucketPolicy:BucketPolicy": _bucket_policy,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket_public_access_block,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _bucket_encryption,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _security_group_rule("egress"),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _security_group_rule("ingress"),
    "awsx:ec2:Vpc": _vpc,
    "docker:index/image:Image": _image,
}


def _authorization_token(_: dict[str, Any], to: Context) -> dict[str, Any]:
    # The registry is the account's own whatever id is given, and the API's parameter for it is deprecated.
    [token] = to.clients("ecr").get_authorization_token()["authorizationData"]
    user, password = base64.b64decode(token["authorizationToken"]).decode().split(":", 1)
    return {"userName": user, "password": password, "proxyEndpoint": token["proxyEndpoint"]}


def _availability_zones(args: dict[str, Any], to: Context) -> dict[str, Any]:
    filters = [{"Name": item["name"], "Values": item["values"]} for item in args["filters"]]
    filters.append({"Name": "state", "Values": [args["state"]]})
    zones = to.clients("ec2").describe_availability_zones(Filters=filters)["AvailabilityZones"]
    return {"names": [zone["ZoneName"] for zone in zones]}


def _managed_prefix_list(args: dict[str, Any], to: Context) -> dict[str, Any]:
    filters = [{"Name": "prefix-list-name", "Values": [args["name"]]}]
    found = to.clients("ec2").describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
    if not found:
        raise TranslationError(f"There is no managed prefix list {args['name']} in {to.clients.region}.")
    return {"id": found[0]["PrefixListId"], "name": found[0]["PrefixListName"]}


FUNCTIONS: dict[str, Callable[[dict[str, Any], Context], dict[str, Any]]] = {
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _managed_prefix_list,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": _authorization_token,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _availability_zones,
}


def parse_tags(provider_inputs: dict[str, Any]) -> dict[str, str]:
    """The default tags of a provider, whose inputs travel as JSON."""
    declared = provider_inputs.get("defaultTags")
    return json.loads(declared)["tags"] if isinstance(declared, str) else (declared or {}).get("tags", {})
