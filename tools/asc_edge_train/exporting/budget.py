"""Budgets that a system is held to: bytes of weights, and multiply-accumulates a second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from asc_edge_train.exporting.gate import RefusedError
from asc_edge_train.models import StreamCnn, multiply_accumulates
from asc_edge_train.models.stream_cnn import stream_costs

__all__ = ["BUDGETS", "Budget", "BudgetError", "Cost", "network_cost", "over_budget", "total"]


class BudgetError(RefusedError):
    """A variant is larger, or takes more work, than it may."""


@dataclass(frozen=True)
class Budget:
    """What a system may cost.

    Attributes
    ----------
    weight_bytes : int
        Of all parameters, each in the type that it is stored in.
    operations_per_s : float
        Multiply-accumulates a second and channel.
    """

    weight_bytes: int
    operations_per_s: float


# DCASE challenge, task 1, low-complexity acoustic scene classification (2022 and 2023): 128 kB of parameters
# and 30 million multiply-accumulates for each second.
BUDGETS = {"dcase": Budget(weight_bytes=128_000, operations_per_s=30e6)}


@dataclass(frozen=True)
class Cost:
    """What networks cost: see `Budget`."""

    weight_bytes: int
    operations_per_s: float


def network_cost(
    network: nn.Module, *, mels: int, frames: int, hop_s: float, hop_frames: float, int8: bool, streamed: bool
) -> Cost:
    """What a network costs on the device.

    Parameters
    ----------
    frames : int
        Of a window.
    hop_s, hop_frames : float
        Between two decisions.
    int8 : bool
        Kernels and matrices take a byte a weight. Biases take four bytes each in any case.
    streamed : bool
        Old columns are kept, where the network has any.
    """
    shipped = network.for_device() if isinstance(network, StreamCnn) else network
    size = sum(
        parameter.numel() * (1 if int8 and parameter.dim() > 1 else 4) for parameter in shipped.parameters()
    )
    if streamed and isinstance(network, StreamCnn):
        operations = stream_costs(network, mels, frames, round(hop_frames))["hop"]
    else:
        operations = multiply_accumulates(network, mels, frames)
    return Cost(size, operations / hop_s)


def total(costs: Iterable[Cost]) -> Cost:
    """Cost of networks that run side by side."""
    all_costs = list(costs)
    return Cost(
        sum(cost.weight_bytes for cost in all_costs), sum(cost.operations_per_s for cost in all_costs)
    )


def over_budget(variant: str, cost: Cost, name: str) -> BudgetError | None:
    """The error that says in one line by how much a variant misses a budget, or None where it fits."""
    budget = BUDGETS[name]
    if cost.weight_bytes <= budget.weight_bytes and cost.operations_per_s <= budget.operations_per_s:
        return None
    return BudgetError(
        f"{variant} is over the budget {name}: {cost.weight_bytes / 1000:.1f} kB of weights (at most "
        f"{budget.weight_bytes / 1000:.0f}) and {cost.operations_per_s / 1e6:.1f} million "
        f"multiply-accumulates a second (at most {budget.operations_per_s / 1e6:.0f}); train fewer or "
        "narrower networks, or export 8-bit variants"
    )
