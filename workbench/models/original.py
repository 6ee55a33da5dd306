"""The original: a checkpoint as transformers loads it, in fp32, to be exported and to be compared with."""

# pyright: reportMissingImports=false
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from workbench.models.checkpoint import TASKS, TOKENIZER
from workbench.models.errors import ModelError
from workbench.models.export import takes_token_types
from workbench.models.fetch import Checkpoint


class Original:
    """A model of transformers, with the interface of the engines that serve it (`handlers.serving.engines.Engine`)."""

    def __init__(self, model: Any) -> None:
        self.model = model.eval()
        self._token_types = takes_token_types(model)

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """See `Engine.run`."""
        taken = ["input_ids", "attention_mask", *(["token_type_ids"] if self._token_types else [])]
        with torch.inference_mode():
            results = self.model(**{name: torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in taken})
        return [results[name].float().numpy() for name in outputs]


def load_original(checkpoint: Checkpoint) -> Original:
    """The model of a checkpoint, in fp32 and with plain attention. Nothing that is pickled is executed.

    Raises:
        ModelError: the weights cannot be read, or the checkpoint has none for the task's head.
    """
    task = checkpoint.description.task
    name = checkpoint.source["model"]
    loader = getattr(transformers, TASKS[task].auto_class)
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)  # its report of missing weights comes below, as a sentence
    transformers.utils.logging.disable_progress_bar()  # of a second's work
    try:
        model, report = loader.from_pretrained(
            checkpoint.folder,
            dtype=torch.float32,
            attn_implementation="eager",
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        if "Unrecognized configuration class" in str(error):
            raise ModelError(
                f"{checkpoint.description.family} has no head for {task} in transformers, so {name} cannot be "
                "prepared for it."
            ) from error
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"The weights of {name} cannot be loaded: {reason}") from error
    finally:
        logger.setLevel(level)
        transformers.utils.logging.enable_progress_bar()  # it had switched off those of downloads, too
    # A bare encoder's pooler takes no part in its hidden states, and many checkpoints do without.
    missing = sorted(
        key for key in report["missing_keys"] if not (task == "feature-extraction" and key.startswith("pooler."))
    )
    if missing:
        raise ModelError(
            f"{name} has no weights for {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            + f", which {type(model).__name__} needs for {task}: they would be random. "
            "Choose a checkpoint that was trained for the task, or the task that this one was trained for."
        )
    return Original(model)


def write_tokenizer(checkpoint: Checkpoint, destination: Path) -> None:
    """Writes the checkpoint's fast tokenizer to `destination`: its own file as it is, or one made from its vocabulary.

    Raises:
        ModelError: a fast tokenizer cannot be made from the vocabulary.
    """
    own = checkpoint.folder / TOKENIZER
    if own.is_file():
        destination.write_bytes(own.read_bytes())
        return
    name = checkpoint.source["model"]
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.folder, local_files_only=True)
        backend: Any = tokenizer.backend_tokenizer
        backend.save(str(destination))
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"{name} has no fast tokenizer: there is no {TOKENIZER}, and transformers cannot make one from its "
            f"vocabulary ({reason})."
        ) from error
