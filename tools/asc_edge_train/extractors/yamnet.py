"""YAMNet (AudioSet; TensorFlow Model Garden) as an extractor: patches of 0.96 s, pooled over the clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.errors import ConfigError
from asc_edge.frontend import log_mel
from asc_edge.presets import YAMNET
from asc_edge_train.extractors.base import (
    POOLINGS,
    FrozenExtractor,
    at_least,
    choices,
    pool_windows,
    pooled_size,
    read_options,
)
from asc_edge_train.extractors.tflite import TfliteNetwork
from asc_edge_train.models.weights import find_weights

__all__ = ["YamnetExtractor"]

_PATCH_FRAMES = 96
_PATCH_SAMPLES = 15600
_SIZES = {"embedding": 1024, "scores": 521}
_TENSORS = {"embedding": "layer28/reduce_mean", "scores": "layer32/final_output"}
_WAVEFORM, _SPECTRA = (_PATCH_SAMPLES,), (1, _PATCH_FRAMES, YAMNET.mels)


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of a YAMNet extractor.

    Attributes
    ----------
    weights : str
        The network from its log-mel patch, fed by our front end, or the one from its waveform.
    hop_s : float
        Step between patches, rounded to whole frames of 10 ms.
    outputs : tuple of {"embedding", "scores"}
        The 1024-d layer before the classifier, and the scores of AudioSet's 521 classes.
    pooling : tuple of {"mean", "max", "std"}
        Over the patches.
    """

    weights: str = "yamnet_spectra_tflite/yamnet_spectra_in.tflite"
    hop_s: float = 0.48
    outputs: tuple[str, ...] = ("embedding",)
    pooling: tuple[str, ...] = ("mean", "max")


class YamnetExtractor(FrozenExtractor):
    """YAMNet's embedding of a clip at 16 kHz; a clip shorter than a patch is repeated to fill one.

    What is left after the last whole patch isn't heard.
    """

    sample_rate_hz = YAMNET.sample_rate_hz

    def __init__(self, options: dict[str, Any], weights: Path) -> None:
        read = read_options(_Options, options, "extractor yamnet")
        choices("extractor yamnet", "outputs", read.outputs, _SIZES)
        choices("extractor yamnet", "pooling", read.pooling, POOLINGS)
        if not YAMNET.hop_s <= read.hop_s <= 60:
            raise ConfigError(f"extractor yamnet: hop_s is {read.hop_s}; give 0.01 to 60 s")
        self._hop_frames = round(read.hop_s / YAMNET.hop_s)
        self.outputs = pooled_size(sum(_SIZES[name] for name in read.outputs), read.pooling)
        super().__init__("yamnet", read, find_weights(read.weights, weights))

    def _load(self) -> TfliteNetwork:
        assert self.path is not None
        network = TfliteNetwork(self.path, {_TENSORS[name]: _SIZES[name] for name in self.options.outputs})
        if network.shape not in (_WAVEFORM, _SPECTRA):
            raise ConfigError(f"{self.path}: takes {network.shape}, not YAMNet's {_WAVEFORM} or {_SPECTRA}")
        return network

    def _embed(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        clip = at_least(clip, _PATCH_SAMPLES)
        patches = self._spectra(clip) if self.network.shape == _SPECTRA else self._waveforms(clip)
        rows = np.stack([np.concatenate(self.network.run(patch)) for patch in patches])
        return pool_windows(rows, self.options.pooling)

    def _spectra(self, clip: np.ndarray) -> list[np.ndarray]:
        frames = log_mel(clip, YAMNET)[0].T
        starts = range(0, len(frames) - _PATCH_FRAMES + 1, self._hop_frames)
        return [frames[None, start : start + _PATCH_FRAMES] for start in starts]

    def _waveforms(self, clip: np.ndarray) -> list[np.ndarray]:
        hop = self._hop_frames * YAMNET.hop_samples
        starts = range(0, len(clip) - _PATCH_SAMPLES + 1, hop)
        return [clip[start : start + _PATCH_SAMPLES] for start in starts]
