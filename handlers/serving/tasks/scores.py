"""Logits as scores, and classes by their names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handlers.serving.bundle import Bundle


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities along the last axis, which add up to 1. A logit of minus infinity has none."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of each logit by itself."""
    return np.reciprocal(1 + np.exp(-np.maximum(logits, np.float32(-88))))  # exp(89) is infinite in float32


def label_names(manifest: Bundle) -> list[str]:
    """The names of the classes of a model, by index."""
    return [manifest.labels[index] for index in sorted(manifest.labels, key=int)]


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Indices of the `count` highest scores, all of shape [scores], highest first; of equals the first comes first."""
    count = min(count, len(scores))
    among = np.sort(np.argpartition(-scores, count - 1)[:count])
    return among[np.argsort(-scores[among], kind="stable")]
