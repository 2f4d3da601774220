"""Figures of answers to array recordings: by array, distance and reverberation time, with a bad channel."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asc_edge_train.figures import bootstrap_interval, clip_score, group_numbers, paired_difference

__all__ = ["FOUR", "Answered", "array_tables"]

_METRIC = "macro_f1"
# Arrays of four microphones together: what the promises are about.
FOUR = "four microphones"
# Edges of reverberation times, in seconds, between dry, furnished and bare rooms.
_RT60_EDGES_S = (0.35, 0.6)
_DISTANCE_EDGES_M = (1.25, 2.5)


@dataclass(frozen=True)
class Answered:
    """Answers to one recording, as numbers of labels; ``len(labels)`` is no answer.

    Attributes
    ----------
    row : dict
        Of the set's list.
    together : int
        Of all channels.
    single : tuple of int
        Of each channel alone; where one is bad, of that one only.
    excluded : bool
        Whether the bad channel had lost its vote.
    """

    row: Mapping[str, str]
    truth: int
    together: int
    single: tuple[int, ...]
    excluded: bool


def array_tables(answered: Sequence[Answered], classes: int) -> dict[str, Any]:
    """All tables of a result, as JSON can hold them.

    Macro-F1 and differences have 95 % intervals by resampling whole recordings of the corpora, all scenes of
    one together. ``best_single`` is the channel that did best on this very set: chosen in hindsight, so the
    difference to it is on the safe side. Labels that the set has no recording of aren't in the mean; an
    answer with one of them is wrong.
    """
    answered, classes = _held(answered, classes)
    healthy = [one for one in answered if one.row["fault"] == "none"]
    kinds: dict[str, list[Answered]] = {}
    for one in answered:
        if one.row["channels"] == "4":
            kinds.setdefault(FOUR, []).append(one)
    for one in answered:
        kinds.setdefault(one.row["array"], []).append(one)
    return {
        "scenes": len(healthy),
        "files": len(answered),
        "by_array": {name: _array(rows, classes) for name, rows in kinds.items()},
        "by_distance": _strata(answered, classes, "distance_m", _DISTANCE_EDGES_M, "m"),
        "by_rt60": _strata(answered, classes, "rt60_s", _RT60_EDGES_S, "s"),
    }


def _held(answered: Sequence[Answered], classes: int) -> tuple[list[Answered], int]:
    """The same with labels numbered anew: those that the set holds, and one number for all others."""
    held = sorted({one.truth for one in answered})
    number = np.full(classes + 1, len(held))
    number[held] = np.arange(len(held))
    renumbered = [
        replace(
            one,
            truth=int(number[one.truth]),
            together=int(number[one.together]),
            single=tuple(number[list(one.single)].tolist()),
        )
        for one in answered
    ]
    return renumbered, len(held)


def _array(answered: Sequence[Answered], classes: int) -> dict[str, Any]:
    """Figures of arrays of one number of channels."""
    healthy = [one for one in answered if one.row["fault"] == "none"]
    channels = len(healthy[0].single)
    truth, groups = _truth(healthy), _groups(healthy)
    together = np.array([one.together for one in healthy])
    single = np.array([one.single for one in healthy])
    scores = _scores(truth, single, classes)
    best = _best(truth, single, classes)
    gain = paired_difference(truth, single[:, best], together, groups, classes, metric=_METRIC)
    return {
        "scenes": len(healthy),
        "recordings": len(np.unique(groups)),
        "channels": channels,
        "together": _figure(truth, together, groups, classes),
        "single": [_figure(truth, single[:, channel], groups, classes) for channel in range(channels)],
        "mean_single": float(np.mean(scores)),
        "best_single": best,
        "gain_over_best": _difference(gain),
        "same_answer": float(np.mean(single == together[:, None])),
        "faults": _faults(answered, classes),
    }


def _faults(answered: Sequence[Answered], classes: int) -> dict[str, Any]:
    """Twins with a bad channel, each against the healthy recording of its scene."""
    healthy = {one.row["scene"]: one for one in answered if one.row["fault"] == "none"}
    found = {}
    for fault in sorted({one.row["fault"] for one in answered} - {"none"}):
        twins = [one for one in answered if one.row["fault"] == fault and one.row["scene"] in healthy]
        truth, groups = _truth(twins), _groups(twins)
        faulty = np.array([one.together for one in twins])
        whole = np.array([healthy[one.row["scene"]].together for one in twins])
        change = paired_difference(truth, whole, faulty, groups, classes, metric=_METRIC)
        single = np.array([_alone(one, healthy[one.row["scene"]]) for one in twins])
        best = _best(truth, single, classes)
        gain = paired_difference(truth, single[:, best], faulty, groups, classes, metric=_METRIC)
        found[fault] = {
            **_figure(truth, faulty, groups, classes),
            "change": _difference(change),
            "best_single": _figure(truth, single[:, best], groups, classes),
            "gain_over_best": _difference(gain),
            "lost_vote": float(np.mean([one.excluded for one in twins])),
        }
    return found


def _alone(faulty: Answered, healthy: Answered) -> list[int]:
    """Answers of each channel alone where one is bad."""
    answers = list(healthy.single)
    answers[int(faulty.row["fault_channel"])] = faulty.single[0]
    return answers


def _scores(truth: np.ndarray, single: np.ndarray, classes: int) -> list[float]:
    return [clip_score(truth, answers, classes, _METRIC) for answers in single.T]


def _best(truth: np.ndarray, single: np.ndarray, classes: int) -> int:
    """The channel that did best on this very set."""
    return int(np.argmax(_scores(truth, single, classes)))


def _strata(
    answered: Sequence[Answered], classes: int, column: str, edges: tuple[float, ...], unit: str
) -> list[dict[str, Any]]:
    """Figures of recordings between edges of a column: all channels, one of them, and with a bad one."""
    names = [f"up to {edges[0]:g} {unit}"]
    names += [f"{low:g} to {high:g} {unit}" for low, high in itertools.pairwise(edges)]
    names += [f"over {edges[-1]:g} {unit}"]
    place = np.searchsorted(edges, [float(one.row[column]) for one in answered])
    tables = []
    for number, name in enumerate(names):
        inside = [one for one, where in zip(answered, place, strict=True) if where == number]
        healthy = [one for one in inside if one.row["fault"] == "none"]
        if not healthy:
            continue
        systems: dict[str, dict[str, Any]] = {"together": _of(healthy, lambda one: (one.together,), classes)}
        systems["single"] = _of(healthy, lambda one: one.single, classes)
        for fault in sorted({one.row["fault"] for one in inside} - {"none"}):
            twins = [one for one in inside if one.row["fault"] == fault]
            systems[fault] = _of(twins, lambda one: (one.together,), classes)
        values = [float(one.row[column]) for one in healthy]
        tables.append(
            {"name": name, "scenes": len(healthy), "middle": float(np.median(values)), "systems": systems}
        )
    return tables


def _of(
    answered: Sequence[Answered], answers: Callable[[Answered], tuple[int, ...]], classes: int
) -> dict[str, Any]:
    """A figure of answers that may be several for a recording: each counts, and they are drawn together."""
    given = [answers(one) for one in answered]
    counts = [len(each) for each in given]
    truth = np.repeat(_truth(answered), counts)
    groups = np.repeat(_groups(answered), counts)
    return _figure(truth, np.array([answer for each in given for answer in each]), groups, classes)


def _figure(truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray, classes: int) -> dict[str, Any]:
    return {
        _METRIC: clip_score(truth, predicted, classes, _METRIC),
        "interval": list(bootstrap_interval(truth, predicted, groups, classes, _METRIC)),
    }


def _difference(found: Any) -> dict[str, Any]:
    return {"difference": found.difference, "interval": [found.low, found.high]}


def _truth(answered: Sequence[Answered]) -> np.ndarray:
    return np.array([one.truth for one in answered])


def _groups(answered: Sequence[Answered]) -> np.ndarray:
    return group_numbers(np.array([one.row["group"] for one in answered]))
