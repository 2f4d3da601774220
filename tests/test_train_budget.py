"""Budgets: what a system costs, counted by hand, and what is over."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asc_edge_train.exporting.budget import Cost, network_cost, over_budget, total
from asc_edge_train.models import StreamCnn

MELS, FRAMES = 8, 20


class Small(nn.Module):
    """A convolution of 4 filters, 3 by 3, padded, and a matrix from 4 to 3."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(1, 4, 3, padding=1)
        self.classify = nn.Linear(4, 3)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.classify(self.convolve(picture).mean(dim=(2, 3)))


def cost(network: nn.Module, *, int8: bool = False, hop_frames: float = 0.0) -> Cost:
    return network_cost(network, (1, MELS, FRAMES), hop_s=0.5, int8=int8, hop_frames=hop_frames)


# Catches: biases of a byte, work of a window taken for that of a second.
def test_cost_of_a_network_is_that_by_hand() -> None:
    weights, biases = 4 * 9 + 4 * 3, 4 + 3
    operations = 4 * 9 * MELS * FRAMES + 4 * 3
    assert cost(Small()) == Cost(4 * (weights + biases), operations / 0.5)
    assert cost(Small(), int8=True) == Cost(weights + 4 * biases, operations / 0.5)
    assert total([cost(Small()), cost(Small())]) == Cost(8 * (weights + biases), 2 * operations / 0.5)


# Catches: the whole window's work where columns are kept, and the hop's where they aren't.
def test_kept_columns_are_not_counted_again() -> None:
    network = StreamCnn(
        mels=MELS,
        classes=3,
        filters=[4, 4],
        kernels=[[3, 3], [3, 1]],
        strides=[[2, 2], [1, 1]],
        pools=[[1, 1], [2, 1]],
        features=4,
    )
    whole, kept = cost(network), cost(network, hop_frames=6.0)
    assert kept.operations_per_s < whole.operations_per_s / 2
    assert kept.weight_bytes == whole.weight_bytes
    assert cost(Small(), hop_frames=6.0) == cost(Small())


# Catches: a budget of which one half is enough.
@pytest.mark.parametrize(
    ("found", "fits"),
    [
        (Cost(128_000, 30e6), True),
        (Cost(128_001, 1.0), False),
        (Cost(1, 30.1e6), False),
    ],
)
def test_both_halves_of_a_budget_must_fit(found: Cost, fits: bool) -> None:
    error = over_budget("onnx-int8", found, "dcase")
    assert (error is None) == fits
    if error is not None:
        assert str(error).startswith("onnx-int8 is over the budget dcase: ")
        assert "\n" not in str(error)
