"""Figures about predictions: accuracy, macro-F1, per class and per fold, confusion, and their intervals.

Intervals come from resampling groups (sessions, sources, locations), never clips: clips of one session are
nearly the same sound, and DCASE 2018 task 5 has classes of four evaluation sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

__all__ = [
    "METRICS",
    "PairedDifference",
    "answers",
    "bootstrap_interval",
    "clip_score",
    "confusion",
    "group_numbers",
    "interval_table",
    "paired_difference",
    "score_table",
]

METRICS = ("accuracy", "macro_f1")

# Draws of groups that are held at a time: 1000 resamples of 1600 groups take two rounds and 16 MB.
_CELLS_AT_A_TIME = 1_000_000


@dataclass(frozen=True)
class PairedDifference:
    """Second system minus first, on the same clips.

    Attributes
    ----------
    difference : float
    low, high : float
        Percentile interval of the difference.
    share_below : float
        Share of resamples in which the second system is the worse one.
    """

    difference: float
    low: float
    high: float
    share_below: float


def answers(scores: np.ndarray) -> np.ndarray:
    """Class numbers of scores (clips, labels); a row with a NaN is no answer, which is number ``labels``."""
    known = ~np.isnan(scores).any(axis=1)
    found = np.full(len(scores), scores.shape[1], dtype=np.int64)
    found[known] = np.argmax(scores[known], axis=1)
    return found


def score_table(
    truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    """Accuracy, macro-F1, per class and per fold; all clips pooled, every label counted.

    A prediction of ``len(labels)`` stands for "no answer": wrong for every label.
    """
    numbers = list(range(len(labels)))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=numbers, zero_division=0.0
    )
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(np.mean(f1)),
        "per_class": {
            label: {
                "precision": float(precision[number]),
                "recall": float(recall[number]),
                "f1": float(f1[number]),
                "clips": int(support[number]),
            }
            for number, label in enumerate(labels)
        },
        "per_fold": {
            str(fold): {
                "accuracy": float(accuracy_score(truth[folds == fold], predicted[folds == fold])),
                "macro_f1": _macro_f1(truth[folds == fold], predicted[folds == fold], numbers),
                "clips": int(np.sum(folds == fold)),
            }
            for fold in np.unique(folds).tolist()
        },
    }


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Clips by true label (rows) and predicted label (columns)."""
    table = confusion_matrix(truth, predicted, labels=list(range(classes)))
    return [[int(cell) for cell in row] for row in table]


def _macro_f1(truth: np.ndarray, predicted: np.ndarray, numbers: list[int]) -> float:
    _, _, f1, _ = precision_recall_fscore_support(truth, predicted, labels=numbers, zero_division=0.0)
    return float(np.mean(f1))


def clip_score(
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    metric: str,
    *,
    folds: np.ndarray | None = None,
    fold_average: bool = False,
) -> float:
    """One figure: the metric of all clips pooled, or the mean of the folds' metrics.

    Parameters
    ----------
    truth, predicted : ndarray of int (clips,)
        ``predicted == classes`` is no answer.
    metric : {"accuracy", "macro_f1"}
    fold_average : bool
        Metric of every fold, then their mean, as in the development set-up of DCASE 2018 task 5; needs
        ``folds``.
    """
    whole = np.zeros(len(truth), dtype=np.int64)
    counts = _group_counts(truth, [predicted], whole, classes, folds if fold_average else None)
    return float(_scores(counts, np.ones((1, 1)), metric)[0, 0])


def bootstrap_interval(
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    classes: int,
    metric: str,
    *,
    folds: np.ndarray | None = None,
    fold_average: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a metric by resampling whole groups with replacement.

    In a resample that draws no clip of a class (of a fold), the class has no F1 and is left out of the mean:
    counted as 0, it would pull the interval below the figure itself. A class that the data have no clip of
    counts as 0, as in `score_table`.

    Parameters
    ----------
    truth, predicted : ndarray of int (clips,)
    groups : ndarray (clips,)
        What is drawn: sessions, sources, locations. Numbers or names.
    metric, folds, fold_average
        As in `clip_score`.

    Returns
    -------
    low, high : float
    """
    counts = _group_counts(
        truth, [predicted], group_numbers(groups), classes, folds if fold_average else None
    )
    drawn = _resampled(counts, metric, resamples, seed)[:, 0]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def interval_table(
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    classes: int,
    *,
    folds: np.ndarray | None = None,
    fold_average: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, list[float]]:
    """`bootstrap_interval` of every metric, as a report holds it."""
    groups = group_numbers(groups)
    return {
        metric: list(
            bootstrap_interval(
                truth,
                predicted,
                groups,
                classes,
                metric,
                folds=folds,
                fold_average=fold_average,
                resamples=resamples,
                seed=seed,
            )
        )
        for metric in METRICS
    }


def paired_difference(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray,
    classes: int,
    *,
    metric: str,
    folds: np.ndarray | None = None,
    fold_average: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> PairedDifference:
    """Second system minus first, with an interval from resamples in which both hear the same groups.

    Parameters and resampling as in `bootstrap_interval`.
    """
    folds = folds if fold_average else None
    counts = _group_counts(truth, [first, second], group_numbers(groups), classes, folds)
    both = _scores(counts, np.ones((1, counts.hits.shape[2])), metric)[0]
    drawn = _resampled(counts, metric, resamples, seed)
    differences = drawn[:, 1] - drawn[:, 0]
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(
        float(both[1] - both[0]), float(low), float(high), float(np.mean(differences < 0))
    )


@dataclass(frozen=True)
class _Counts:
    """What every metric is made of, by fold (one fold where all are pooled) and group.

    Attributes
    ----------
    hits, given : ndarray (systems, folds, groups, classes)
        Right answers, and all answers, by class.
    clips : ndarray (folds, groups, classes)
        Clips by true class.
    """

    hits: np.ndarray
    given: np.ndarray
    clips: np.ndarray


def group_numbers(groups: np.ndarray) -> np.ndarray:
    """Numbers from 0 for names of groups; sorting many names takes longer than resampling them."""
    return np.unique(groups, return_inverse=True)[1]


def _group_counts(
    truth: np.ndarray,
    systems: Sequence[np.ndarray],
    groups: np.ndarray,
    classes: int,
    folds: np.ndarray | None,
) -> _Counts:
    if not len(truth):
        raise ValueError("there is no clip to score")
    # A column of its own for "no answer", cut off in the end.
    wide = classes + 1
    fold_numbers = np.zeros(len(truth), dtype=np.int64) if folds is None else group_numbers(folds)
    shape = (int(fold_numbers.max()) + 1, int(groups.max()) + 1, wide)
    cell = (fold_numbers * shape[1] + groups) * wide

    def count(column: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        table = np.bincount((cell + column)[chosen], minlength=int(np.prod(shape)))
        return table.reshape(shape)[..., :classes].astype(np.float64)

    hits = np.stack([count(truth, truth == predicted) for predicted in systems])
    given = np.stack([count(predicted) for predicted in systems])
    return _Counts(hits, given, count(truth))


def _scores(counts: _Counts, weights: np.ndarray, metric: str) -> np.ndarray:
    """Metric of every row of weights (resamples, groups) for every system: (resamples, systems)."""
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r}: known are {', '.join(METRICS)}")
    clips = np.einsum("rg,fgk->rfk", weights, counts.clips, optimize=True)
    columns = []
    for system in range(len(counts.hits)):
        hits = np.einsum("rg,fgk->rfk", weights, counts.hits[system], optimize=True)
        if metric == "accuracy":
            by_fold = _divide(hits.sum(axis=2), clips.sum(axis=2))
        else:
            given = np.einsum("rg,fgk->rfk", weights, counts.given[system], optimize=True)
            f1 = np.where(clips + given > 0, _divide(2 * hits, clips + given), 0.0)
            # A class that the data have, but this resample has not, is left out.
            counted = (clips > 0) | (counts.clips.sum(axis=1) == 0)
            by_fold = _divide(np.sum(np.where(counted, f1, 0.0), axis=2), counted.sum(axis=2))
        heard = clips.sum(axis=2) > 0
        columns.append(_divide(np.sum(np.where(heard, by_fold, 0.0), axis=1), heard.sum(axis=1)))
    return np.stack(columns, axis=1)


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(part / np.maximum(whole, 1))


def _resampled(counts: _Counts, metric: str, resamples: int, seed: int) -> np.ndarray:
    rounds = _drawn_groups(counts.clips.shape[1], resamples, np.random.default_rng(seed))
    return np.concatenate([_scores(counts, weights, metric) for weights in rounds])


def _drawn_groups(groups: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each group is drawn, by resample: some rows at a time, all from one stream of draws."""
    at_a_time = max(1, _CELLS_AT_A_TIME // groups)
    for start in range(0, resamples, at_a_time):
        rows = min(at_a_time, resamples - start)
        places = rng.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        yield np.bincount(places.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)
