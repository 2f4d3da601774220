"""Out-of-fold predictions, and the choice of C by folds, with in-sample predictions refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from asc_edge.errors import UsageError

__all__ = ["FoldPart", "InSampleError", "assemble_out_of_fold", "choose_c", "metric_score"]


class InSampleError(UsageError, ValueError):
    """Predictions for clips that the predictor was trained on were given as out-of-fold predictions."""


@dataclass(frozen=True)
class FoldPart:
    """What one fold's predictor answers for clips that it never heard.

    Attributes
    ----------
    trained_on, predicted : ndarray of int
        Rows of the clip table.
    values : ndarray of shape (len(predicted), outputs)
        Posteriors or decision values.
    """

    trained_on: np.ndarray
    predicted: np.ndarray
    values: np.ndarray


def assemble_out_of_fold(parts: Sequence[FoldPart], groups: Sequence[str]) -> np.ndarray:
    """One row per clip, each from a predictor that heard neither the clip nor its recording.

    Raises
    ------
    InSampleError
        When a predictor was trained on a clip it predicts, or on another clip of the same recording.
    UsageError
        When a clip is predicted never or twice.
    """
    names = np.asarray(groups)
    out = np.full((len(names), parts[0].values.shape[1]), np.nan)
    for number, part in enumerate(parts, start=1):
        heard = np.intersect1d(names[part.trained_on], names[part.predicted])
        if len(heard):
            raise InSampleError(
                f"fold {number}: recording {heard[0]!r} was in the training set of the network that "
                "predicts it; only out-of-fold predictions may be stacked"
            )
        if not np.isnan(out[part.predicted]).all():
            raise UsageError(f"fold {number}: predicts a clip that another fold has predicted")
        out[part.predicted] = part.values
    if np.isnan(out).any():
        raise UsageError(f"clip {int(np.argwhere(np.isnan(out))[0, 0])} has no out-of-fold prediction")
    return out


def metric_score(metric: str, truth: np.ndarray, predicted: np.ndarray) -> float:
    """``macro_f1`` or ``accuracy`` of class numbers."""
    if metric == "accuracy":
        return float(accuracy_score(truth, predicted))
    return float(f1_score(truth, predicted, average="macro", zero_division=0.0))


def choose_c(
    grid: Sequence[float], folds: np.ndarray, score: Callable[[float, int], float]
) -> tuple[float, dict[float, float]]:
    """The C with the best mean score over the folds (paper section on SVMs); the smallest of several such.

    Parameters
    ----------
    score : callable
        ``score(c, fold)`` of an SVM that was trained on the other folds.
    """
    means = {c: float(np.mean([score(c, int(fold)) for fold in np.unique(folds)])) for c in sorted(grid)}
    return max(means, key=lambda c: (means[c], -c)), means
