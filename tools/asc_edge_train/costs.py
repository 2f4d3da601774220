"""What members cost on a device: parameters, bytes of their files, multiply-accumulates of a window."""

from __future__ import annotations

from typing import Any

from asc_edge_train.extractors import build_extractor
from asc_edge_train.models import build_network, multiply_accumulates, parameter_count
from asc_edge_train.networks import class_names
from asc_edge_train.recipe import MemberConfig
from asc_edge_train.run import Run

__all__ = ["member_cost", "summed_cost"]

_FLOAT_BYTES = 4


def member_cost(run: Run, member: MemberConfig) -> dict[str, int | None]:
    """``parameters``, ``bytes`` and ``multiply_accumulates`` of a member; None where it isn't known.

    A trained network has the bytes of its parameters in single precision, a frozen one those of its file.
    """
    if not member.trained:
        path = getattr(build_extractor(member.extractor, run.options.weights), "path", None)
        size = path.stat().st_size if path is not None else None
        return {"parameters": None, "bytes": size, "multiply_accumulates": None}
    config = run.recipe.front_ends[member.front_end]
    classes = len(class_names(run.recipe, member, run.clips))
    network = build_network(member.network, config.mels, classes, pretrained=False)
    frames = config.frames(round(run.recipe.window_s * config.sample_rate_hz))
    parameters = parameter_count(network)
    return {
        "parameters": parameters,
        "bytes": _FLOAT_BYTES * parameters,
        "multiply_accumulates": multiply_accumulates(network, config.mels, frames),
    }


def summed_cost(costs: list[dict[str, Any]]) -> dict[str, int | None]:
    """Cost of members that run side by side; None as soon as one member's isn't known."""
    names = ("parameters", "bytes", "multiply_accumulates")
    return {
        name: None if any(cost[name] is None for cost in costs) else sum(cost[name] for cost in costs)
        for name in names
    }
