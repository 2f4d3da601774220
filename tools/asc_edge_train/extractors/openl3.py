"""OpenL3 (Cramer et al. 2019) as an extractor: windows of a second, pooled over the clip.

CRNN + Deep Spectrum + late fusion, section on openl3 features: the content model ``env``. Window, hop and
centring are the library's; size and pooling aren't in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asc_edge.errors import ConfigError
from asc_edge.frontend import log_mel
from asc_edge_train.extractors.base import (
    POOLINGS,
    FrozenExtractor,
    choices,
    pool_windows,
    pooled_size,
    read_options,
    weights_path,
)
from asc_edge_train.models.openl3 import OPENL3_MELS, OPENL3_SIZES, OpenL3Audio, openl3_front_end

__all__ = ["OpenL3Extractor"]

_RATE_HZ = 48000
# "Same" padding of the published network's own spectrogram.
_EDGE_SAMPLES = 982
_RANGE_DB = 80.0
_LOWEST_DB = -100.0


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of an openl3 extractor.

    Attributes
    ----------
    weights : str
        File, ``"random"``, or empty for the name that the weights for `mels` bands are published under.
    mels, size : int
        128 or 256 bands; an embedding of 6144 or 512.
    hop_s : float
        Between windows. A window is 10 billion multiply-accumulates with 256 bands.
    centred : bool
        Whether the first window lies around the clip's start, after half a second of zeros.
    pooling : tuple of {"mean", "max", "std"}
        Over the windows.
    """

    weights: str = ""
    mels: int = 256
    size: int = 6144
    hop_s: float = 0.1
    centred: bool = True
    pooling: tuple[str, ...] = ("mean",)
    seed: int = 0


class OpenL3Extractor(FrozenExtractor):
    """OpenL3's embedding of a clip at 48 kHz, zeros after its end as the library has them."""

    sample_rate_hz = _RATE_HZ

    def __init__(self, options: dict[str, Any], weights: Path) -> None:
        where = "extractor openl3"
        read = read_options(_Options, options, where)
        if read.mels not in OPENL3_MELS or read.size not in OPENL3_SIZES:
            raise ConfigError(f"{where}: mels {read.mels}, size {read.size}; give 128 or 256, 6144 or 512")
        if not 0.001 <= read.hop_s <= 60:
            raise ConfigError(f"{where}: hop_s is {read.hop_s}; give 0.001 to 60 s")
        choices(where, "pooling", read.pooling, POOLINGS)
        self.outputs = pooled_size(read.size, read.pooling)
        path = weights_path(read.weights or f"openl3_audio_mel{read.mels}_env.h5", weights)
        super().__init__("openl3" if path else "openl3-random", read, path)

    def _load(self) -> OpenL3Audio:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            network = OpenL3Audio(mels=self.options.mels, size=self.options.size)
        if self.path is not None:
            network.load_keras(self.path)
        return network.eval()

    def _embed(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        rows = [
            self.network.embed(torch.from_numpy(window_cells(window, self.options.mels))[None, None])[
                0
            ].numpy()
            for window in windows(clip, round(self.options.hop_s * _RATE_HZ), centred=self.options.centred)
        ]
        return pool_windows(np.stack(rows), self.options.pooling)


def windows(clip: np.ndarray, hop: int, *, centred: bool) -> list[np.ndarray]:
    """Windows of a second, `hop` samples apart, with zeros after the end so that every sample is in one."""
    lead = _RATE_HZ // 2 if centred else 0
    steps = max(0, -(-(lead + len(clip) - _RATE_HZ) // hop))
    padded = np.pad(clip, (lead, steps * hop + _RATE_HZ - lead - len(clip)))
    return [padded[start : start + _RATE_HZ] for start in range(0, steps * hop + 1, hop)]


def window_cells(window: np.ndarray, mels: int) -> np.ndarray:
    """What the network is fed of a window (48000,): (mels, 199) in dB, 0 at the loudest cell, down to -80."""
    cells = np.maximum(
        log_mel(np.pad(window, _EDGE_SAMPLES), openl3_front_end(mels))[0], np.float32(_LOWEST_DB)
    )
    return np.maximum(cells - cells.max(), np.float32(-_RANGE_DB))
