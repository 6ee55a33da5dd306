"""Serves models from the bucket `MODEL_BUCKET`: each is fetched into memory when it is first asked for."""

from handlers.serving import environment
from handlers.serving.application import Application
from handlers.serving.stores.s3 import S3Store

handler = Application(environment.models(), S3Store(environment.model_bucket()))
