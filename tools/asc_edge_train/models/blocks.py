"""The convolution block that both networks are built of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from asc_edge.errors import ConfigError

__all__ = ["conv_blocks"]


def conv_blocks(
    filters: Sequence[int], kernels: Sequence[int], pools: Sequence[Sequence[int]], dropout: float
) -> nn.Sequential:
    """Blocks of convolution, batch norm on the channel axis, ELU, max-pool (mels, frames) and dropout.

    Paper sections on the CRNN; filter counts and the pooling of the first blocks are not in the paper. Batch
    norm has Keras's momentum and epsilon, as the paper's framework does.
    """
    if not len(filters) == len(kernels) == len(pools):
        raise ConfigError("network: filters, kernels and pools must be of one length")
    blocks: list[nn.Module] = []
    for (before, after), kernel, pool in zip(pairwise([1, *filters]), kernels, pools, strict=True):
        if kernel % 2 == 0:
            # An even kernel has no centre: one row less before than after, as Keras's "same" padding does.
            blocks.append(nn.ZeroPad2d((kernel // 2 - 1, kernel // 2, kernel // 2 - 1, kernel // 2)))
        blocks += [
            nn.Conv2d(before, after, kernel, padding=kernel // 2 if kernel % 2 else 0, bias=False),
            nn.BatchNorm2d(after, eps=1e-3, momentum=0.1),
            nn.ELU(),
        ]
        if max(pool) > 1:
            blocks.append(nn.MaxPool2d((int(pool[0]), int(pool[1]))))
        blocks.append(nn.Dropout(dropout))
    return nn.Sequential(*blocks)
