"""Timing side by side: in every round each contender runs for a few milliseconds, in an order that changes.

The clock is the process's own: time that the kernel gives to other processes doesn't count, all threads of
this one do. What is left of a disturbance (a cold cache, a slower clock, a neighbour on the same silicon)
only ever adds time, and mostly lasts longer than a round: so neighbours in a round share it, and the least
of many rounds is what the code itself needs. A ratio is taken twice, between the least times and as the
median of the ratios within each round. The first could profit from one lucky round, the second from a
disturbance that hits one contender harder; the smaller one is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 41
# For what is shown and not promised.
FEWER_ROUNDS = 15
ROUND_S = 0.008

clock = time.process_time


@dataclass(frozen=True)
class Timing:
    """Seconds a call of one contender, one value a round."""

    seconds: NDArray[np.float64]
    calls: int

    @property
    def least(self) -> float:
        """The least of all rounds."""
        return float(self.seconds.min())

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return float(np.median(self.seconds))


def ratio(slower: Timing, faster: Timing, scale: float = 1.0) -> float:
    """How many times as long `slower` takes as `faster`: the smaller of both ways, times `scale`."""
    within = float(np.median(slower.seconds / faster.seconds))
    return scale * min(slower.least / faster.least, within)


def least_time(run: Callable[[], object], budget_s: float = 0.06) -> float:
    """Least time of a few calls, for choosing among forms."""
    run()
    times = []
    end = clock() + budget_s
    while len(times) < 3 or clock() < end:
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def alternate(
    runs: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, round_s: float = ROUND_S
) -> dict[str, Timing]:
    """Time all of `runs` in turns.

    Each has one untimed call to warm up before its part of a round, unless a call is so long that it doesn't
    matter.
    """
    names = list(runs)
    once = {name: least_time(runs[name], 0.01) for name in names}
    calls = {name: max(1, round(round_s / once[name])) for name in names}
    seconds = {name: np.empty(rounds) for name in names}
    for index in range(rounds):
        shift = index % len(names)
        # Forwards and backwards, and begun elsewhere each time: nobody always follows the same neighbour.
        order = (names[shift:] + names[:shift])[:: 1 if index % 2 else -1]
        for name in order:
            run, count = runs[name], calls[name]
            if once[name] < round_s:
                run()
            start = clock()
            for _ in range(count):
                run()
            seconds[name][index] = (clock() - start) / count
    return {name: Timing(seconds[name], calls[name]) for name in names}
