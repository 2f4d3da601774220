"""A small CNN whose pooled last maps are an embedding for linear SVMs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from asc_edge_train.models.blocks import conv_blocks, initialise, rows_left

__all__ = ["EmbeddingCnn"]


class EmbeddingCnn(nn.Module):
    """Convolution blocks, then mean and maximum of every map: an embedding of twice the last filters.

    Trained on fine classes as a pretext, so that the embedding knows more than the labels it is used for.
    Takes the place of the paper's image networks (section on deep spectrum features), which don't fit a
    device this small. Fields beyond those named are of `asc_edge_train.models.blocks.conv_blocks`.
    """

    def __init__(
        self,
        *,
        mels: int,
        classes: int,
        filters: Sequence[int],
        kernels: Sequence[int],
        pools: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]] | None = None,
        dropout: float = 0.2,
        block_dropout: float | None = None,
        initialiser: str = "torch",
        **blocks: Any,
    ) -> None:
        super().__init__()
        rows_left(mels, pools, strides)
        self.blocks = conv_blocks(
            filters,
            kernels,
            pools,
            strides=strides,
            dropout=dropout if block_dropout is None else block_dropout,
            **blocks,
        )
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(2 * filters[-1], classes)
        initialise(self, initialiser)

    def embed(self, picture: torch.Tensor) -> torch.Tensor:
        """Embedding (batch, 2 * last filters) of pictures (batch, 1, mels, frames)."""
        maps = self.blocks(picture)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        return self.classify(self.dropout(self.embed(picture)))
