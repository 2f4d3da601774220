"""EfficientAT mn04 (AudioSet; Schmid et al. 2023) as an extractor: one embedding of the whole clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig, log_mel
from asc_edge.presets import EFFICIENTAT_MN, EFFICIENTAT_MN_16K
from asc_edge_train.extractors.base import (
    DeviceNetwork,
    FrozenExtractor,
    at_least,
    check_device_rate,
    choices,
    read_options,
    repeat_whole,
)
from asc_edge_train.models.cost import parameter_count
from asc_edge_train.models.efficientat import EfficientAtMn
from asc_edge_train.models.weights import find_weights, half_state, load_published
from asc_edge_train.sound import played

__all__ = ["EfficientAtExtractor"]

_SIZES = {"embedding": 384, "logits": 527, "blocks": 512}
_WIDTH = 0.4
_FRONT_ENDS = {config.sample_rate_hz: config for config in (EFFICIENTAT_MN, EFFICIENTAT_MN_16K)}


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of an EfficientAT extractor.

    Attributes
    ----------
    outputs : tuple of {"embedding", "logits", "blocks"}
        The pooled last maps, the logits of AudioSet's 527 classes, and the pooled maps of all blocks before.
    repeat_to_s : float
        Shorter clips are repeated, as a whole, as often as comes nearest to this: the network was trained on
        10 s. 0 leaves them as they are.
    speeds : tuple of float
        The clip is also heard so many times as fast, with its pitch changed as much, and the answers are
        averaged.
    half_precision : bool
        Weights rounded to 16 bits, as half the file would hold them.
    rate_hz : {32000, 16000}
        What the clip is heard at: the network's own rate, or a device's, of which the front end makes the
        frames of the sound at 32 kHz. What lies above 8 kHz isn't heard then.
    """

    weights: str = "efficientat_mn04_as/mn04_as_mAP_432.pt"
    outputs: tuple[str, ...] = ("embedding", "logits")
    repeat_to_s: float = 10.0
    speeds: tuple[float, ...] = (1.0,)
    half_precision: bool = False
    rate_hz: int = EFFICIENTAT_MN.sample_rate_hz


class EfficientAtExtractor(FrozenExtractor):
    """mn04's embedding and logits of a whole clip at 32 or 16 kHz, of any length."""

    later_options: ClassVar[Mapping[str, object]] = {"rate_hz": EFFICIENTAT_MN.sample_rate_hz}

    def __init__(self, options: dict[str, Any], weights: Path) -> None:
        read = read_options(_Options, options, "extractor efficientat_mn04")
        choices("extractor efficientat_mn04", "outputs", read.outputs, _SIZES)
        if not 0 <= read.repeat_to_s <= 60:
            raise ConfigError(
                f"extractor efficientat_mn04: repeat_to_s is {read.repeat_to_s}; give 0 to 60 s"
            )
        if not read.speeds or not all(_is_speed(speed) for speed in read.speeds):
            raise ConfigError(f"extractor efficientat_mn04: speeds are {read.speeds}; give some of 0.5 to 2")
        if read.rate_hz not in _FRONT_ENDS:
            raise ConfigError(f"extractor efficientat_mn04: rate_hz is {read.rate_hz}; give 32000 or 16000")
        self.sample_rate_hz = read.rate_hz
        self.outputs = sum(_SIZES[name] for name in read.outputs)
        super().__init__("efficientat_mn04", read, find_weights(read.weights, weights))

    @property
    def _front_end(self) -> LogMelConfig:
        return _FRONT_ENDS[self.sample_rate_hz]

    @property
    def _least_samples(self) -> int:
        """Centred frames of fewer would have nothing to reflect."""
        return self._front_end.fft_length

    def _load(self) -> EfficientAtMn:
        assert self.path is not None
        network = EfficientAtMn(mels=EFFICIENTAT_MN.mels, classes=_SIZES["logits"], width=_WIDTH)
        load_published(network, self.path)
        if self.options.half_precision:
            half_state(network)
        return network.eval()

    @property
    def network_bytes(self) -> int | None:
        if not self.options.half_precision:
            return super().network_bytes
        return 2 * parameter_count(self.network)

    def _embed(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        answers = [
            self._answer(clip if speed == 1.0 else played(clip[:, None], speed, sample_rate_hz)[:, 0])
            for speed in self.options.speeds
        ]
        return answers[0] if len(answers) == 1 else np.mean(answers, axis=0)

    def _answer(self, clip: np.ndarray) -> np.ndarray:
        clip = repeat_whole(clip, round(self.options.repeat_to_s * self.sample_rate_hz))
        frames = log_mel(at_least(clip, self._least_samples), self._front_end)
        answer: np.ndarray = _Outputs(self.network, self.options.outputs)(torch.from_numpy(frames)[None])[
            0
        ].numpy()
        return answer

    def for_device(self, sample_rate_hz: int, window_s: float) -> DeviceNetwork:
        where, options = f"extractor {self.name}", self.options
        check_device_rate(where, self.sample_rate_hz, sample_rate_hz)
        if options.speeds != (1.0,):
            raise ConfigError(f"{where}: a device hears at one speed; take speeds = [1.0]")
        window, wanted = (round(seconds * sample_rate_hz) for seconds in (window_s, options.repeat_to_s))
        if window < self._least_samples or len(repeat_whole(np.empty(window, np.float32), wanted)) != window:
            raise ConfigError(
                f"{where}: a device doesn't repeat its windows of {window_s:g} s; take repeat_to_s = 0"
            )
        assert self.path is not None
        credit = f"EfficientAT's mn04 (AudioSet) with weights from {self.path.name}"
        return DeviceNetwork(self._front_end, None, None, credit)

    def device_module(self) -> nn.Module:
        return _Outputs(self._load(), self.options.outputs).eval()


class _Outputs(nn.Module):
    """What is wanted of the network's answers, side by side (batch, outputs), of (batch, 1, mels, frames)."""

    def __init__(self, network: EfficientAtMn, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        embedding, blocks = self.network.embed_blocks(frames)
        answers = {"embedding": embedding, "logits": self.network.classify(embedding), "blocks": blocks}
        return torch.cat([answers[name] for name in self.outputs], dim=1)


def _is_speed(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.5 <= value <= 2.0
