"""Faults that the tests have to find: small edits of the program, each with what a user would suffer from it."""

from __future__ import annotations

from dataclasses import dataclass

# Fast ones first, and no test that would only say that something is different: a record is written again without much
# thought, so the record of URNs and docs/security.md are left out.
TESTS = (
    "tests/infra/test_graph.py",
    "tests/infra/test_policies.py",
    "tests/infra/test_precautions.py",
    "tests/policy/test_rules.py",
    "tests/infra/test_bundles.py",
    "tests/infra/test_settings.py",
    "tests/infra/test_two_clones.py",
)


@dataclass(frozen=True)
class Mutant:
    """An edit of one file, `old` to `new` where it occurs first, and the fault that it puts into the program."""

    file: str
    old: str
    new: str
    fault: str


MUTANTS = (
    # The way in
    Mutant("infra/api.py", '"iam": "AWS_IAM"', '"iam": "NONE"', "auth iam lets everybody in"),
    Mutant("infra/api.py", '"jwt": "JWT"}', '"jwt": "NONE"}', "auth jwt lets everybody in"),
    Mutant(
        "infra/api.py",
        "authorizer_id=authorizer.id if authorizer else None",
        "authorizer_id=None",
        "tokens are checked by nobody",
    ),
    Mutant(
        "infra/api.py",
        "issuer=args.jwt.issuer",
        'issuer="https://example.com"',
        "tokens of another issuer open the API",
    ),
    Mutant("infra/api.py", "audiences=args.jwt.audience", "audiences=[]", "tokens for others open the API"),
    Mutant("infra/api.py", "throttling_rate_limit=args.throttle_rate, ", "", "the rate is not limited"),
    Mutant(
        "infra/api.py",
        "throttling_burst_limit=args.throttle_burst",
        "throttling_burst_limit=0",
        "the API answers nobody",
    ),
    Mutant(
        "infra/api.py",
        "throttling_rate_limit=args.throttle_rate",
        "throttling_rate_limit=args.throttle_burst",
        "the rate is the burst",
    ),
    Mutant("infra/api.py", "depends_on=[route]", "depends_on=[]", "the stage is deployed before it has a route"),
    Mutant(
        "infra/api.py",
        "pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[route]))",
        "pulumi.ResourceOptions(depends_on=[route])",
        "the stage has no parent and no provider",
    ),
    Mutant(
        "infra/api.py",
        'principal="apigateway.amazonaws.com"',
        'principal="events.amazonaws.com"',
        "the API may not call the function",
    ),
    Mutant(
        "infra/api.py", 'principal="apigateway.amazonaws.com"', 'principal="*"', "everybody may invoke the function"
    ),
    Mutant(
        "infra/api.py", "f\"/{STAGE}/{ROUTE.replace(' ', '')}\"", '"/*"', "every route and stage may call the function"
    ),
    Mutant(
        "infra/api.py",
        'pulumi.Output.concat(api.execution_arn, f"/',
        'pulumi.Output.concat("arn:aws:execute-api:*:*:*", f"/',
        "any API of any account may call the function",
    ),
    Mutant(
        "infra/api.py",
        "qualifier=args.function.alias",
        "qualifier=None",
        "the permission is for another version than the one that is called",
    ),
    Mutant(
        "infra/api.py",
        "integration_uri=args.function.invoke_arn",
        "integration_uri=args.function.name",
        "the API does not call the alias",
    ),
    Mutant(
        "infra/api.py",
        'payload_format_version="2.0"',
        'payload_format_version="1.0"',
        "the handler gets events that it does not know",
    ),
    Mutant("infra/api.py", "auto_deploy=True", "auto_deploy=False", "a change of the route never goes live"),
    Mutant("infra/api.py", '"$context.routeKey"', '"$context.path"', "what users ask for gets into the log"),
    Mutant("infra/api.py", "retention_in_days=args.log_retention_days, ", "", "access logs are kept for ever"),
    Mutant("infra/api.py", 'allow_methods=["POST"]', 'allow_methods=["*"]', "browsers may send any method"),
    Mutant(
        "infra/api.py",
        "cors_configuration=_cors(args.cors_origins)",
        'cors_configuration=_cors(["*"])',
        "every web site may call the API",
    ),
    Mutant("infra/inference.py", "auth=args.stack.auth,", "", "the API is open whatever the configuration says"),
    Mutant("infra/inference.py", "jwt=args.stack.jwt,", "", "tokens are not checked against the configuration"),
    Mutant(
        "infra/inference.py",
        "cors_origins=args.stack.cors_origins,",
        "",
        "web sites that are listed cannot call the API",
    ),
    Mutant(
        "infra/inference.py",
        "throttle_burst=args.stack.throttle_burst",
        "throttle_burst=args.stack.throttle_rate",
        "the burst is the rate",
    ),
    Mutant(
        "infra/inference.py",
        "opts=pulumi.ResourceOptions(parent=self)",
        "opts=None",
        "the API lies outside its architecture, without provider",
    ),
    # The function
    Mutant("infra/function.py", "publish=True", "publish=False", "there is no version for the alias to point to"),
    Mutant(
        "infra/function.py",
        "function_version=function.version",
        'function_version="$LATEST"',
        "a deployment is live before it is whole",
    ),
    Mutant("infra/function.py", "retention_in_days=args.log_retention_days, ", "", "logs are kept for ever"),
    Mutant("infra/function.py", ", log_group=log_group.name", "", "Lambda makes a log group that outlives the stack"),
    Mutant("infra/function.py", 'log_format="JSON"', 'log_format="Text"', "logs cannot be queried by field"),
    Mutant("infra/function.py", 'mode="Active"', 'mode="PassThrough"', "there are no traces"),
    Mutant(
        "infra/function.py",
        "depends_on=[policy, *args.requires]",
        "depends_on=[policy]",
        "the function is there before its models",
    ),
    Mutant(
        "infra/function.py",
        "depends_on=[policy, *args.requires]",
        "depends_on=[*args.requires]",
        "Lambda finds a role that may not yet do what it needs",
    ),
    Mutant(
        "infra/function.py",
        "architectures=[CPU_ARCHITECTURE]",
        'architectures=["arm64"]',
        "the image does not start on the function's processor",
    ),
    Mutant("infra/function.py", "memory_size=args.memory", "memory_size=3008", "the setting memory does nothing"),
    Mutant("infra/function.py", "timeout=args.timeout", "timeout=30", "the setting timeout does nothing"),
    Mutant(
        "infra/function.py",
        "commands=[args.command]",
        'commands=["handlers.s3.app.handler"]',
        "every function runs the handler of S3",
    ),
    Mutant(
        "infra/function.py",
        'assumed_by("lambda.amazonaws.com")',
        'assumed_by("ec2.amazonaws.com")',
        "Lambda cannot assume the role",
    ),
    Mutant(
        "infra/function.py",
        "statements.append(policies.join_vpc())",
        "pass",
        "Lambda cannot place the function in the VPC",
    ),
    Mutant("infra/function.py", "log_group.arn.apply(policies.write_logs), ", "", "the function cannot write logs"),
    Mutant(
        "infra/function.py",
        "security_group_ids=[file_system.security_group_id]",
        "security_group_ids=[]",
        "the function cannot reach the file system",
    ),
    Mutant(
        "infra/function.py",
        "local_mount_path=file_system.path",
        'local_mount_path="/mnt/other"',
        "the models are not where the handler looks",
    ),
    # The image
    Mutant(
        "infra/image.py",
        "self.uri = image.repo_digest",
        "self.uri = image.image_name",
        "a new image under the old tag is not deployed",
    ),
    Mutant("infra/image.py", "scan_on_push=True", "scan_on_push=False", "nobody hears of a hole in the image"),
    Mutant("infra/image.py", "force_delete=True", "force_delete=False", "`pulumi destroy` stops at the repository"),
    Mutant("infra/image.py", '"tagStatus": "untagged"', '"tagStatus": "any"', "images that functions run are expired"),
    Mutant(
        "infra/image.py",
        "password=pulumi.Output.secret(token.password)",
        "password=token.password",
        "the password of the registry is in the state as plain text",
    ),
    Mutant(
        "infra/image.py",
        '"x86_64": "linux/amd64"',
        '"x86_64": "linux/arm64"',
        "the image is built for another processor",
    ),
    Mutant("infra/image.py", "BUILDER_BUILD_KIT", "BUILDER_V1", "the Dockerfile's stages and mounts do not build"),
    Mutant("infra/image.py", "target=args.target,", 'target="s3",', "every architecture gets the image of S3"),
    Mutant(
        "infra/image.py",
        "server=repository.repository_url",
        'server="docker.io"',
        "the image is pushed with the password of another registry",
    ),
    Mutant("infra/image.py", "staged.chmod(0o644)", "pass", "another umask is another image"),
    Mutant("infra/image.py", "os.utime(staged, (0, 0))", "pass", "another clone is another image"),
    Mutant(
        "infra/image.py",
        '"__pycache__" not in path.parts',
        "True",
        "the image depends on what has been run on the machine",
    ),
    # The bucket
    Mutant("infra/models.py", "force_destroy=True", "force_destroy=False", "`pulumi destroy` stops at the bucket"),
    Mutant("infra/models.py", 'sse_algorithm="AES256"', 'sse_algorithm="none"', "the bucket is not encrypted"),
    Mutant("infra/models.py", "block_public_acls=True", "block_public_acls=False", "an ACL can make models public"),
    Mutant(
        "infra/models.py", "block_public_policy=True", "block_public_policy=False", "a policy can make models public"
    ),
    Mutant(
        "infra/models.py",
        "            restrict_public_buckets=True,\n",
        "",
        "a public policy holds although it is blocked",
    ),
    Mutant(
        "infra/models.py",
        "depends_on=[private]",
        "depends_on=[]",
        "S3 refuses one of two changes to the bucket's policies",
    ),
    Mutant(
        "infra/models.py", 'deny_plain_text("s3:*"', 'deny_plain_text("s3:PutObject"', "models can be read without TLS"
    ),
    Mutant("infra/models.py", '[arn, f"{arn}/*"]', "[arn]", "objects can be read without TLS"),
    Mutant(
        "infra/models.py",
        'key=f"{PREFIX}/{bundle.path}/{path}"',
        'key=f"{bundle.path}/{path}"',
        "models lie where the role may not read",
    ),
    Mutant(
        "infra/models.py",
        "(bundle.folder / path).as_posix()",
        "(bundle.folder / path).resolve().as_posix()",
        "another folder uploads every model again",
    ),
    # The network
    Mutant("infra/network.py", "NFS = 2049", "NFS = 2048", "the file system cannot be reached"),
    Mutant("infra/network.py", "HTTPS = 443", "HTTPS = 80", "the loader reaches S3 without TLS alone"),
    Mutant(
        "infra/network.py", "NatGatewayStrategy.NONE", "NatGatewayStrategy.SINGLE", "a NAT gateway bills by the hour"
    ),
    Mutant(
        "infra/network.py",
        "nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=awsx.ec2.NatGatewayStrategy.NONE),",
        "",
        "NAT gateways bill by the hour in every zone",
    ),
    Mutant(
        "infra/network.py", "SubnetType.ISOLATED", "SubnetType.PUBLIC", "functions and files have a way to the internet"
    ),
    Mutant(
        "infra/network.py",
        "number_of_availability_zones=2",
        "number_of_availability_zones=1",
        "one zone down is the endpoint down",
    ),
    Mutant(
        "infra/network.py",
        'vpc_endpoint_type="Gateway"',
        'vpc_endpoint_type="Interface"',
        "the way to S3 bills by the hour",
    ),
    Mutant(
        "infra/network.py",
        "referenced_security_group_id=group.id",
        'cidr_ipv4="0.0.0.0/0"',
        "everybody may come to the mount targets",
    ),
    Mutant("infra/network.py", "prefix_list_id=s3_prefixes.id", 'cidr_ipv4="0.0.0.0/0"', "the loader may go anywhere"),
    Mutant("infra/network.py", 'ip_protocol="tcp"', 'ip_protocol="-1"', "every port is open"),
    Mutant(
        "infra/network.py",
        '"inference": function, "loader": loader',
        '"inference": loader, "loader": function',
        "rules go to the wrong groups",
    ),
    Mutant(
        "infra/network.py",
        "self.function_group_id = function.id",
        "self.function_group_id = loader.id",
        "the function can reach S3",
    ),
    Mutant("infra/network.py", "cidr_block=args.cidr", 'cidr_block="10.0.0.0/16"', "the setting vpcCidr does nothing"),
    # The file system
    Mutant("infra/file_system.py", "encrypted=True", "encrypted=False", "models lie in plain text"),
    Mutant("infra/file_system.py", "range(2)", "range(1)", "functions in the other zone have no file system"),
    Mutant("infra/file_system.py", 'permissions="750"', 'permissions="777"', "every user may write models"),
    Mutant("infra/file_system.py", "_UID = _GID = 1001", "_UID = _GID = 0", "functions are root on the file system"),
    Mutant(
        "infra/file_system.py",
        "security_groups=[network.mount_target_group_id]",
        "security_groups=[network.function_group_id]",
        "mount targets refuse everybody",
    ),
    Mutant("infra/file_system.py", 'path="/lambda"', 'path="/"', "functions see the whole file system"),
    Mutant(
        "infra/file_system.py",
        'deny_plain_text("*", arn)',
        'allow(["*"], arn)',
        "the file system can be mounted without TLS",
    ),
    # EFS, S3, OCI
    Mutant(
        "infra/efs.py",
        "depends_on=models.uploaded",
        "depends_on=[]",
        "the loader runs before the models are in the bucket",
    ),
    Mutant(
        "infra/efs.py",
        "*file_system.mount_targets, loaded]",
        "*file_system.mount_targets]",
        "a version goes live before its models are there",
    ),
    Mutant(
        "infra/efs.py",
        "[*file_system.mount_targets, loaded]",
        "[loaded]",
        "the mount targets go while the function is still there",
    ),
    Mutant("infra/efs.py", "requires=file_system.mount_targets,", "", "the loader is there before it can mount"),
    Mutant("infra/efs.py", ' | {"file-system": file_system.id}', "", "a new file system stays empty"),
    Mutant("infra/efs.py", "triggers=digests(args.bundles) | ", "triggers=", "new models are not loaded"),
    Mutant(
        "infra/efs.py",
        "policies.mount(*arns)\n",
        "policies.mount(*arns, write=True)\n",
        "the function that answers the public may change models",
    ),
    Mutant("infra/efs.py", "policies.mount(*arns, write=True)", "policies.mount(*arns)", "the loader may not write"),
    Mutant(
        "infra/efs.py",
        "security_group_id=network.loader_group_id",
        "security_group_id=network.function_group_id",
        "the loader cannot reach S3",
    ),
    Mutant(
        "infra/efs.py",
        "security_group_id=network.function_group_id",
        "security_group_id=network.loader_group_id",
        "the function that answers the public can reach S3",
    ),
    Mutant(
        "infra/efs.py",
        "qualifier=loader.alias",
        'qualifier="$LATEST"',
        "the loader that is invoked is not the one that was deployed",
    ),
    Mutant("infra/efs.py", '"handlers.efs.loader.handler"', '"handlers.efs.app.handler"', "nothing loads the models"),
    Mutant(
        "infra/s3.py",
        "requires=models.uploaded",
        "requires=[]",
        "the function is live before its models are in the bucket",
    ),
    Mutant(
        "infra/s3.py",
        "statements=[models.arn.apply(policies.read_bundles)],",
        "",
        "the function may not read its models",
    ),
    Mutant("infra/oci.py", 'target="oci", bundles=args.bundles', 'target="oci"', "the image holds no models"),
    Mutant("infra/oci.py", '"/opt/models"', '"/mnt/models"', "the models are not where the handler looks"),
    # Who may do what
    Mutant(
        "infra/policies.py",
        'f"{bucket_arn}/bundles/*"',
        'f"{bucket_arn}/*"',
        "the role may read everything in the bucket",
    ),
    Mutant("infra/policies.py", 'f"{bucket_arn}/bundles/*"', '"*"', "the role may read every bucket"),
    Mutant("infra/policies.py", '["s3:GetObject"]', '["s3:*"]', "the role may delete models"),
    Mutant("infra/policies.py", '["s3:GetObject"]', '["s3:GetObject", "s3:PutObject"]', "the role may change models"),
    Mutant("infra/policies.py", 'f"{log_group_arn}:*"', '"*"', "the role may write to every log"),
    Mutant(
        "infra/policies.py",
        ', StringEquals={"elasticfilesystem:AccessPointArn": access_point_arn}',
        "",
        "the role may mount past the access point",
    ),
    Mutant(
        "infra/policies.py",
        "allow(actions, file_system_arn",
        'allow(actions, "*"',
        "the role may mount every file system",
    ),
    Mutant(
        "infra/policies.py",
        '["elasticfilesystem:ClientMount"]',
        '["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess"]',
        "the role is root on the file system",
    ),
    Mutant("infra/policies.py", '"xray:PutTelemetryRecords"]', '"xray:*"]', "the role may read every trace"),
    Mutant(
        "infra/policies.py",
        '"ec2:DescribeSubnets",',
        '"ec2:DescribeSubnets", "ec2:CreateTags",',
        "the role may do more than Lambda needs",
    ),
    Mutant(
        "infra/policies.py",
        '{"aws:SecureTransport": "false"}',
        '{"aws:SecureTransport": "true"}',
        "plain text is let through and TLS refused",
    ),
    Mutant("infra/policies.py", '"Effect": "Deny"', '"Effect": "Allow"', "everybody may do everything without TLS"),
    # The stack
    Mutant("infra/provider.py", '"stack": pulumi.get_stack(), ', "", "nobody can tell stacks apart on the bill"),
    Mutant(
        "infra/provider.py",
        ', default_tags=aws.ProviderDefaultTagsArgs(tags=tags | given.get("tags", {}))',
        "",
        "nothing is tagged",
    ),
    Mutant(
        "infra/provider.py",
        'tags=tags | given.get("tags", {})',
        "tags=tags",
        "the tags that a team asks for are dropped",
    ),
    Mutant("infra/provider.py", "**settings, ", "", "the region and the role of the stack do not count"),
    Mutant(
        "__main__.py",
        'OciInference(f"{prefix}-oci", args["oci"], opts=options)',
        'OciInference(f"{prefix}-oci", args["oci"])',
        "OCI goes to the default provider, without tags",
    ),
    Mutant("__main__.py", 'if key in ("efs", "s3")', 'if key in ("s3",)', "models of EFS alone are not uploaded"),
    Mutant(
        "__main__.py", "key: value.function_name for", "key: value.image_uri for", "the output functions names images"
    ),
    # The configuration
    Mutant(
        "infra/settings.py",
        "if self.throttle_burst < self.throttle_rate",
        "if False",
        "a rate that can never be reached is accepted",
    ),
    Mutant(
        "infra/settings.py",
        'if self.auth == "jwt" and not (self.jwt.issuer and self.jwt.audience)',
        "if False",
        "auth jwt checks against nothing",
    ),
    Mutant(
        "infra/settings.py",
        'if "*" in self.cors_origins and self.auth != "none"',
        "if False",
        "every web site may use the credentials of users",
    ),
    Mutant(
        "infra/settings.py",
        "if len(set(self.architectures)) < len(self.architectures)",
        "if False",
        "an architecture twice fails in the middle of a deployment",
    ),
    Mutant(
        "infra/bundles.py",
        "if (manifest.engine, manifest.precision) != (settings.engine, settings.precision)",
        "if False",
        "other weights are deployed than the configuration says",
    ),
)
