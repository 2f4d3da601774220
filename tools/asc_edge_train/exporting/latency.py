"""What one decision's networks take on this machine, variant beside variant."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np

from asc_edge.engines import load_engine
from asc_edge_train.exporting.quiet import quietly

__all__ = ["measure_latency_ms"]

ROUNDS = 31
_WARM_UP = 3

Network = tuple[str, bytes, np.ndarray]


def measure_latency_ms(variants: Mapping[str, Sequence[Network]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median time of one pass through all networks of each variant, one window, one thread.

    Variants take turns, so that whatever else the machine does meets all of them alike.

    Parameters
    ----------
    variants : mapping
        Of each variant its networks: file name, bytes, and a window (1, 1, mels, frames).

    Returns
    -------
    dict of str to float
        Milliseconds.
    """
    with quietly():
        loaded = {
            name: [(load_engine(file_name, data), window) for file_name, data, window in networks]
            for name, networks in variants.items()
        }
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(-_WARM_UP, rounds):
        for name, networks in loaded.items():
            start = time.perf_counter()
            for engine, window in networks:
                engine.run(window)
            if turn >= 0:
                taken[name].append(1000.0 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in taken.items()}
