"""Serves models that lie on EFS, mounted at `MODEL_ROOT`: `handlers.efs.loader` put them there."""

from handlers.serving import environment
from handlers.serving.application import Application
from handlers.serving.stores.folder import FolderStore

handler = Application(environment.models(), FolderStore(environment.model_root()), "efs")
