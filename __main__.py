"""The Pulumi program: a model store, and an endpoint for each architecture that the stack's configuration turns on."""

import pulumi

from infra.bundles import read_bundles
from infra.docker_engine import check_builder
from infra.efs import EfsInference
from infra.inference import Inference, InferenceArgs
from infra.models import ModelBucket, ModelBucketArgs
from infra.oci import OciInference
from infra.provider import aws_provider
from infra.s3 import S3Inference
from infra.sample import sample_request
from infra.settings import stack_settings

settings = stack_settings()
stack, region = pulumi.get_stack(), pulumi.Config("aws").require("region")
args = {
    architecture: InferenceArgs(
        bundles=read_bundles(settings.for_architecture(architecture), stack),
        function=settings.for_architecture(architecture),
        stack=settings,
    )
    for architecture in settings.architectures
}
check_builder(settings)

prefix = f"{pulumi.get_project()}-{stack}"
provider = aws_provider()
options = pulumi.ResourceOptions(providers=[provider])
inference: dict[str, Inference] = {}

if stored := [bundle for key in args if key in ("efs", "s3") for bundle in args[key].bundles]:
    models = ModelBucket(f"{prefix}-models", ModelBucketArgs(bundles=stored), opts=options)
    if "efs" in args:
        inference["efs"] = EfsInference(f"{prefix}-efs", args["efs"], models, region, opts=options)
    if "s3" in args:
        inference["s3"] = S3Inference(f"{prefix}-s3", args["s3"], models, opts=options)
if "oci" in args:
    inference["oci"] = OciInference(f"{prefix}-oci", args["oci"], opts=options)

pulumi.export("endpoints", {key: value.endpoint for key, value in inference.items()})
pulumi.export("functions", {key: value.function_name for key, value in inference.items()})
pulumi.export("images", {key: value.image_uri for key, value in inference.items()})
pulumi.export("logGroups", {key: value.log_group_name for key, value in inference.items()})
pulumi.export(
    "sampleRequests",
    {
        key: sample_request(value.endpoint, args[key].bundles[0].name, settings.auth, region)
        for key, value in inference.items()
    },
)
