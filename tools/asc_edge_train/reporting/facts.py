"""What a report's JSON says, as a page asks for it: parts, systems in order, figures with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asc_edge_train.figures import METRICS, answers, confusion, group_numbers, interval_table

__all__ = [
    "METRIC_NAMES",
    "Part",
    "chosen_system",
    "complete_report",
    "ordered_systems",
    "parts_of",
    "percent",
    "rows_of_part",
    "signed",
    "signed_interval",
    "title_of",
    "with_interval",
]

METRIC_NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy"}

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """Development, the whole evaluation part, or one subset of it.

    Attributes
    ----------
    name : str
        What a reader sees.
    subset : str or None
        Key under ``evaluation``; None for development.
    fold_average : bool
        The figure is the mean of the folds' figures (DCASE 2018 task 5, development), not the pooled one.
    """

    name: str
    subset: str | None
    fold_average: bool = False

    def figures(self, system: Mapping[str, Any]) -> dict[str, Any] | None:
        """A system's figures of this part, or None where it has none."""
        if self.subset is None:
            return system.get("development") or None
        return (system.get("evaluation") or {}).get(self.subset) or None

    def value(self, system: Mapping[str, Any], metric: str) -> float | None:
        """A system's figure, 0 to 1."""
        figures = self.figures(system)
        if figures is None:
            return None
        if self.fold_average and figures.get("per_fold"):
            return float(np.mean([fold[metric] for fold in figures["per_fold"].values()]))
        return float(figures[metric])

    def interval(self, system: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
        """Its interval, where the report has one."""
        pair = ((self.figures(system) or {}).get("interval") or {}).get(metric)
        return (float(pair[0]), float(pair[1])) if pair else None


def parts_of(report: Mapping[str, Any]) -> list[Part]:
    """The parts that any system has figures of: development, evaluation, then its subsets by name."""
    parts = [Part("development", None, bool(report.get("fold_average")))]
    subsets = {name for system in report["systems"] for name in (system.get("evaluation") or {})}
    names = sorted(subsets, key=lambda name: (name != "all", name))
    parts += [Part("evaluation" if name == "all" else f"evaluation, {name}", name) for name in names]
    return [part for part in parts if any(part.figures(system) for system in report["systems"])]


def chosen_system(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report's ``chosen`` system; without one its first fusion, or else its first system."""
    systems: list[dict[str, Any]] = report["systems"]
    for system in systems:
        if system["name"] == report.get("chosen"):
            return system
    return next((system for system in systems if system["kind"] == "fusion"), systems[0])


def ordered_systems(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chosen system, the other fusions, the members; otherwise in the report's order."""
    chosen = chosen_system(report)["name"]
    return sorted(report["systems"], key=lambda one: (one["name"] != chosen, one["kind"] != "fusion"))


def title_of(system: Mapping[str, Any]) -> str:
    return str(system.get("title") or system["name"])


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percent without the sign, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    """For instance ``84.3 (81.0–87.2)``."""
    text = percent(value)
    if value is None or interval is None:
        return text
    return f"{text} ({percent(interval[0])}–{percent(interval[1])})"


def signed_interval(difference: float, interval: tuple[float, float]) -> str:
    """For instance ``+1.2 (−0.3 to +2.9)``."""
    return f"{signed(difference)} ({signed(interval[0])} to {signed(interval[1])})"


def signed(share: float) -> str:
    """Percentage points with their sign, as typeset."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in {"+0.0", "−0.0"} else text


def rows_of_part(predictions: Arrays, part: Part) -> np.ndarray:
    """Mask of the clips of a part."""
    evaluation = predictions["part"] == 1
    if part.subset is None:
        return np.asarray(~evaluation)
    if part.subset == "all":
        return np.asarray(evaluation)
    return np.asarray(evaluation & (predictions["subset"] == part.subset))


def complete_report(report: Mapping[str, Any], predictions: Arrays | None) -> dict[str, Any]:
    """The report with intervals and confusion counts added, by the predictions, where it has none."""
    found = dict(report)
    found["systems"] = [dict(system) for system in report["systems"]]
    if predictions is None:
        return found
    predictions = {**predictions, "groups": group_numbers(predictions["groups"])}
    for part, system in _missing(found):
        scores = predictions.get(f"scores:{system['name']}")
        rows = rows_of_part(predictions, part)
        if scores is None or not rows.any():
            continue
        truth, predicted = predictions["truth"][rows], answers(scores[rows])
        added = dict(part.figures(system) or {})
        classes = len(report["labels"])
        added.setdefault("confusion", confusion(truth, predicted, classes))
        if not set(METRICS) <= set(added.get("interval") or {}):
            added["interval"] = interval_table(
                truth,
                predicted,
                predictions["groups"][rows],
                classes,
                folds=predictions["folds"][rows],
                fold_average=part.fold_average,
            )
        if part.subset is None:
            system["development"] = added
        else:
            system["evaluation"] = {**system["evaluation"], part.subset: added}
    return found


def _missing(report: Mapping[str, Any]) -> Iterator[tuple[Part, dict[str, Any]]]:
    for part in parts_of(report):
        for system in report["systems"]:
            figures = part.figures(system)
            complete = figures is None or (
                "confusion" in figures and set(METRICS) <= set(figures.get("interval") or {})
            )
            if not complete:
                yield part, system
