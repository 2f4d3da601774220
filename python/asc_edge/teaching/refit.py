"""SVMs and fusion fitted again: the bundle's memory and what was taught, cross-validated by recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge.teaching.memory import Memory
from asc_edge.teaching.solver import balanced_weights, fit_linear_svm, fit_sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.manifest import MemorySpec

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = [
    "Examples",
    "Members",
    "System",
    "Table",
    "cross_validate",
    "fit_members",
    "fit_system",
    "make_table",
    "predict",
]


@dataclass(frozen=True)
class Examples:
    """What was taught of one label: a row for every window and channel.

    Attributes
    ----------
    label : str
    groups : tuple of str
        Recording, or piece of one, that each row comes from: what must not straddle folds.
    rows : dict of str to ndarray (n, outputs)
        By member: embeddings where it has an SVM, else posteriors.
    """

    label: str
    groups: tuple[str, ...]
    rows: Mapping[str, Floats]


@dataclass(frozen=True)
class Table:
    """Everything that is fitted on.

    Attributes
    ----------
    labels : tuple of str
        The bundle's, then the new ones.
    memory : Memory
        Its rows come first in all arrays.
    truth, folds, weights : ndarray (n,)
    inputs : dict of str to ndarray (n, outputs)
        By member: embeddings where it has an SVM, else posteriors.
    """

    labels: tuple[str, ...]
    memory: Memory
    truth: Integers
    folds: Integers
    weights: Floats
    inputs: Mapping[str, Floats]

    @property
    def known(self) -> int:
        """How many rows are the memory's."""
        return len(self.memory.truth)

    @property
    def old(self) -> int:
        """How many labels are the memory's."""
        return int(self.memory.truth.max()) + 1


@dataclass(frozen=True)
class System:
    """What is fitted: an SVM for each embedding member, and the fusion."""

    svms: Mapping[str, LinearSvm]
    fusion: LateFusion


def make_table(labels: Sequence[str], memory: Memory, lessons: Sequence[Examples]) -> Table:
    """The memory and all lessons in one table, recordings of each label dealt out to the memory's folds."""
    old = len(labels)
    names = list(labels)
    names += [name for name in dict.fromkeys(lesson.label for lesson in lessons) if name not in names]
    # The smallest fold first, so that what is taught evens them out.
    folds, counts = np.unique(memory.folds, return_counts=True)
    order = [int(fold) for fold in folds[np.argsort(counts, kind="stable")]]
    fold_of: dict[str, int] = {}
    for label in names:
        groups = dict.fromkeys(g for lesson in lessons if lesson.label == label for g in lesson.groups)
        fold_of |= {group: order[number % len(order)] for number, group in enumerate(groups)}
    truth = [names.index(lesson.label) for lesson in lessons for _ in lesson.groups]
    inputs = {}
    for member, scores in memory.scores.items():
        first = memory.embeddings.get(member, scores)
        inputs[member] = np.concatenate([first, *(lesson.rows[member] for lesson in lessons)])
    own = np.array(truth, dtype=np.int64)
    return Table(
        tuple(names),
        memory,
        np.concatenate([memory.truth, own]),
        np.concatenate([memory.folds, _numbers([fold_of[g] for le in lessons for g in le.groups])]),
        np.concatenate([memory.weights, _taught_weights(own, memory, old)]),
        inputs,
    )


def _numbers(values: Sequence[int]) -> Integers:
    return np.array(values, dtype=np.int64)


def _taught_weights(truth: Integers, memory: Memory, old: int) -> Floats:
    """How many clips a taught row stands for.

    Examples of a new label count together as much as the clips of a label of middling size: how long somebody
    taught says nothing of how often it happens in a home.
    """
    totals = np.bincount(memory.truth, weights=memory.weights, minlength=old)
    middling, weights = float(np.median(totals)), np.ones(len(truth))
    for number in np.unique(truth[truth >= old]):
        own = truth == number
        weights[own] = middling / own.sum()
    return weights


@dataclass(frozen=True)
class Members:
    """The members' part of a system: their SVMs, and their scores side by side, out of fold."""

    svms: Mapping[str, LinearSvm]
    stacked: Floats


def fit_members(table: Table, spec: MemorySpec) -> Members:
    """Fit the members' SVMs again."""
    svms, columns = {}, []
    for member, rows in table.inputs.items():
        if member not in spec.member_c:
            columns.append(rows)
            continue
        c = spec.member_c[member]
        svms[member] = _fit_svm(rows, table, np.ones(len(rows), dtype=bool), c, spec)
        columns.append(_out_of_fold(table, member, c, spec))
    return Members(svms, np.ascontiguousarray(np.concatenate(columns, axis=1)))


def fit_system(table: Table, members: Members, spec: MemorySpec, prior: float = 1.0) -> System:
    """The whole system: the members' SVMs, and a fusion.

    Parameters
    ----------
    prior : float > 0
        How often new labels are taken to happen, as a multiple of a label of middling size.
    """
    everything = np.ones(len(members.stacked), dtype=bool)
    unscaled = _Unscaled.fit(members.stacked, table, everything, spec)
    return System(members.svms, unscaled.scaled(table, spec, prior))


def cross_validate(
    table: Table, stacked: Floats, spec: MemorySpec, priors: Sequence[float] = (1.0,)
) -> list[Integers]:
    """Label numbers by fusions that didn't hear a row's fold, (n,), for each prior of new labels."""
    predicted = [np.empty(len(stacked), dtype=np.int64) for _ in priors]
    for fold in np.unique(table.folds):
        held_out = table.folds == fold
        unscaled = _Unscaled.fit(stacked, table, ~held_out, spec)
        for prior, answers in zip(priors, predicted, strict=True):
            fusion = unscaled.scaled(table, spec, prior)
            answers[held_out] = fusion.predict_proba(stacked[held_out]).argmax(axis=1)
    return predicted


def predict(system: System, rows: Mapping[str, Floats]) -> Floats:
    """Posteriors of a fitted system, (n, labels), for rows by member, in the members' order."""
    columns = [
        system.svms[member].decision_function(values) if member in system.svms else values
        for member, values in rows.items()
    ]
    return system.fusion.predict_proba(np.ascontiguousarray(np.concatenate(columns, axis=1)))


def _fit_svm(
    rows: Floats,
    table: Table,
    train: NDArray[np.bool_],
    c: float,
    spec: MemorySpec,
    *,
    classes: int | None = None,
) -> LinearSvm:
    # Not counted in the rows: of a label that was taught little, folds of folds may have none.
    return fit_linear_svm(
        rows[train],
        table.truth[train],
        classes or len(table.labels),
        c=c,
        balanced=spec.balanced,
        weights=table.weights[train],
    )


def _out_of_fold(table: Table, member: str, c: float, spec: MemorySpec) -> Floats:
    """Decision values by SVMs that didn't hear a row's fold.

    For clips of the memory the old labels' values are the trainer's own, since there the network hadn't heard
    them either, changed by what the lessons change: else whoever is taught would be told from the memory by
    nothing but the SVMs that scored it.
    """
    rows, known = table.inputs[member], table.known
    stored = table.memory.scores[member]
    if known == len(rows):
        return stored
    values = _cross_scores(rows, table, np.ones(len(rows), dtype=bool), c, spec)
    before = _cross_scores(rows, table, np.arange(len(rows)) < known, c, spec)
    old = stored.shape[1]
    values[:known, :old] += stored - before[:known, :old]
    return values


def _cross_scores(rows: Floats, table: Table, used: NDArray[np.bool_], c: float, spec: MemorySpec) -> Floats:
    """Decision values of the rows that are used, each by an SVM of the other folds; NaN for the rest."""
    classes = int(table.truth[used].max()) + 1
    values = np.full((len(rows), classes), np.nan)
    for fold in np.unique(table.folds):
        held_out = used & (table.folds == fold)
        svm = _fit_svm(rows, table, used & (table.folds != fold), c, spec, classes=classes)
        values[held_out] = svm.decision_function(rows[held_out])
    return values


@dataclass(frozen=True)
class _Unscaled:
    """A fusion's SVM, and what SVMs that lack a fold say of it: what the sigmoids are fitted on."""

    svm: LinearSvm
    rows: NDArray[np.bool_]
    values: Floats

    @classmethod
    def fit(cls, stacked: Floats, table: Table, train: NDArray[np.bool_], spec: MemorySpec) -> _Unscaled:
        svm = _fit_svm(stacked, table, train, spec.fusion_c, spec)
        values = np.empty((len(stacked), len(table.labels)))
        for fold in np.unique(table.folds[train]):
            held_out = train & (table.folds == fold)
            inner = _fit_svm(stacked, table, train & (table.folds != fold), spec.fusion_c, spec)
            values[held_out] = inner.decision_function(stacked[held_out])
        return cls(svm, train, values[train])

    def scaled(self, table: Table, spec: MemorySpec, prior: float) -> LateFusion:
        """The fusion with its sigmoids."""
        classes = len(table.labels)
        truth, weights = table.truth[self.rows], table.weights[self.rows]
        weights = weights * np.where(truth >= table.old, prior, 1.0)
        if spec.uniform_prior:
            weights = weights * balanced_weights(truth, weights, classes)[truth]
        sigmoids = [fit_sigmoid(self.values[:, k], truth == k, weights) for k in range(classes)]
        return LateFusion(self.svm, [a for a, _ in sigmoids], [b for _, b in sigmoids])
