"""The plain handler, its checkpoint downloaded from a bucket, file after file, when the function starts."""

import os
import tempfile

import boto3

from .plain import Model
from .stages import stage, started

folder = f"{tempfile.gettempdir()}/model"
with stage("fetch"):
    s3 = boto3.client("s3")
    os.makedirs(folder)  # noqa: PTH103 - as one would write it
    for key in os.environ["KEYS"].split(" "):
        s3.download_file(os.environ["BUCKET"], key, f"{folder}/{os.path.basename(key)}")  # noqa: PTH119

model = Model(folder, os.environ["TASK"])
handler = model.handle
started()
