"""What a bundle remembers of its training clips: embeddings and scores of some, no sound of any."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge.errors import BundleError
from asc_edge.npz import read_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.manifest import Manifest

__all__ = ["MEMORY_NAME", "Memory"]

MEMORY_NAME = "memory.npz"
_STEPS = 255


@dataclass(frozen=True)
class Memory:
    """Some of a bundle's training clips, as its networks see them.

    Attributes
    ----------
    truth, folds : ndarray of int (n,)
        Label number and fold of every clip; no recording is in two folds.
    weights : ndarray (n,)
        How many clips of its label a row stands for.
    scores : dict of str to ndarray (n, outputs)
        By member: what it gave to the fusion, out of fold.
    embeddings : dict of str to ndarray (n, features)
        By embedding member: answers of the network that ships.
    """

    truth: NDArray[np.int64]
    folds: NDArray[np.int64]
    weights: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    embeddings: Mapping[str, NDArray[np.float64]]

    def to_npz(self) -> bytes:
        """As a bundle holds it: scores in half precision, embeddings in 8 bits from least to greatest."""
        arrays: dict[str, NDArray[Any]] = {
            "truth": self.truth.astype(np.uint8),
            "fold": self.folds.astype(np.uint8),
            "weight": self.weights.astype(np.float32),
        }
        for name, scores in self.scores.items():
            arrays[f"scores/{name}"] = scores.astype(np.float16)
        for name, rows in self.embeddings.items():
            low, high = rows.min(axis=0), rows.max(axis=0)
            step = np.where(high > low, (high - low) / _STEPS, 1.0)
            arrays[f"embedding/{name}"] = np.round((rows - low) / step).astype(np.uint8)
            arrays[f"low/{name}"], arrays[f"step/{name}"] = low.astype(np.float32), step.astype(np.float32)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes, manifest: Manifest) -> Memory:
        """Read what `to_npz` wrote, and hold it against the bundle that it lies in.

        Raises
        ------
        BundleError
            When it is damaged or of another bundle.
        """
        outputs = {member.name: member.outputs for member in manifest.members}
        embedding = [member.name for member in manifest.members if member.svm is not None]
        names = ["truth", "fold", "weight", *(f"scores/{name}" for name in outputs)]
        names += [f"{kind}/{name}" for name in embedding for kind in ("embedding", "low", "step")]
        arrays = read_npz(data, names)
        count = len(arrays["truth"]) if arrays["truth"].ndim == 1 else -1
        shapes: dict[str, tuple[int, ...]] = {"truth": (count,), "fold": (count,), "weight": (count,)}
        shapes |= {f"scores/{name}": (count, size) for name, size in outputs.items()}
        _check(arrays, shapes, embedding)
        memory = cls(
            arrays["truth"].astype(np.int64),
            arrays["fold"].astype(np.int64),
            arrays["weight"].astype(np.float64),
            {name: arrays[f"scores/{name}"].astype(np.float64) for name in outputs},
            {name: _unpacked(arrays, name) for name in embedding},
        )
        memory.check(len(manifest.labels))
        return memory

    def check(self, labels: int) -> None:
        """Refuse what can't be fitted.

        Raises
        ------
        BundleError
        """
        numbers = [self.weights, *self.scores.values(), *self.embeddings.values()]
        sound = all(np.isfinite(array).all() for array in numbers) and bool((self.weights > 0).all())
        for fold in np.unique(self.folds):
            sound = sound and set(self.truth[self.folds != fold]) == set(range(labels))
        if not sound or len(np.unique(self.folds)) < 2:
            raise BundleError("the bundle's memory can't be used: it lacks labels or folds, or holds NaN")

    def take(self, rows: Sequence[int] | NDArray[Any]) -> Memory:
        """Some of the clips, or all of them in another order."""
        return Memory(
            self.truth[rows],
            self.folds[rows],
            self.weights[rows],
            {name: array[rows] for name, array in self.scores.items()},
            {name: array[rows] for name, array in self.embeddings.items()},
        )


def _check(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], embedding: Sequence[str]
) -> None:
    wanted = {"truth": "uint8", "fold": "uint8", "weight": "float32"}
    for name, shape in shapes.items():
        dtype = wanted.get(name, "float16")
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise BundleError(f"the bundle's memory can't be used: {name} is not {dtype} of shape {shape}")
    for name in embedding:
        rows, low, step = (arrays[f"{kind}/{name}"] for kind in ("embedding", "low", "step"))
        features = rows.shape[1:]
        fits = rows.dtype == np.uint8 and len(features) == 1 and len(rows) == len(arrays["truth"])
        scaled = low.shape == step.shape == features and low.dtype == step.dtype == np.float32
        if not (fits and scaled):
            raise BundleError(f"the bundle's memory can't be used: no embedding of member {name!r} is in it")


def _unpacked(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    low, step = arrays[f"low/{name}"].astype(np.float64), arrays[f"step/{name}"].astype(np.float64)
    rows: NDArray[np.float64] = low + step * arrays[f"embedding/{name}"]
    return rows
