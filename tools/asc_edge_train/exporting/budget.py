"""Budgets that a system is held to: bytes of weights, and multiply-accumulates a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from asc_edge_train.exporting.gate import RefusedError
from asc_edge_train.features import open_features
from asc_edge_train.frozen import FrozenTask, ShippedTask
from asc_edge_train.models import StreamCnn
from asc_edge_train.models.cost import operation_count
from asc_edge_train.models.stream_cnn import stream_costs
from asc_edge_train.networks import load_network
from asc_edge_train.recipe import Recipe

__all__ = ["BUDGETS", "Budget", "BudgetError", "Cost", "network_cost", "over_budget", "task_cost", "total"]


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


def task_cost(recipe: Recipe, task: ShippedTask, *, int8: bool, streamed: bool) -> Cost:
    """What a run's network costs on the device: see `network_cost`."""
    if isinstance(task, FrozenTask):
        return network_cost(task.module(), task.shape, hop_s=recipe.hop_s, int8=int8)
    front_end = recipe.front_ends[task.member.front_end]
    shape = (1, *open_features(task.features).shape[2:])
    hop_frames = recipe.hop_s / front_end.hop_s if streamed else 0.0
    network = load_network(task, front_end.mels)
    return network_cost(network, shape, hop_s=recipe.hop_s, int8=int8, hop_frames=hop_frames)


def network_cost(
    network: nn.Module, shape: Sequence[int], *, hop_s: float, int8: bool, hop_frames: float = 0.0
) -> Cost:
    """What a network costs on the device.

    Parameters
    ----------
    shape : sequence of int
        Of what it is fed for one window and channel: (1, mels, frames), or an image's.
    hop_s : float
        Between two decisions.
    int8 : bool
        Kernels and matrices take a byte a weight. Biases take four bytes each in any case.
    hop_frames : float
        Where old columns are kept, frames between two decisions; 0 where they aren't.
    """
    shipped = network.for_device() if isinstance(network, StreamCnn) else network
    size = sum(
        parameter.numel() * (1 if int8 and parameter.dim() > 1 else 4) for parameter in shipped.parameters()
    )
    if isinstance(network, StreamCnn) and hop_frames:
        _, mels, frames = shape
        operations = stream_costs(network, mels, frames, round(hop_frames))["hop"]
    else:
        operations = operation_count(network, shape)
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
