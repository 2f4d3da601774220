"""The paper's CRNN: convolution blocks, frequency collapsed, GRUs over time, softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.models.blocks import conv_blocks, rows_left

__all__ = ["Crnn"]


class Crnn(nn.Module):
    """CRNN, paper section on convolutional recurrent networks.

    Parameters
    ----------
    mels, classes : int
        Size of the picture's frequency axis, and of the answer.
    filters, kernels, pools, strides
        One entry per block; pools and strides are (mels, frames). What is left of the frequency axis after
        the last pool goes into the GRU together with the filters.
    dropout, block_dropout : float
        Before the last layer, and after every block (the same by default, as in the paper).
    gru_size, gru_layers, gru_bidirectional
        The recurrent part.
    gru_answer : {"mean", "last"}
        Classify the mean of the last layer's answers over time, or its answer at the last step (for both
        directions, each at its own last step).

    Notes
    -----
    Filter counts, pooling of the first blocks, the GRU's direction and which of its answers is taken are not
    given in the paper, so they are fields of the recipe.
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
        dropout: float = 0.3,
        block_dropout: float | None = None,
        gru_size: int = 96,
        gru_layers: int = 1,
        gru_bidirectional: bool = False,
        gru_answer: str = "mean",
    ) -> None:
        super().__init__()
        rows = rows_left(mels, pools, strides)
        if gru_answer not in {"mean", "last"}:
            raise ConfigError(f"network crnn: gru_answer is mean or last, not {gru_answer!r}")
        self.blocks = conv_blocks(
            filters,
            kernels,
            pools,
            strides=strides,
            dropout=dropout if block_dropout is None else block_dropout,
        )
        self.gru = nn.GRU(
            rows * filters[-1],
            gru_size,
            num_layers=gru_layers,
            batch_first=True,
            bidirectional=gru_bidirectional,
            dropout=dropout if gru_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(gru_size * (2 if gru_bidirectional else 1), classes)
        self.bidirectional = gru_bidirectional
        self.answer = gru_answer

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of pictures (batch, 1, mels, frames)."""
        maps = self.blocks(picture)
        steps = maps.permute(0, 3, 1, 2).flatten(2)
        output, last = self.gru(steps)
        if self.answer == "mean":
            state = output.mean(dim=1)
        else:
            state = torch.cat([last[-2], last[-1]], dim=1) if self.bidirectional else output[:, -1]
        return self.classify(self.dropout(state))
