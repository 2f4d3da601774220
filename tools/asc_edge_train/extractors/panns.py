"""PANNs' CNN14 (AudioSet; Kong et al. 2020) as an extractor: one embedding of the whole clip.

CRNN + Deep Spectrum + late fusion, section on PANN features. The paper says it has the network with a learnt
front end (Wavegram); the tool that it links has this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asc_edge.errors import ConfigError
from asc_edge.frontend import log_mel
from asc_edge_train.extractors.base import FrozenExtractor, at_least, read_options, weights_path
from asc_edge_train.models.panns import PANN_FRONT_ENDS, PannCnn14
from asc_edge_train.models.weights import load_published

__all__ = ["PannExtractor"]

_FILES = {32000: "Cnn14_mAP=0.431.pth", 16000: "Cnn14_16k_mAP=0.438.pth"}
_LEAST_FRAMES = 32
_LOWEST_DB = -100.0


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of a PANN extractor.

    Attributes
    ----------
    weights : str
        File, ``"random"``, or empty for the name that the rate's checkpoint is published under.
    sample_rate_hz : int
        32000 as in the paper, or 16000, the checkpoint for microphones of that rate.
    seed : int
        Of random weights.
    """

    weights: str = ""
    sample_rate_hz: int = 32000
    seed: int = 0


class PannExtractor(FrozenExtractor):
    """CNN14's 2048-d embedding of a whole clip; one shorter than 0.32 s is repeated."""

    def __init__(self, options: dict[str, Any], weights: Path) -> None:
        read = read_options(_Options, options, "extractor panns_cnn14")
        if read.sample_rate_hz not in _FILES:
            raise ConfigError(
                f"extractor panns_cnn14: sample_rate_hz is {read.sample_rate_hz}; give 32000 or 16000"
            )
        self.sample_rate_hz = read.sample_rate_hz
        self.outputs = PannCnn14.embedding_size
        path = weights_path(read.weights or _FILES[read.sample_rate_hz], weights)
        super().__init__("panns_cnn14" if path else "panns_cnn14-random", read, path)

    def _load(self) -> PannCnn14:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            network = PannCnn14(sample_rate_hz=self.sample_rate_hz)
        if self.path is not None:
            load_published(network, self.path)
        return network.eval()

    def _embed(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        config = PANN_FRONT_ENDS[sample_rate_hz]
        frames = log_mel(at_least(clip, _LEAST_FRAMES * config.hop_samples), config)
        frames = np.maximum(frames, np.float32(_LOWEST_DB))
        return self.network.embed(torch.from_numpy(frames)[None])[0].numpy()
