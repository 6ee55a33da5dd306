"""The plain handler, its checkpoint in the image."""

import os

from .plain import Model
from .stages import started

model = Model(os.environ["CHECKPOINT"], os.environ["TASK"])
handler = model.handle
started()
