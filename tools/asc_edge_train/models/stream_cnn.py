"""A CNN that can be computed as the sound comes in: a trunk without padding in time, and a head over columns.

Whatever is computed of a frame must stay true for as long as the frame is in the window. So the network is
fed levels, which know nothing of the window's maximum, and its trunk pads nothing in time, so that a column
knows nothing of where the window begins and ends. How loud the recording is doesn't matter all the same: each
kernel of the first layer sums to zero.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.models.blocks import BlockDropout, initialise
from asc_edge_train.models.cost import multiply_accumulates

__all__ = ["StreamCnn", "StreamHead", "StreamTrunk", "ZeroSumConv2d", "stream_costs"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU}
_ANSWERS = ("mean_max", "attention", "gru")
Pairs = Sequence[Sequence[int]]


class ZeroSumConv2d(nn.Conv2d):
    """Convolution whose kernels sum to zero, over rows that go on at the edges as they end.

    A level added to all cells, which is what a gain is in dB, changes no answer. Rows are padded by half a
    kernel, columns not at all.
    """

    def __init__(self, filters: int, kernel: Sequence[int], stride: Sequence[int]) -> None:
        rows, columns = kernel
        super().__init__(1, filters, (rows, columns), (stride[0], stride[1]), bias=False)
        self.edges = nn.ReplicationPad2d((0, 0, rows // 2, rows // 2))

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """Maps (batch, filters, rows, columns) of levels (batch, 1, mels, frames)."""
        return self._conv_forward(self.edges(levels), self.zero_sum_weight(), None)

    def zero_sum_weight(self) -> torch.Tensor:
        """The kernels as they are applied: less their mean."""
        return self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)

    def plain(self) -> nn.Sequential:
        """The same for inference: an ordinary convolution behind its padding."""
        filters, _, rows, columns = self.weight.shape
        plain = nn.Conv2d(1, filters, (rows, columns), self.stride, bias=False)  # type: ignore[arg-type]
        plain.weight = nn.Parameter(self.zero_sum_weight().detach().clone())
        return nn.Sequential(self.edges, plain).eval()


class StreamCnn(nn.Module):
    """Trunk of convolutions, valid in time, and a head over its columns.

    Parameters
    ----------
    mels, classes : int
        Size of the levels' frequency axis, and of the answer.
    filters, kernels, strides, pools
        One entry per block; the last three are (mels, frames). The product of all strides and pools in time
        is the number of frames between two columns. Kernels are odd along mels.
    separable : bool
        From the second block on, a convolution of each map by itself and one across maps: a fraction of the
        weights and of the cost.
    features : int
        Length of a column.
    dropout, block_dropout : float
        Before the last layer, and after every block.
    answer : {"mean_max", "attention", "gru"}
        What the head makes of the columns: their mean and maximum; a mean by weights that it learns, and the
        maximum; or the mean and maximum of what a GRU answers, which sees their order.
    gru_size : int
        Of the GRU.
    activation : {"relu", "elu", "silu"}
    initialiser : {"torch", "keras"}
        See `asc_edge_train.models.blocks.initialise`.

    Attributes
    ----------
    stride_frames : int
        Frames between two columns.
    context_frames : int
        Frames that a column shares with the one before: it depends on ``context_frames + stride_frames``.

    Notes
    -----
    Columns are counted from the window's end: its last frame is the last column's last one. What is left over
    at the window's start fills no column and is dropped. So columns of a window are those of the next one, a
    whole number of ``stride_frames`` later, and the trunk of a piece of the window gives the window's own.
    """

    def __init__(
        self,
        *,
        mels: int,
        classes: int,
        filters: Sequence[int] = (16, 32, 64, 160),
        kernels: Pairs = ((5, 5), (3, 3), (3, 2), (3, 1)),
        strides: Pairs = ((2, 2), (1, 1), (1, 1), (1, 1)),
        pools: Pairs = ((1, 1), (2, 5), (2, 1), (2, 1)),
        separable: bool = False,
        features: int = 128,
        dropout: float = 0.2,
        block_dropout: float | None = None,
        answer: str = "mean_max",
        gru_size: int = 64,
        activation: str = "relu",
        initialiser: str = "torch",
    ) -> None:
        super().__init__()
        _check(filters, kernels, strides, pools, answer=answer, activation=activation)
        self.stride_frames, receptive = _time_arithmetic(kernels, strides, pools)
        self.context_frames = receptive - self.stride_frames
        drop = dropout if block_dropout is None else block_dropout
        blocks: list[nn.Module] = []
        shapes = zip(pairwise([1, *filters]), kernels, strides, pools, strict=True)
        for number, ((before, after), kernel, stride, pool) in enumerate(shapes):
            blocks += _convolution(before, after, kernel, stride, first=number == 0, separable=separable)
            blocks += [nn.BatchNorm2d(after, eps=1e-3), _ACTIVATIONS[activation]()]
            if max(pool) > 1:
                blocks.append(nn.MaxPool2d((int(pool[0]), int(pool[1]))))
            blocks.append(BlockDropout(drop))
        rows = _rows_left(mels, kernels, strides, pools)
        collapse = nn.Conv2d(filters[-1], features, (rows, 1), bias=False)
        blocks += [collapse, nn.BatchNorm2d(features, eps=1e-3), _ACTIVATIONS[activation]()]
        self.blocks = nn.Sequential(*blocks)
        self.answer = answer
        self.features = features
        self.gru = nn.GRU(features, gru_size, batch_first=True) if answer == "gru" else None
        self.weigh = nn.Conv2d(features, features, (1, 1)) if answer == "attention" else None
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(2 * (gru_size if answer == "gru" else features), classes)
        initialise(self, initialiser)

    def columns_of(self, frames: int) -> int:
        """Columns of a window of so many frames."""
        return max(0, (frames - self.context_frames) // self.stride_frames)

    def trunk(self, levels: torch.Tensor) -> torch.Tensor:
        """Columns (batch, features, columns) of levels (batch, 1, mels, frames).

        Raises
        ------
        ConfigError
            When there are too few frames for one column.
        """
        frames = levels.shape[-1]
        if frames < self.context_frames + self.stride_frames:
            raise ConfigError(
                f"network stream_cnn: {frames} frames make no column: a column takes "
                f"{self.context_frames + self.stride_frames}"
            )
        left_over = (frames - self.context_frames) % self.stride_frames
        # Where nothing is left over, nothing is cut off, in an exported graph neither.
        return self.blocks(levels[..., left_over:] if left_over else levels).squeeze(2)

    def embed_columns(self, columns: torch.Tensor) -> torch.Tensor:
        """Embedding (batch, 2 * features or GRU size) of a window's columns (batch, features, columns)."""
        if self.gru is not None:
            columns = self.gru(columns.transpose(1, 2))[0].transpose(1, 2)
        if self.weigh is not None:
            weights = torch.softmax(self.weigh(columns[:, :, None])[:, :, 0], dim=2)
            mean = (weights * columns).sum(dim=2)
        else:
            mean = columns.mean(dim=2)
        return torch.cat([mean, columns.amax(dim=2)], dim=1)

    def head(self, columns: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of a window's columns (batch, features, columns)."""
        return self.classify(self.dropout(self.embed_columns(columns)))

    def embed(self, levels: torch.Tensor) -> torch.Tensor:
        """Embedding of levels (batch, 1, mels, frames)."""
        return self.embed_columns(self.trunk(levels))

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of levels (batch, 1, mels, frames)."""
        return self.head(self.trunk(levels))

    def for_device(self) -> StreamCnn:
        """The same network for inference alone, of ordinary layers: what is to be exported and quantised.

        Batch norms are folded into the convolutions in front of them, and kernels that sum to zero are kept
        so.
        """
        shipped = copy.deepcopy(self).eval()
        blocks: list[nn.Module] = []
        for block in shipped.blocks:
            if isinstance(block, BlockDropout):
                continue
            if isinstance(block, ZeroSumConv2d):
                blocks += block.plain()
            elif isinstance(block, nn.BatchNorm2d):
                blocks[-1] = torch.nn.utils.fuse_conv_bn_eval(blocks[-1], block)
            else:
                blocks.append(block)
        shipped.blocks = nn.Sequential(*blocks)
        return shipped.eval()


class StreamTrunk(nn.Module):
    """The trunk alone, as a module: to be exported, or counted."""

    def __init__(self, network: StreamCnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """Columns (batch, features, columns) of levels (batch, 1, mels, frames)."""
        return self.network.trunk(levels)


class StreamHead(nn.Module):
    """The head alone, as a member of its kind answers: posteriors or embeddings."""

    def __init__(self, network: StreamCnn, kind: str) -> None:
        super().__init__()
        self.network = network
        self.kind = kind

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        """Answers (batch, outputs) of a window's columns (batch, features, columns)."""
        if self.kind == "posterior":
            return torch.softmax(self.network.head(columns), dim=1)
        return self.network.embed_columns(columns)


def stream_costs(network: StreamCnn, mels: int, window_frames: int, hop_frames: int) -> dict[str, float]:
    """Multiply-accumulates of a decision: of the whole window, and with the columns of old frames kept.

    Returns
    -------
    dict
        ``window``, ``hop``, ``head`` (a part of both), and their ratio ``saving``.
    """
    trunk = StreamTrunk(network)
    window = multiply_accumulates(network, mels, window_frames)
    head = window - multiply_accumulates(trunk, mels, window_frames)
    hop = multiply_accumulates(trunk, mels, hop_frames + network.context_frames) + head
    return {"window": window, "hop": hop, "head": head, "saving": window / hop}


def _convolution(
    before: int, after: int, kernel: Sequence[int], stride: Sequence[int], *, first: bool, separable: bool
) -> list[nn.Module]:
    """Convolution that keeps the rows but for its stride, and pads no columns."""
    rows, columns = int(kernel[0]), int(kernel[1])
    step, edges = (int(stride[0]), int(stride[1])), (rows // 2, 0)
    if first:
        return [ZeroSumConv2d(after, (rows, columns), step)]
    if not separable:
        return [nn.Conv2d(before, after, (rows, columns), step, edges, bias=False)]
    by_map = nn.Conv2d(before, before, (rows, columns), step, edges, groups=before, bias=False)
    across = nn.Conv2d(before, after, 1, bias=False)
    return [by_map, nn.BatchNorm2d(before, eps=1e-3), nn.ReLU(), across]


def _time_arithmetic(kernels: Pairs, strides: Pairs, pools: Pairs) -> tuple[int, int]:
    """Frames between two columns, and frames under a column."""
    step, receptive = 1, 1
    for kernel, stride, pool in zip(kernels, strides, pools, strict=True):
        receptive += (int(kernel[1]) - 1) * step
        step *= int(stride[1])
        receptive += (int(pool[1]) - 1) * step
        step *= int(pool[1])
    return step, receptive


def _rows_left(mels: int, kernels: Pairs, strides: Pairs, pools: Pairs) -> int:
    rows = mels
    for kernel, stride, pool in zip(kernels, strides, pools, strict=True):
        rows = ((rows + 2 * (int(kernel[0]) // 2) - int(kernel[0])) // int(stride[0]) + 1) // int(pool[0])
    if rows < 1:
        raise ConfigError(f"network stream_cnn: pools and strides leave nothing of {mels} mel bands")
    return rows


def _check(
    filters: Sequence[int], kernels: Pairs, strides: Pairs, pools: Pairs, *, answer: str, activation: str
) -> None:
    where = "network stream_cnn"
    if not len(filters) == len(kernels) == len(strides) == len(pools) >= 1:
        raise ConfigError(f"{where}: filters, kernels, strides and pools must be of one length")
    pairs = [pair for table in (kernels, strides, pools) for pair in table]
    if not all(isinstance(pair, Sequence) and len(pair) == 2 and min(pair) >= 1 for pair in pairs):
        raise ConfigError(f"{where}: kernels, strides and pools are pairs (mels, frames), 1 or more")
    if any(kernel[0] % 2 == 0 for kernel in kernels):
        raise ConfigError(f"{where}: kernels must be odd along mels")
    if math.prod(kernels[0]) == 1:
        raise ConfigError(f"{where}: a first kernel of one cell that sums to zero is nothing")
    if answer not in _ANSWERS:
        raise ConfigError(f"{where}: answer is one of {', '.join(_ANSWERS)}, not {answer!r}")
    if activation not in _ACTIVATIONS:
        raise ConfigError(f"{where}: activation is one of {', '.join(_ACTIVATIONS)}, not {activation!r}")
