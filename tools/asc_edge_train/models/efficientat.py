"""EfficientAT's MobileNets (Schmid, Koutini, Widmer 2023), for their published AudioSet checkpoints.

A MobileNetV3-large trunk (Howard et al. 2019, table 1) of a chosen width, with squeeze-and-excitation on
channels, global mean, and a head of two layers. The names of the state dict are those of torchvision's
MobileNetV3, which the published checkpoints have too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from asc_edge.errors import ConfigError

__all__ = ["EfficientAtMn"]

_HEAD_WEIGHT, _HEAD_BIAS = "classifier.5.weight", "classifier.5.bias"


class _Block(NamedTuple):
    """A row of MobileNetV3-large's table, at width 1."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    hard_swish: bool
    stride: int


_STEM, _LAST = 16, 1280
_TRUNK = (
    _Block(3, 16, 16, False, False, 1),
    _Block(3, 64, 24, False, False, 2),
    _Block(3, 72, 24, False, False, 1),
    _Block(5, 72, 40, True, False, 2),
    _Block(5, 120, 40, True, False, 1),
    _Block(5, 120, 40, True, False, 1),
    _Block(3, 240, 80, False, True, 2),
    _Block(3, 200, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 480, 112, True, True, 1),
    _Block(3, 672, 112, True, True, 1),
    _Block(5, 672, 160, True, True, 2),
    _Block(5, 960, 160, True, True, 1),
    _Block(5, 960, 160, True, True, 1),
)


def _to_eights(channels: float) -> int:
    """Nearest multiple of 8, at least 8 and never more than a tenth below: MobileNet's rule for widths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv_norm(
    before: int,
    after: int,
    kernel: int,
    activation: type[nn.Module] | None,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([activation(inplace=True)] if activation else []))  # type: ignore[call-arg]


class _ChannelGate(nn.Module):
    """Squeeze-and-excitation with linear layers and a plain sigmoid, where torchvision has a hard one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _to_eights(channels // 4)
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        gate = torch.sigmoid(self.fc2(torch.relu(self.fc1(maps.mean(dim=(2, 3))))))
        return maps * gate[:, :, None, None]


class _Gates(nn.Module):
    """The published networks can gate on several axes at once; the mn family does on channels only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_ChannelGate(channels)])

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        gated: torch.Tensor = self.conc_se_layers[0](maps)
        return gated


class _InvertedResidual(nn.Module):
    def __init__(self, before: int, row: _Block, width: float) -> None:
        super().__init__()
        expanded, out = _to_eights(row.expanded * width), _to_eights(row.out * width)
        activation = nn.Hardswish if row.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != before:
            layers.append(_conv_norm(before, expanded, 1, activation))
        layers.append(
            _conv_norm(expanded, expanded, row.kernel, activation, stride=row.stride, groups=expanded)
        )
        if row.squeeze:
            layers.append(_Gates(expanded))
        layers.append(_conv_norm(expanded, out, 1, None))
        self.block = nn.Sequential(*layers)
        self.residual = row.stride == 1 and before == out

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.block(maps)
        return maps + result if self.residual else result


class EfficientAtMn(nn.Module):
    """Network of the mn family, for frames of `asc_edge.presets.EFFICIENTAT_MN` (128 bands at 32 kHz).

    Any length of at least a frame goes in: the published networks were trained on 10 s. A new one has
    torchvision's initialisation; `models.weights.load_published` gives it AudioSet's weights.

    Parameters
    ----------
    mels
        Bands of the input; the published weights were trained with 128.
    classes
        Outputs of the head, 527 in the published networks.
    width
        Factor of all channel counts, 0.4 for mn04.
    dropout
        Before the last layer, in training only.
    """

    def __init__(self, *, mels: int, classes: int, width: float = 0.4, dropout: float = 0.2) -> None:
        super().__init__()
        if not 0 < width <= 4:
            raise ConfigError(f"network efficientat_mn: width is {width}: give a number above 0, up to 4")
        self.mels = mels
        channels = _to_eights(_STEM * width)
        layers: list[nn.Module] = [_conv_norm(1, channels, 3, nn.Hardswish, stride=2)]
        for row in _TRUNK:
            layers.append(_InvertedResidual(channels, row, width))
            channels = _to_eights(row.out * width)
        self.embedding_size = 6 * channels
        layers.append(_conv_norm(channels, self.embedding_size, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)
        last = _to_eights(_LAST * width)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.embedding_size, last),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(last, classes),
        )
        self.apply(_initialise)

    def embed(self, frames: torch.Tensor) -> torch.Tensor:
        """Embedding (batch, 6 * last channels), 384 for mn04, of frames (batch, 1, mels, frames)."""
        maps: torch.Tensor = self.features(frames)
        return maps.mean(dim=(2, 3))

    def embed_blocks(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedding, and the pooled maps of all blocks in front of it (batch, 512 for mn04) side by side.

        Earlier maps know of pitch and timbre what the last ones have given up for AudioSet's classes
        (Schmid et al. 2023, "Low-complexity audio embedding extractors", section on mid-level features).
        """
        pooled = []
        maps = frames
        for layer in self.features:
            maps = layer(maps)
            pooled.append(maps.mean(dim=(2, 3)))
        return pooled[-1], torch.cat(pooled[:-1], dim=1)

    def classify(self, embedding: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of embeddings."""
        logits: torch.Tensor = self.classifier[2:](embedding)
        return logits

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of frames (batch, 1, mels, frames)."""
        return self.classify(self.embed(frames))

    def published_state(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A published state dict as this network takes it: other classes have a last layer of their own."""
        state, own = dict(state), self.state_dict()
        if state.get(_HEAD_WEIGHT, own[_HEAD_WEIGHT]).shape != own[_HEAD_WEIGHT].shape:
            state[_HEAD_WEIGHT], state[_HEAD_BIAS] = own[_HEAD_WEIGHT], own[_HEAD_BIAS]
        return state


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
