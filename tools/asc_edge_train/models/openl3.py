"""OpenL3's audio network (Cramer et al. 2019) for mel spectrograms, for its published Keras weights."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge_train.models.keras_files import convolution_kernel, read_layers
from asc_edge_train.models.weights import load_state

__all__ = ["OPENL3_MELS", "OPENL3_SIZES", "OpenL3Audio", "openl3_front_end"]

OPENL3_MELS = (128, 256)
# Size of an embedding: rows and frames of the grid that the last maps are pooled to.
OPENL3_SIZES = {6144: (4, 3), 512: (1, 1)}
_CHANNELS = (64, 128, 256, 512)
_FRAMES = 24
# Keras's names of what a layer holds, ours, and in this order in both frameworks' norms.
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def openl3_front_end(mels: int) -> LogMelConfig:
    """Front end of a window of a second with 982 zeros before and after it: 199 frames.

    A cell is ``10 log10(sqrt(bank @ power))``, without a floor; the network's scale is relative to each
    window's loudest cell and ends 80 below it.
    """
    return LogMelConfig(
        sample_rate_hz=48000,
        window_s=2048 / 48000,
        hop_s=242 / 48000,
        mels=mels,
        mel_norm="area",
        remove_mean=False,
        full_scale=False,
        level="natural_log",
        log_offset=1e-30,
        scale=5 / math.log(10),
    )


class OpenL3Audio(nn.Module):
    """Eight convolutions, batch norms before and between them, and a grid of maxima as the embedding.

    Parameters
    ----------
    mels
        128 or 256.
    size
        Of the embedding: 6144 or 512.
    """

    def __init__(self, *, mels: int = 256, size: int = 6144) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm2d(1, eps=1e-3)]
        # A first convolution from the spectrogram, then two for every number of channels.
        widths = [1, *(width for width in _CHANNELS for _ in range(2))]
        for number, (before, after) in enumerate(pairwise(widths), 1):
            layers.append(nn.Conv2d(before, after, 3, padding=1))
            if number == 2 * len(_CHANNELS):
                break
            layers += [nn.BatchNorm2d(after, eps=1e-3), nn.ReLU()]
            if number % 2 == 0:
                layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)
        rows, frames = OPENL3_SIZES[size]
        self.pool = (mels // 8 // rows, _FRAMES // frames)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def embed(self, frames: torch.Tensor) -> torch.Tensor:
        """Embedding (batch, size) of cells (batch, 1, mels, 199) from -80 to 0."""
        maps = functional.max_pool2d(self.layers(frames), self.pool)
        # Keras has the channels last, and so has the published embedding.
        return maps.permute(0, 2, 3, 1).flatten(1)

    forward = embed

    def load_keras(self, path: Path) -> None:
        """Load the published weights; what they hold of the spectrogram's own layers is passed over.

        No published file was at hand when this was written: order and names are those of the published
        network's definition, and whatever doesn't fit them is refused.

        Raises
        ------
        ConfigError
            When the file is damaged or of another network.
        """
        ours = [name for name, module in self.layers.named_children() if list(module.parameters())]
        theirs = [
            {name.split("/")[-1].split(":")[0]: value for name, value in arrays.items()}
            for layer, arrays in read_layers(path).items()
            if "spectrogram" not in layer
        ]
        if len(theirs) != len(ours):
            raise ConfigError(f"{path}: has {len(theirs)} layers, and openl3's audio network has {len(ours)}")
        state: dict[str, torch.Tensor] = {}
        for place, arrays in zip(ours, theirs, strict=True):
            for name, value in arrays.items():
                if name == "kernel" and value.ndim == 4:
                    state[f"layers.{place}.weight"] = convolution_kernel(value)
                else:
                    state[f"layers.{place}.{_NORM.get(name, name)}"] = torch.from_numpy(value)
            if "gamma" in arrays:
                # PyTorch counts batches, which Keras doesn't.
                state[f"layers.{place}.num_batches_tracked"] = torch.tensor(0)
        load_state(self, state, path)
