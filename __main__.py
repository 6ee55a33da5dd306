"""The Pulumi program: a model store, and an endpoint for each architecture that the stack's configuration turns on."""

import pulumi

from infra.docker_engine import check_builder
from infra.domain import CustomDomain
from infra.efs import EfsInference
from infra.guards import check_stack, check_zones
from infra.inference import Inference, InferenceArgs
from infra.models import ModelBucket, ModelBucketArgs
from infra.monitoring import Monitoring, MonitoringArgs
from infra.oci import OciInference
from infra.provider import aws_provider
from infra.s3 import S3Inference
from infra.sample import sample_request
from infra.settings import Architecture, stack_settings

settings = stack_settings()
region = check_stack(settings)
args: dict[Architecture, InferenceArgs] = {it: InferenceArgs.of(it, settings) for it in settings.architectures}
check_builder(settings)

prefix = f"{pulumi.get_project()}-{pulumi.get_stack()}"
provider = aws_provider()
check_zones(settings, provider)
options = pulumi.ResourceOptions(providers=[provider])
inference: dict[Architecture, Inference] = {}

if settings.domain.name:
    domain = CustomDomain(f"{prefix}-domain", settings.domain, opts=options)
    args = {key: value.below(domain) for key, value in args.items()}
    pulumi.export("domainTarget", domain.target)
if stored := [bundle for key in args if key in ("efs", "s3") for bundle in args[key].bundles]:
    kept = ModelBucketArgs(bundles=stored, kms_key_arn=settings.kms_key_arn, protect=settings.protect_data)
    models = ModelBucket(f"{prefix}-models", kept, opts=options)
    if "efs" in args:
        inference["efs"] = EfsInference(f"{prefix}-efs", args["efs"], models, region, opts=options)
    if "s3" in args:
        inference["s3"] = S3Inference(f"{prefix}-s3", args["s3"], models, opts=options)
if "oci" in args:
    inference["oci"] = OciInference(f"{prefix}-oci", args["oci"], opts=options)
if settings.monitoring:
    watched = MonitoringArgs(inference=inference, made_from=args, alarms=settings.alarms, region=region)
    Monitoring(f"{prefix}-monitoring", watched, opts=options)

pulumi.export("endpoints", {key: value.endpoint for key, value in inference.items()})
pulumi.export("functions", {key: value.function_name for key, value in inference.items()})
pulumi.export("images", {key: value.image_uri for key, value in inference.items()})
pulumi.export("logGroups", {key: value.log_group_name for key, value in inference.items()})
pulumi.export(
    "sampleRequests",
    {
        key: sample_request(value.endpoint, args[key].bundles[0], args[key].function.auth, region)
        for key, value in inference.items()
    },
)
if urls := {key: value.function_url for key, value in inference.items() if value.function_url}:
    pulumi.export("functionUrls", urls)
