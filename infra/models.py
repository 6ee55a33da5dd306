"""The bucket that holds the model bundles: the S3 architecture serves from it, EFS is filled from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from handlers.serving.bundle import MANIFEST

from . import policies
from .bundles import LocalBundle

PREFIX = "bundles"


@dataclass(kw_only=True)
class ModelBucketArgs:
    """The bundles to upload, the key they are encrypted with (empty: AWS's own), and whether the bucket is protected."""

    bundles: Sequence[LocalBundle]
    kms_key_arn: str = ""
    protect: bool = False


class ModelBucket(pulumi.ComponentResource):
    """A private, encrypted, TLS-only bucket with every bundle below `bundles/<name>/<digest>/`.

    `uploaded` are the objects: what reads a bundle depends on them. `read_statements` is what a role needs to read them.
    """

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    uploaded: list[pulumi.Resource]
    read_statements: list[pulumi.Input[policies.Statement]]

    def __init__(self, name: str, args: ModelBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:ModelBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        # Bundles can be prepared again, so that `pulumi destroy` may take them along unless it is told otherwise.
        bucket = aws.s3.Bucket(
            name,
            force_destroy=not args.protect,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=args.protect or None)),
        )
        encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms" if args.kms_key_arn else "AES256",
                        kms_master_key_id=args.kms_key_arn or None,
                    ),
                    # One request to KMS for many objects instead of one for each.
                    bucket_key_enabled=True if args.kms_key_arn else None,
                )
            ],
            opts=child,
        )
        private = aws.s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.bucket,
            policy=bucket.arn.apply(lambda arn: policies.document(policies.deny_plain_text("s3:*", [arn, f"{arn}/*"]))),
            # S3 refuses two changes to a bucket's policies at the same time.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[private])),
        )

        self.uploaded = [
            aws.s3.BucketObjectv2(
                f"{name}-{bundle.name}-{bundle.digest[:12]}-{path}",
                bucket=bucket.bucket,
                key=f"{PREFIX}/{bundle.path}/{path}",
                source=pulumi.FileAsset((bundle.folder / path).as_posix()),
                # A bundle that is no longer configured may still be served: by the old version while an update is under
                # way or a rollout lasts, or when that is undone. The bucket takes what is left along when it is destroyed.
                opts=pulumi.ResourceOptions.merge(
                    child, pulumi.ResourceOptions(retain_on_delete=True, depends_on=[encrypted])
                ),
            )
            # Two architectures may serve the same bundle.
            for bundle in dict.fromkeys(args.bundles)
            for path in [MANIFEST, *(file.path for file in bundle.manifest.files)]
        ]
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        self.read_statements = [bucket.arn.apply(policies.read_bundles)]
        if args.kms_key_arn:
            self.read_statements.append(policies.decrypt_objects(args.kms_key_arn))
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})
