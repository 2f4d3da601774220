"""A decision whose networks keep what they computed of earlier hops, beside one that computes all anew.

Both hear the same stream, hop by hop, in turns, and must agree. What is timed is the decision, which is what
keeping columns changes: its members and the fusion, not the front end of the new samples.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge import Bundle, Decision, Pipeline
from asc_edge.bench import noise

from .inference import CHANNELS, TOLERANCE, bundle_paths
from .rounds import Timing, ratio

HOPS = 300
_WARM_UP = 10


class NothingKeptError(Exception):
    """No network of a bundle can be computed as the sound comes in, and why."""


@cache
def measure(path: Path) -> dict[str, Any]:
    """Times of a bundle's decisions for four microphones, and how far the two ways lie apart.

    Raises
    ------
    NothingKeptError
    """
    bundle = Bundle.open(path)
    rate, hop = bundle.sample_rate_hz, round(bundle.hop_s * bundle.sample_rate_hz)
    window = round(bundle.window_s * rate)
    kept, anew = (Pipeline(bundle, channels=CHANNELS, cache=cache) for cache in (True, False))
    reasons = [report.reason for report in kept.streams if not report.cached]
    if reasons or not kept.streams:
        raise NothingKeptError(f"{path.name}: {'; '.join(reasons) or 'its networks compute whole windows'}")
    sound = noise(CHANNELS, rate, (window + 16 * hop) / rate)
    for pipeline in (kept, anew):
        pipeline.push(sound[:window])
    seconds = np.empty((2, HOPS))
    worst = 0.0
    for number in range(-_WARM_UP, HOPS):
        position = window + number % 16 * hop
        block = sound[position : position + hop]
        # Neither always follows the other.
        pair = {kept: 0, anew: 1} if number % 2 else {anew: 1, kept: 0}
        decisions: dict[int, Decision] = {}
        for pipeline, place in pair.items():
            (decisions[place],) = pipeline.push(block)
            if number >= 0:
                seconds[place, number] = 1e-3 * decisions[place].latency_ms
        worst = max(worst, _difference(decisions[0], decisions[1]))
    assert worst <= TOLERANCE, f"{path.name}: what is kept gives posteriors that are off by {worst:.2g}"
    timings = [Timing(row, 1) for row in seconds]
    return {
        "bundle": path.name,
        "channels": CHANNELS,
        "kept_least_ms": 1e3 * timings[0].least,
        "kept_median_ms": 1e3 * timings[0].median,
        "anew_least_ms": 1e3 * timings[1].least,
        "anew_median_ms": 1e3 * timings[1].median,
        "times_as_long": ratio(timings[1], timings[0]),
        "worst_difference": worst,
    }


def rows() -> list[dict[str, Any]]:
    """One row for each bundle; ``why_not`` where nothing can be kept."""
    found: list[dict[str, Any]] = []
    for path in bundle_paths():
        try:
            found.append(measure(path))
        except NothingKeptError as error:
            found.append({"bundle": path.name, "why_not": str(error).split(": ", 1)[1]})
    return found


def times_as_long() -> float:
    """How many times as long a decision of the first bundle takes when it computes its window anew.

    Raises
    ------
    NothingKeptError
    """
    return float(measure(bundle_paths()[0])["times_as_long"])


def _difference(one: Decision, other: Decision) -> float:
    assert one.state == other.state == "ok"
    return max(abs(one.posterior[label] - other.posterior[label]) for label in one.posterior)
