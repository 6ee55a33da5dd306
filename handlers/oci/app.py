"""Serves models that lie in the container image, at `MODEL_ROOT`: the build of the image put them there."""

from handlers.serving import environment
from handlers.serving.application import Application
from handlers.serving.stores.folder import FolderStore

handler = Application(environment.models(), FolderStore(environment.model_root()), "oci")
