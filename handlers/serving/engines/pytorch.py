# pyright: reportMissingImports=false
"""The engine `torch`: a checkpoint as transformers runs it, for models or operators that ONNX does not have.

PyTorch and transformers take seconds to import and 1 GB of an image, so this module is imported only where a bundle
asks for the engine, or where the image has no other.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import transformers
from numpy.typing import NDArray

from handlers.serving.bundle import MANIFEST, BundleError
from handlers.serving.engines import threads
from handlers.serving.stores import StoredBundle

# Its progress bars and notes are for those who train. What matters here is an exception.
transformers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()

# Where transformers has, for each architecture, the class with the outputs of a task.
CLASSES: Mapping[str, str] = {
    "question-answering": "MODEL_FOR_QUESTION_ANSWERING_MAPPING",
    "text-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
    "token-classification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING",
    "feature-extraction": "MODEL_MAPPING",
    "fill-mask": "MODEL_FOR_MASKED_LM_MAPPING",
    "zero-shot-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
}


class TorchEngine:
    """PyTorch on the CPU."""

    CONFIG = "config.json"
    WEIGHTS = "model.safetensors"

    def __init__(self, stored: StoredBundle) -> None:
        torch.set_num_threads(threads())
        self._model = self._load(stored)
        # As the graphs of the engine onnx: a model that knows only one type of tokens is not given any.
        self._inputs = ["input_ids", "attention_mask"]
        takes_types = "token_type_ids" in inspect.signature(self._model.forward).parameters
        if takes_types and getattr(self._model.config, "type_vocab_size", 0) > 1:
            self._inputs.append("token_type_ids")

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """See `Engine.run`."""
        with torch.inference_mode():
            results = self._model(**{name: torch.from_numpy(inputs[name]) for name in self._inputs})
        return [results[name].numpy() for name in outputs]

    def _load(self, stored: StoredBundle) -> Any:
        """The model around the weights of the bundle, which stay mapped to the file if they have one."""
        task = stored.manifest.task
        if task not in CLASSES:
            raise BundleError(MANIFEST, f"{MANIFEST} has task {task!r}; the engine torch has {', '.join(CLASSES)}.")
        config = self._config(stored.file(self.CONFIG))
        weights = self._weights(stored.file(self.WEIGHTS))
        try:
            # Builds the model without memory for its weights and puts those it is given into their places. Weights that
            # are computed, or are those of another layer, are not in the file and come about here.
            model, report = getattr(transformers, CLASSES[task])[type(config)].from_pretrained(
                None, config=config, state_dict=weights, dtype=torch.float32, output_loading_info=True
            )
        except Exception as error:
            raise BundleError(self.WEIGHTS, f"{self.WEIGHTS} does not fit {self.CONFIG} ({error}).") from error
        # The pooler of a bare encoder takes no part in its hidden states, and many checkpoints do without.
        missing = sorted(
            key for key in report["missing_keys"] if not (task == "feature-extraction" and key.startswith("pooler."))
        )
        if missing:
            raise BundleError(
                self.WEIGHTS, f"{self.WEIGHTS} has no weights for {missing[0]}, which the model needs for {task}."
            )
        return model.eval()

    def _config(self, file: Path | bytes | bytearray) -> Any:
        try:
            fields = json.loads(file.read_bytes() if isinstance(file, Path) else file)
            return transformers.AutoConfig.for_model(**fields)
        except Exception as error:
            raise BundleError(self.CONFIG, f"{self.CONFIG} cannot be read by transformers ({error}).") from error

    def _weights(self, file: Path | bytes | bytearray) -> dict[str, Any]:
        try:
            return safetensors.torch.load_file(file) if isinstance(file, Path) else safetensors.torch.load(bytes(file))
        except Exception as error:
            raise BundleError(self.WEIGHTS, f"{self.WEIGHTS} cannot be read by safetensors ({error}).") from error
