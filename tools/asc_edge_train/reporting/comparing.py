"""Two finished runs, or two systems of one, on the clips that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from asc_edge.errors import UsageError
from asc_edge_train.clips import DataError
from asc_edge_train.figures import METRICS, answers, clip_score, group_numbers, paired_difference
from asc_edge_train.reporting.facts import Part
from asc_edge_train.reporting.runs import FinishedRun, load_run

__all__ = ["SharedClips", "compare", "compare_scores", "share_clips"]


@dataclass(frozen=True)
class SharedClips:
    """Clips that stand in both runs and in the same part, in the first run's order.

    Attributes
    ----------
    rows_a, rows_b : ndarray of int
        Where they stand in each run's predictions.
    groups : ndarray of int
        What is resampled: the first run's groups.
    fold_average : bool
        Whether development figures are means over folds: both runs say so, and their folds agree.
    """

    a: FinishedRun
    b: FinishedRun
    rows_a: np.ndarray
    rows_b: np.ndarray
    groups: np.ndarray
    fold_average: bool

    def parts(self) -> list[tuple[Part, np.ndarray]]:
        """Parts that have shared clips, each with its places among them."""
        stored = {name: self.a.predictions[name][self.rows_a] for name in ("part", "subset")}
        evaluation = stored["part"] == 1
        parts = [
            (Part("development", None, self.fold_average), ~evaluation),
            (Part("evaluation", "all"), evaluation),
        ]
        for subset in sorted(set(stored["subset"][evaluation].tolist()) - {""}):
            parts.append((Part(f"evaluation, {subset}", subset), evaluation & (stored["subset"] == subset)))
        return [(part, np.flatnonzero(mask)) for part, mask in parts if mask.any()]


def compare(run_a: Path, run_b: Path, pairs: Sequence[tuple[str, str]] | None = None) -> dict[str, Any]:
    """What changed from run a to run b.

    Parameters
    ----------
    run_a, run_b : Path
        Folders of finished runs; the same folder twice to compare two of its systems.
    pairs : sequence of (system of a, system of b), optional
        By default every system that both runs have.

    Returns
    -------
    dict
        ``runs``, ``clips`` (in a, in b, shared), ``metric``, ``systems`` (one row for each pair and part),
        ``only_a`` and ``only_b`` (systems), ``recipe`` (fields that differ; None unless both runs have one),
        ``notes``.

    Raises
    ------
    UsageError
        When a folder is no finished run, or a system isn't there.
    DataError
        When the runs have other labels, no clip in common, or other truths about one.
    """
    a, b = load_run(run_a), load_run(run_b)
    shared = share_clips(a, b)
    if pairs is None:
        pairs = [(name, name) for name in a.systems if name in b.systems]
        if not pairs:
            raise UsageError(f"{a.folder} and {b.folder} have no system in common; name a pair of them")
    for run, names in ((a, [one for one, _ in pairs]), (b, [other for _, other in pairs])):
        for name in names:
            if name not in run.systems:
                known = ", ".join(run.systems)
                raise UsageError(f"{run.folder}: has no scores of system {name!r}; known are {known}")
    metric = a.report["metric"]
    return {
        "runs": {key: _about(run) for key, run in (("a", a), ("b", b))},
        "labels": a.labels,
        "metric": metric,
        "fold_average": shared.fold_average,
        "clips": {
            "a": len(a.predictions["clip_ids"]),
            "b": len(b.predictions["clip_ids"]),
            "shared": len(shared.rows_a),
        },
        "systems": [row for pair in pairs for row in _pair(shared, pair, metric)],
        "only_a": [name for name in a.systems if name not in b.systems],
        "only_b": [name for name in b.systems if name not in a.systems],
        "recipe": None if a.recipe is None or b.recipe is None else _changes(a.recipe, b.recipe),
        "notes": _notes(shared),
    }


def share_clips(a: FinishedRun, b: FinishedRun) -> SharedClips:
    """The clips of both runs, after checking that they mean the same in both.

    Raises
    ------
    DataError
    """
    if a.labels != b.labels:
        odd = sorted(set(a.labels) ^ set(b.labels))
        what = f"only one has {odd[0]!r}" if odd else "their order differs"
        raise DataError(f"{a.folder} and {b.folder} have different labels ({what}): they can't be compared")
    places = {clip: place for place, clip in enumerate(b.predictions["clip_ids"].tolist())}
    found = [
        (place, places[clip])
        for place, clip in enumerate(a.predictions["clip_ids"].tolist())
        if clip in places and a.predictions["part"][place] == b.predictions["part"][places[clip]]
    ]
    if not found:
        raise DataError(f"{a.folder} and {b.folder} share no clip: they can't be compared")
    rows_a, rows_b = np.array(found).T
    wrong = np.flatnonzero(a.predictions["truth"][rows_a] != b.predictions["truth"][rows_b])
    if len(wrong):
        clip = a.predictions["clip_ids"][rows_a[wrong[0]]]
        raise DataError(
            f"{a.folder} and {b.folder} differ about the labels of shared clips: {len(wrong)}, first {clip}; "
            "they can't be compared"
        )
    averaged = bool(a.report.get("fold_average")) and bool(b.report.get("fold_average"))
    same = np.array_equal(a.predictions["folds"][rows_a], b.predictions["folds"][rows_b])
    groups = group_numbers(a.predictions["groups"][rows_a])
    return SharedClips(a, b, rows_a, rows_b, groups, averaged and same)


def compare_scores(
    shared: SharedClips, pair: tuple[str, str], part: Part, places: np.ndarray, metric: str
) -> dict[str, Any] | None:
    """Both systems' figures of a part, the difference and its interval; None where either answers nothing."""
    classes, stored = len(shared.a.labels), shared.a.predictions
    rows = shared.rows_a[places]
    truth, folds = stored["truth"][rows], stored["folds"][rows]
    predicted = _answers(shared, pair, places)
    if any((one == classes).all() for one in predicted):
        return None
    how = {"folds": folds, "fold_average": part.fold_average}
    found = paired_difference(truth, *predicted, shared.groups[places], classes, metric=metric, **how)
    return {
        "a": clip_score(truth, predicted[0], classes, metric, **how),
        "b": clip_score(truth, predicted[1], classes, metric, **how),
        **asdict(found),
    }


def _answers(shared: SharedClips, pair: tuple[str, str], places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (
        answers(shared.a.predictions[f"scores:{pair[0]}"][shared.rows_a[places]]),
        answers(shared.b.predictions[f"scores:{pair[1]}"][shared.rows_b[places]]),
    )


def _pair(shared: SharedClips, pair: tuple[str, str], metric: str) -> Iterator[dict[str, Any]]:
    classes = len(shared.a.labels)
    for part, places in shared.parts():
        figures = {name: compare_scores(shared, pair, part, places, name) for name in METRICS}
        if figures[metric] is None:
            continue
        rows = shared.rows_a[places]
        truth = shared.a.predictions["truth"][rows]
        first, second = _answers(shared, pair, places)
        was, now = first == truth, second == truth
        yield {
            "system_a": pair[0],
            "system_b": pair[1],
            "title_a": shared.a.title(pair[0]),
            "title_b": shared.b.title(pair[1]),
            "part": part.name,
            "clips": len(places),
            "groups": len(np.unique(shared.groups[places])),
            "figures": figures,
            "right_to_wrong": int(np.sum(was & ~now)),
            "wrong_to_right": int(np.sum(~was & now)),
            "no_answer": {"a": int(np.sum(first == classes)), "b": int(np.sum(second == classes))},
            "per_class": _by_class(truth, first, second, shared.a.labels),
        }


def _by_class(
    truth: np.ndarray, first: np.ndarray, second: np.ndarray, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """F1 of every label in both, the largest change first."""
    numbers = list(range(len(labels)))
    a, b = (
        f1_score(truth, predicted, labels=numbers, average=None, zero_division=0.0)
        for predicted in (first, second)
    )
    rows = [
        {
            "label": label,
            "clips": int(np.sum(truth == number)),
            "a": float(a[number]),
            "b": float(b[number]),
            "difference": float(b[number] - a[number]),
        }
        for number, label in enumerate(labels)
    ]
    return sorted(rows, key=lambda row: -abs(row["difference"]))


def _about(run: FinishedRun) -> dict[str, Any]:
    report = run.report
    return {"folder": run.folder.name, **{key: report[key] for key in ("recipe", "version", "seed", "smoke")}}


def _notes(shared: SharedClips) -> list[str]:
    a, b = shared.a, shared.b
    notes = []
    sizes = {len(run.predictions["clip_ids"]) for run in (a, b)}
    if sizes != {len(shared.rows_a)}:
        notes.append(
            f"The runs have different clip tables: the {len(shared.rows_a)} clips of both are compared."
        )
    names = [run.predictions["groups"][rows] for run, rows in ((a, shared.rows_a), (b, shared.rows_b))]
    if not np.array_equal(*names):
        notes.append("The runs group their clips differently: the first run's groups are resampled.")
    folds = [run.predictions["folds"][rows] for run, rows in ((a, shared.rows_a), (b, shared.rows_b))]
    if not np.array_equal(*folds):
        notes.append("The runs fold their clips differently: development figures are pooled over all clips.")
    if a.report["metric"] != b.report["metric"]:
        notes.append(f"The runs choose by different metrics: {a.report['metric']} of the first is shown.")
    return notes


def _changes(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """Fields of the recipes that differ; None stands for a field that isn't there."""
    first, second = dict(_fields(a)), dict(_fields(b))
    names = list(dict.fromkeys([*first, *second]))
    return [
        {"field": name, "a": first.get(name), "b": second.get(name)}
        for name in names
        if first.get(name) != second.get(name)
    ]


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted name; rows of a table of named things by their name, not their place."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _fields(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        for place, row in enumerate(value):
            yield from _fields(row, f"{name}[{row.get('name', place)}]")
    else:
        yield name, value
