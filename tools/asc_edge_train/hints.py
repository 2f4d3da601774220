"""Hints: what a frozen teacher's embedding says of a clip, beyond its class.

A student that has only seen a few hundred recordings of a class learns what tells them apart there. Its
teachers' embeddings were shaped by far more sound. So the layer behind the student's embedding has further
outputs, which learn the principal components of theirs (hints, Romero et al. 2015, section 2), and which are
taken off once the student is trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

__all__ = ["hint_targets", "without_hints"]

_LEAST_DEVIATION = 1e-3


def hint_targets(embeddings: Sequence[np.ndarray], heard: np.ndarray, components: int) -> np.ndarray:
    """Principal components of several embeddings side by side, (clips, components of each), float32.

    Each column of an embedding counts the same. A component is divided by the root of its own deviation, so
    that later ones, which are the finer differences, aren't lost beside the first; and all of an embedding's
    together by their mean power, so that a hint of 0 everywhere costs 1.

    Parameters
    ----------
    embeddings : sequence of ndarray (clips, outputs)
    heard : ndarray of bool (clips,)
        The clips that the student learns from. Nothing depends on the others, whose rows are NaN.
    components : int
        Of each embedding, at most.
    """
    hints = [_components(embedding, heard, components) for embedding in embeddings]
    return np.concatenate(hints, axis=1).astype(np.float32)


def without_hints(network: nn.Module, classes: int) -> nn.Module:
    """The network with its first ``classes`` outputs alone, which answer as they did."""
    wide = network.classify
    assert isinstance(wide, nn.Linear)
    if wide.out_features == classes:
        return network
    narrow = nn.Linear(wide.in_features, classes)
    narrow.weight = nn.Parameter(wide.weight.detach()[:classes].clone())
    narrow.bias = nn.Parameter(wide.bias.detach()[:classes].clone())
    network.classify = narrow.to(wide.weight.device)
    return network


def _components(embedding: np.ndarray, heard: np.ndarray, components: int) -> np.ndarray:
    known = np.asarray(embedding[heard], dtype=np.float64)
    standard = (known - known.mean(axis=0)) / (known.std(axis=0) + _LEAST_DEVIATION)
    # Of the smaller of the two square matrices: embeddings are wide where clips are few, and the reverse.
    left, sizes, _ = np.linalg.svd(standard, full_matrices=False)
    kept = min(components, int(np.sum(sizes > sizes[0] * 1e-9)))
    found = left[:, :kept] * np.sqrt(sizes[:kept])
    hints = np.full((len(embedding), kept), np.nan)
    hints[heard] = found / np.sqrt(np.mean(found**2))
    return hints
