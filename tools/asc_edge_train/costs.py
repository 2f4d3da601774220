"""What members cost on a device: parameters, bytes of their files, multiply-accumulates of a window."""

from __future__ import annotations

from typing import Any

from asc_edge_train.extractors import build_extractor
from asc_edge_train.models import build_network, multiply_accumulates, parameter_count
from asc_edge_train.networks import class_names
from asc_edge_train.recipe import MemberConfig
from asc_edge_train.run import Run

__all__ = ["member_cost", "summed_cost"]


def member_cost(run: Run, member: MemberConfig) -> dict[str, int | None]:
    """``parameters``, ``bytes`` and ``multiply_accumulates`` of a member; None where it isn't known.

    A trained member costs what all networks do that answer for a new clip: its repeats, and where the fold
    networks answer together, one of each fold. A frozen one has the bytes of its file, or those of its
    weights in 16 bits.
    """
    if not member.trained:
        size = build_extractor(member.extractor, run.options.weights).network_bytes
        return {"parameters": None, "bytes": size, "multiply_accumulates": None}
    config = run.recipe.front_ends[member.front_end]
    classes = len(class_names(run.recipe, member, run.clips))
    network = build_network(member.network, config.mels, classes, pretrained=False)
    frames = config.frames(round(run.recipe.window_s * config.sample_rate_hz))
    networks = member.repeats * (run.recipe.folds if member.final == "fold_mean" else 1)
    parameters = networks * parameter_count(network)
    return {
        "parameters": parameters,
        "bytes": (2 if member.half_precision else 4) * parameters,
        "multiply_accumulates": networks * multiply_accumulates(network, config.mels, frames),
    }


def summed_cost(costs: list[dict[str, Any]]) -> dict[str, int | None]:
    """Cost of members that run side by side; None as soon as one member's isn't known."""
    names = ("parameters", "bytes", "multiply_accumulates")
    return {
        name: None if any(cost[name] is None for cost in costs) else sum(cost[name] for cost in costs)
        for name in names
    }
