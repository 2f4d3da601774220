"""The convolution block that both networks are built of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from asc_edge.errors import ConfigError

__all__ = ["conv_blocks", "rows_left"]


def conv_blocks(
    filters: Sequence[int],
    kernels: Sequence[int],
    pools: Sequence[Sequence[int]],
    *,
    strides: Sequence[Sequence[int]] | None = None,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Blocks of convolution, batch norm on the channel axis, ELU, max-pool (mels, frames) and dropout.

    Paper sections on the CRNN; filter counts and the pooling of the first blocks are not in the paper. Batch
    norm has Keras's epsilon, as the paper's framework does. A stride in the first block, in place of its
    pool, halves the cost of training: its maps are the largest by far.
    """
    strides = strides or [(1, 1)] * len(filters)
    if not len(filters) == len(kernels) == len(pools) == len(strides):
        raise ConfigError("network: filters, kernels, pools and strides must be of one length")
    blocks: list[nn.Module] = []
    shapes = zip(pairwise([1, *filters]), kernels, pools, strides, strict=True)
    for (before, after), kernel, pool, stride in shapes:
        if kernel % 2 == 0:
            # An even kernel has no centre: one row less before than after, as Keras's "same" padding does.
            blocks.append(nn.ZeroPad2d((kernel // 2 - 1, kernel // 2, kernel // 2 - 1, kernel // 2)))
        padding = kernel // 2 if kernel % 2 else 0
        blocks += [
            nn.Conv2d(before, after, kernel, (int(stride[0]), int(stride[1])), padding, bias=False),
            nn.BatchNorm2d(after, eps=1e-3),
            nn.ELU(),
        ]
        if max(pool) > 1:
            blocks.append(nn.MaxPool2d((int(pool[0]), int(pool[1]))))
        if dropout > 0:
            blocks.append(nn.Dropout(dropout))
    return nn.Sequential(*blocks)


def rows_left(mels: int, pools: Sequence[Sequence[int]], strides: Sequence[Sequence[int]] | None) -> int:
    """Rows of the frequency axis after all blocks.

    Raises
    ------
    ConfigError
        When nothing is left.
    """
    if strides is not None and len(strides) != len(pools):
        raise ConfigError("network: filters, kernels, pools and strides must be of one length")
    rows = mels
    for pool, stride in zip(pools, strides or [(1, 1)] * len(pools), strict=True):
        rows = -(-rows // int(stride[0])) // int(pool[0])
    if rows < 1:
        raise ConfigError(f"network: pools and strides leave nothing of {mels} mel bands")
    return rows
