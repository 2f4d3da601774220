"""PANNs' CNN14 (Kong et al. 2020), for the published AudioSet checkpoints.

The names of the state dict are the published ones. What a checkpoint has of its own front end isn't loaded
but compared with ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig, mel_filter_bank

__all__ = ["PANN_FRONT_ENDS", "PannCnn14"]

_CHANNELS = (1, 64, 128, 256, 512, 1024, 2048)
_FRONT_END = "spectrogram_extractor.", "logmel_extractor."
_BANK = "logmel_extractor.melW"
# A bank of another mel scale, norm or range differs by whole weights; rounding by parts of 1e-6.
_BANK_TOLERANCE = 1e-4


def _front_end(sample_rate_hz: int, fmax_hz: float) -> LogMelConfig:
    return LogMelConfig(
        sample_rate_hz=sample_rate_hz,
        window_s=0.032,
        hop_s=0.01,
        mels=64,
        mel_scale="slaney",
        mel_norm="area",
        fmin_hz=50.0,
        fmax_hz=fmax_hz,
        remove_mean=False,
        centred=True,
        full_scale=False,
    )


PANN_FRONT_ENDS = {32000: _front_end(32000, 14000.0), 16000: _front_end(16000, 8000.0)}
"""Front ends of the checkpoints by sample rate; what is below -100 dB has to be raised to it."""


class _ConvBlock(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.bn1(self.conv1(maps)))
        return torch.relu(self.bn2(self.conv2(maps)))


class PannCnn14(nn.Module):
    """CNN14, 81 million parameters, for frames of `PANN_FRONT_ENDS`; at least 32 of them.

    Parameters
    ----------
    sample_rate_hz
        32000 or 16000: whose checkpoint `published_state` takes.
    """

    embedding_size = 2048

    def __init__(self, *, sample_rate_hz: int = 32000, classes: int = 527) -> None:
        super().__init__()
        self.front_end = PANN_FRONT_ENDS[sample_rate_hz]
        self.bn0 = nn.BatchNorm2d(self.front_end.mels)
        for number, (before, after) in enumerate(pairwise(_CHANNELS), 1):
            self.add_module(f"conv_block{number}", _ConvBlock(before, after))
        self.fc1 = nn.Linear(_CHANNELS[-1], self.embedding_size)
        self.fc_audioset = nn.Linear(self.embedding_size, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def embed(self, frames: torch.Tensor) -> torch.Tensor:
        """Embedding (batch, 2048) of frames (batch, 1, mels, frames) in dB."""
        # The published network has time before mel, and its first norm on the mel axis.
        maps = self.bn0(frames.transpose(1, 2)).permute(0, 2, 3, 1)
        for number in range(1, len(_CHANNELS)):
            maps = self.get_submodule(f"conv_block{number}")(maps)
            if number < len(_CHANNELS) - 1:
                maps = functional.avg_pool2d(maps, 2)
        over_time = maps.mean(dim=3)
        return torch.relu(self.fc1(over_time.amax(dim=2) + over_time.mean(dim=2)))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of frames (batch, 1, mels, frames) in dB."""
        logits: torch.Tensor = self.fc_audioset(self.embed(frames))
        return logits

    def published_state(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A published state dict as this network takes it.

        Raises
        ------
        ConfigError
            When it was trained with another mel bank than our front end's, for instance at the other rate.
        """
        bank = torch.from_numpy(mel_filter_bank(self.front_end).T).float()
        theirs = state.get(_BANK, bank)
        if theirs.shape != bank.shape or not torch.allclose(theirs, bank, rtol=0, atol=_BANK_TOLERANCE):
            raise ConfigError(
                f"has another mel bank than CNN14 at {self.front_end.sample_rate_hz} Hz; choose the "
                "sample_rate_hz that it was trained at"
            )
        return {name: value for name, value in state.items() if not name.startswith(_FRONT_END)}
