"""Serves models from the bucket `MODEL_BUCKET`: each is fetched when it is first asked for, into memory or `MODEL_TMP`."""

from handlers.serving import environment
from handlers.serving.application import Application
from handlers.serving.stores.s3 import S3Store

store = S3Store(environment.model_bucket(), environment.model_tmp())
handler = Application(environment.models(), store, "s3")
