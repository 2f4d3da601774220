"""The paper's CRNN: convolution blocks, frequency collapsed, GRUs over time, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.models.blocks import conv_blocks, initialise, rows_left

__all__ = ["Crnn"]


class Crnn(nn.Module):
    """CRNN, paper section on convolutional recurrent networks.

    Parameters
    ----------
    mels, classes : int
        Size of the picture's frequency axis, and of the answer.
    filters, kernels, pools, strides
        One entry per block; pools and strides are (mels, frames).
    dropout, block_dropout : float
        Before the last layer, and after every block (the same by default, as in the paper).
    collapse : {"flatten", "mean"}
        What becomes of the rows that the last pool leaves of the frequency axis: they go into the GRU
        together with the filters, or their mean does. The same where the pools leave one row.
    gru_size, gru_layers, gru_bidirectional
        The recurrent part.
    gru_dropout : float, optional
        Between GRU layers; ``dropout`` by default.
    gru_answer : {"mean", "last"}
        Classify the mean of the last layer's answers over time, or its answer at the last step (for both
        directions, each at its own last step).
    initialiser : {"torch", "keras"}
        See `asc_edge_train.models.blocks.initialise`.
    **blocks
        Further fields of `asc_edge_train.models.blocks.conv_blocks`.

    Notes
    -----
    What has a field here, but for the kernels, the dropout and two GRUs of 256, is not given in the paper.
    The GRU is torch's: logistic gates, and the reset gate applied after the recurrent product. Keras before
    its version 2 had a hard sigmoid and applied the reset before; that one can't be had.

    The paper's network for DCASE2018 task 5, completed: ``filters = [64, 128, 256]``,
    ``kernels = [5, 4, 3]``, ``pools = [[2, 2], [2, 2], [32, 2]]``, ``dropout = 0.3``, ``gru_size = 256``,
    ``gru_layers = 2``, ``gru_answer = "last"``, ``initialiser = "keras"``, ``batch_norm = "keras"``. For
    DCASE2017 and ESC-50: ``filters = [64, 128, 256, 256]``, ``kernels = [3, 3, 3, 3]``,
    ``pools = [[2, 2], [2, 2], [2, 2], [16, 2]]``, with 1 for the last two pools over time where a clip has
    no more than 30 frames.
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
        collapse: str = "flatten",
        gru_size: int = 96,
        gru_layers: int = 1,
        gru_bidirectional: bool = False,
        gru_dropout: float | None = None,
        gru_answer: str = "mean",
        initialiser: str = "torch",
        **blocks: Any,
    ) -> None:
        super().__init__()
        rows = rows_left(mels, pools, strides)
        if gru_answer not in {"mean", "last", "mean_max"}:
            raise ConfigError(f"network crnn: gru_answer is mean, mean_max or last, not {gru_answer!r}")
        if collapse not in {"flatten", "mean"}:
            raise ConfigError(f"network crnn: collapse is flatten or mean, not {collapse!r}")
        self.blocks = conv_blocks(
            filters,
            kernels,
            pools,
            strides=strides,
            dropout=dropout if block_dropout is None else block_dropout,
            **blocks,
        )
        between = dropout if gru_dropout is None else gru_dropout
        self.gru = nn.GRU(
            filters[-1] * (rows if collapse == "flatten" else 1),
            gru_size,
            num_layers=gru_layers,
            batch_first=True,
            bidirectional=gru_bidirectional,
            dropout=between if gru_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        answers = gru_size * (2 if gru_bidirectional else 1) * (2 if gru_answer == "mean_max" else 1)
        self.classify = nn.Linear(answers, classes)
        self.collapse = collapse
        self.bidirectional = gru_bidirectional
        self.answer = gru_answer
        initialise(self, initialiser)

    def embed(self, picture: torch.Tensor) -> torch.Tensor:
        """What the GRU answers, (batch, gru_size or twice that), for pictures (batch, 1, mels, frames)."""
        maps = self.blocks(picture)
        if self.collapse == "mean":
            maps = maps.mean(dim=2, keepdim=True)
        steps = maps.permute(0, 3, 1, 2).flatten(2)
        output, last = self.gru(steps)
        if self.answer == "mean":
            return output.mean(dim=1)
        if self.answer == "mean_max":
            return torch.cat([output.mean(dim=1), output.amax(dim=1)], dim=1)
        return torch.cat([last[-2], last[-1]], dim=1) if self.bidirectional else output[:, -1]

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of pictures (batch, 1, mels, frames)."""
        return self.classify(self.dropout(self.embed(picture)))
