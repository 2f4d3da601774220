"""The tiny system with a memory, so that it can be taught: noise bands, and mixtures of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from asc_edge.bundle import Bundle, write_bundle
from asc_edge.teaching.hearing import hear
from asc_edge.teaching.memory import MEMORY_NAME, Memory
from asc_edge.teaching.solver import fit_linear_svm

from tiny_system import LABELS, band_noise, tiny_files, tiny_manifest, write_tiny_bundle

SPEC: dict[str, Any] = {
    "file": MEMORY_NAME,
    "member_c": {"embedding": 0.1},
    "fusion_c": 1.0,
    "balanced": True,
    "uniform_prior": False,
}


# Its figures are no longer true of a bundle that was taught.
CARD: dict[str, Any] = {
    "data": {"clips": 36},
    "figures": {"macro_f1": 0.999, "accuracy": 0.999},
    "limits": ["Knows no dogs."],
}


def mixture(seconds: float, seed: int) -> NDArray[np.float32]:
    """A sound that the tiny system has no label for: low and high together."""
    low, high = band_noise("low", seconds, seed), band_noise("high", seconds, seed + 1)
    return (0.5 * (low + high)).astype(np.float32)


def noisy_band(label: str, seconds: float, seed: int) -> NDArray[np.float32]:
    """A label's noise, and a little of the room's: what the memory was made of."""
    rng = np.random.default_rng(seed)
    samples = 0.5 * band_noise(label, seconds, seed=seed)
    return (samples + 0.01 * rng.standard_normal(len(samples))).astype(np.float32)


def write_clip(path: Path, samples: NDArray[np.float32], rate: int = 16000) -> Path:
    soundfile.write(path, samples, rate, "PCM_16")
    return path


def memory_of_bands(folder: Path, clips: int = 12) -> Memory:
    """What the tiny networks make of noise in each band, in four folds."""
    from asc_edge.audio.sources import FileSource

    write_tiny_bundle(folder / "plain.ascb")
    plain = Bundle.open(folder / "plain.ascb")
    rows: dict[str, list[NDArray[np.float64]]] = {"bands": [], "embedding": []}
    truth, folds = [], []
    for number in range(clips):
        for label in LABELS:
            samples = noisy_band(label, 1.0, seed=100 + number)
            heard = hear(plain, FileSource(write_clip(folder / "x.wav", samples)))
            for name, values in heard.rows.items():
                rows[name].append(values[0])
            truth.append(LABELS.index(label))
            folds.append(1 + number % 4)
    embedding, numbers, fold = np.array(rows["embedding"]), np.array(truth), np.array(folds)
    values = np.empty((len(numbers), len(LABELS)))
    for number in np.unique(fold):
        rest = fold != number
        svm = fit_linear_svm(embedding[rest], numbers[rest], len(LABELS), c=SPEC["member_c"]["embedding"])
        values[~rest] = svm.decision_function(embedding[~rest])
    scores = {"bands": np.array(rows["bands"]), "embedding": values}
    return Memory(numbers, fold, np.ones(len(numbers)), scores, {"embedding": embedding})


def write_teachable(path: Path) -> Path:
    memory = memory_of_bands(path.parent)
    manifest = {**tiny_manifest(), "memory": SPEC, "card": CARD, "accuracy": {"macro_f1": 0.999}}
    write_bundle(path, manifest, {**tiny_files(), MEMORY_NAME: memory.to_npz()})
    return path
