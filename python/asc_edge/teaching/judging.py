"""Whether teaching pays: figures before and after, by label, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asc_edge.teaching.refit import (
    Examples,
    System,
    Table,
    cross_validate,
    fit_members,
    fit_system,
    make_table,
    predict,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.manifest import MemorySpec
    from asc_edge.teaching.memory import Memory

__all__ = ["MOST_LOST_POINTS", "POOR_RECALL", "Judgement", "LabelFigures", "judge", "table_lines"]

# Points of macro-F1 over the labels that were there before.
MOST_LOST_POINTS = 1.0
POOR_RECALL = 0.6
# Of another label that was taught before: as much as a lesson of the same sound under another name takes.
MOST_LOST_RECALL = 0.1
# How often a new label may be taken to happen, as a multiple of a label of middling size.
PRIORS = (1.0, 2.0, 0.5, 4.0, 0.25)


@dataclass(frozen=True)
class LabelFigures:
    """One label before and after, from 0 to 1; None where there is nothing to measure.

    Attributes
    ----------
    f1_before, f1_after : float or None
        On the clips that the bundle remembers.
    recall_before, recall_after : float or None
        On everything that was taught of it so far; before: by the system that hadn't been taught this lesson.
    """

    label: str
    f1_before: float | None
    f1_after: float | None
    recall_before: float | None
    recall_after: float | None


@dataclass(frozen=True)
class Judgement:
    """What a lesson changes, and the system that has learnt it."""

    labels: tuple[str, ...]
    system: System
    figures: tuple[LabelFigures, ...]
    macro_f1_before: float
    macro_f1_after: float

    def objections(self, label: str) -> list[str]:
        """What speaks against keeping it, in words; empty where nothing does."""
        found = []
        lost = 100.0 * (self.macro_f1_before - self.macro_f1_after)
        if lost > MOST_LOST_POINTS:
            found.append(
                f"the other labels would lose {lost:.1f} points of macro-F1 "
                f"({100 * self.macro_f1_before:.1f} -> {100 * self.macro_f1_after:.1f})"
            )
        own = next(row for row in self.figures if row.label == label)
        recall = own.recall_after or 0.0
        if recall < POOR_RECALL:
            found.append(f"{label} would be recognised in {100 * recall:.0f} % of what was taught")
        elif own.recall_before is not None and recall < own.recall_before - 0.01:
            found.append(
                f"{label} would be recognised less often "
                f"({100 * own.recall_before:.0f} % -> {100 * recall:.0f} %)"
            )
        for row in self.figures:
            before, after = row.recall_before, row.recall_after
            if row.label != label and before is not None and before - (after or 0.0) > MOST_LOST_RECALL:
                found.append(
                    f"{row.label}, which was taught before, would be recognised less often "
                    f"({100 * before:.0f} % -> {100 * (after or 0.0):.0f} %)"
                )
        return found


def judge(labels: Sequence[str], memory: Memory, spec: MemorySpec, lessons: Sequence[Examples]) -> Judgement:
    """Fit with and without the last lesson, and cross-validate both by recording.

    Parameters
    ----------
    labels : sequence of str
        The bundle's own.
    lessons : sequence of Examples
        In the order in which they were taught; the last one is judged.
    """
    old, system_before, before = _settled(make_table(labels, memory, lessons[:-1]), spec)
    new, system, after = _settled(make_table(labels, memory, lessons), spec)
    known, weights = old.known, memory.weights
    f1_before = _f1(memory.truth, before[:known], weights, len(labels))
    f1_after = _f1(memory.truth, after[:known], weights, len(labels))
    last = lessons[-1]
    # The system before never heard the lesson: its own answers are honest.
    probed = predict(system_before, last.rows).argmax(axis=1)
    taught_before = np.concatenate([before[known:], probed])
    figures = []
    for number, label in enumerate(new.labels):
        own = new.truth[known:] == number
        was_there = number < len(old.labels)
        figures.append(
            LabelFigures(
                label,
                float(f1_before[number]) if number < len(labels) else None,
                float(f1_after[number]) if number < len(labels) else None,
                float(np.mean(taught_before[own] == number)) if own.any() and was_there else None,
                float(np.mean(after[known:][own] == number)) if own.any() else None,
            )
        )
    return Judgement(new.labels, system, tuple(figures), float(f1_before.mean()), float(f1_after.mean()))


def _settled(table: Table, spec: MemorySpec) -> tuple[Table, System, NDArray[np.int64]]:
    """Fit a system, new labels as frequent as serves all labels best; and its cross-validated answers."""
    priors = PRIORS if len(table.labels) > table.old else (1.0,)
    members = fit_members(table, spec)
    answers = cross_validate(table, members.stacked, spec, priors)
    scores = [_f1(table.truth, said, table.weights, len(table.labels)).mean() for said in answers]
    best = int(np.argmax(scores))
    return table, fit_system(table, members, spec, priors[best]), answers[best]


def _f1(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], weights: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    """F1 of the first classes; a row that was taken for a later one counts as missed."""
    numbers = np.arange(classes)[:, np.newaxis]
    true, said = truth == numbers, predicted == numbers
    scores: NDArray[np.float64] = (
        2.0 * ((true & said) @ weights) / np.maximum(true @ weights + said @ weights, 1e-12)
    )
    return scores


def table_lines(judgement: Judgement) -> Iterator[str]:
    """The figures as a table of text."""
    width = max(len(row.label) for row in judgement.figures)
    width = max(width, len("mean"))
    yield f"{'':{width}}    F1 % of what it knew    recall % of what was taught"
    yield f"{'label':{width}}    before    after         before    after"
    for row in judgement.figures:
        cells = [
            _percent(value) for value in (row.f1_before, row.f1_after, row.recall_before, row.recall_after)
        ]
        yield f"{row.label:{width}}    {cells[0]:>6}   {cells[1]:>6}         {cells[2]:>6}   {cells[3]:>6}"
    mean = [_percent(judgement.macro_f1_before), _percent(judgement.macro_f1_after)]
    yield f"{'mean':{width}}    {mean[0]:>6}   {mean[1]:>6}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f}"
