"""What a push costs before a single sample is computed: checks, the binding, an empty result."""

from __future__ import annotations

from typing import Any

import numpy as np

from asc_edge import LogMelStream

from .presets import PRESETS
from .rounds import alternate

CALLS = 2000
CHANNELS = 4


def measure() -> dict[str, Any]:
    """Least microseconds of a push of nothing, through the public class and straight into the core."""
    stream = LogMelStream(PRESETS["0.32/0.16"].config(), CHANNELS)
    empty = np.zeros((0, CHANNELS), np.float32)
    public, core = stream.push, stream._core.push

    def repeat_public() -> None:
        for _ in range(CALLS):
            public(empty)

    def repeat_core() -> None:
        for _ in range(CALLS):
            core(empty)

    timed = alternate({"public": repeat_public, "core": repeat_core}, rounds=15)
    return {
        "what": f"push of an array of shape (0, {CHANNELS})",
        "LogMelStream_push_us": timed["public"].least / CALLS * 1e6,
        "core_push_us": timed["core"].least / CALLS * 1e6,
    }
