"""Which regions have what the program deploys. Data alone, with its source and date; `infra.guards` reads it."""

from __future__ import annotations

# Lambda, API Gateway (v2), EFS, ECR, S3, CloudWatch, X-Ray and Application Auto Scaling are in the same regions, in each
# partition. Source: endpoints.json of botocore 1.43.106, November 2026.
REGIONS = frozenset(
    [
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-south-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-central-1",
        "ca-west-1",
        "eu-central-1",
        "eu-central-2",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "il-central-1",
        "me-central-1",
        "me-south-1",
        "mx-central-1",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "cn-north-1",
        "cn-northwest-1",
        "us-gov-east-1",
        "us-gov-west-1",
    ]
)

# Source: AWS Lambda developer guide, "Improving startup performance with Lambda SnapStart", section "Supported Regions",
# November 2026.
WITHOUT_SNAP_START = frozenset({"ap-east-2", "ap-southeast-6"})

# Source: AWS Lambda developer guide, "Configuring file system access for Lambda functions", November 2026.
WITHOUT_EFS = frozenset(
    ["ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "mx-central-1"]
)

# Source: AWS Lambda developer guide, "Creating and managing Lambda function URLs", November 2026.
WITHOUT_FUNCTION_URLS = frozenset(
    [
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
    ]
)
