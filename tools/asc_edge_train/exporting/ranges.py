"""Ranges of the values inside a network, as they were seen on examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from asc_edge_train.exporting.sessions import onnx_session

__all__ = ["Ranges", "SeenRanges", "collect_ranges"]

Ranges = Mapping[str, tuple[float, float]]

_BINS = 4096
_EXAMPLES_AT_A_TIME = 8


@dataclass(frozen=True)
class SeenRanges:
    """Histograms of values, each over the range from the lowest to the highest that was seen.

    Attributes
    ----------
    borrowed : dict
        Whose range each value has.
    """

    borrowed: dict[str, str]
    limits: dict[str, tuple[float, float]]
    counts: dict[str, np.ndarray]

    def at(self, percent: float) -> Ranges:
        """Range of every value that holds so many percent of what was seen, as much cut at either end."""
        return {name: self._range(owner, percent) for name, owner in self.borrowed.items()}

    def _range(self, name: str, percent: float) -> tuple[float, float]:
        low, high = self.limits[name]
        if percent >= 100.0 or high <= low:
            return low, high
        share = np.cumsum(self.counts[name]) / np.sum(self.counts[name])
        cut = (1.0 - percent / 100.0) / 2.0
        edges = np.linspace(low, high, _BINS + 1)
        first = int(np.searchsorted(share, cut, side="right"))
        last = int(np.searchsorted(share, 1.0 - cut, side="left"))
        return float(edges[first]), float(edges[min(last + 1, _BINS)])


def collect_ranges(
    tapped: Callable[[list[str]], bytes], borrowed: dict[str, str], examples: np.ndarray
) -> SeenRanges:
    """Look at values of a network while it answers for examples.

    Parameters
    ----------
    tapped : callable
        From names of values to the model that gives them.
    borrowed : dict
        Names of the values, and whose range each has.
    """
    names = sorted(set(borrowed.values()))
    session = onnx_session(tapped(names))
    feed = session.get_inputs()[0].name
    pieces = [
        examples[start : start + _EXAMPLES_AT_A_TIME]
        for start in range(0, len(examples), _EXAMPLES_AT_A_TIME)
    ]
    limits = dict.fromkeys(names, (np.inf, -np.inf))
    for piece in pieces:
        for name, value in zip(names, session.run(None, {feed: piece}), strict=True):
            low, high = limits[name]
            limits[name] = (min(low, float(value.min())), max(high, float(value.max())))
    counts = {name: np.zeros(_BINS, dtype=np.int64) for name in names}
    for piece in pieces:
        for name, value in zip(names, session.run(None, {feed: piece}), strict=True):
            if limits[name][1] > limits[name][0]:
                counts[name] += np.histogram(value, bins=_BINS, range=limits[name])[0]
    return SeenRanges(borrowed, limits, counts)
