"""How far posteriors can be believed: expected calibration error, and what a reliability diagram shows.

Top-label calibration: of all clips that are answered with a confidence of 0.8, 80 % should be right. Bins
hold equally many clips (equal mass), or are equally wide; the former doesn't hang on near-empty bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from asc_edge_train.figures import group_numbers

__all__ = ["BINS", "Reliability", "are_posteriors", "calibration_table", "expected_error", "reliability"]

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Bins by confidence, from the least to the most; empty ones are left out.

    Attributes
    ----------
    confidence, accuracy, weight : ndarray (bins,)
        Mean confidence, share of right answers, and share of all clips.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    weight: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, by weight."""
        return float(np.sum(self.weight * np.abs(self.confidence - self.accuracy)))


def are_posteriors(scores: np.ndarray) -> bool:
    """Whether scores (clips, labels) are posteriors: not negative, rows summing to 1. Rows of NaN don't "
    "count."""
    rows = scores[~np.isnan(scores).any(axis=1)]
    return bool(len(rows) and (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1.0, atol=1e-3))


def reliability(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    bins: int = BINS,
    equal_mass: bool = True,
    weights: np.ndarray | None = None,
) -> Reliability:
    """Bins of answers by their confidence.

    Parameters
    ----------
    confidence : ndarray (clips,)
        The highest posterior of each clip.
    right : ndarray of bool (clips,)
        Whether its label is the clip's.
    equal_mass : bool
        Bins of equally many clips, not of equal width.
    weights : ndarray (clips,), optional
        How much each clip counts; bins of equal mass hold equal weight.
    """
    if not len(confidence):
        raise ValueError("there is no clip to measure calibration on")
    weights = np.ones(len(confidence)) if weights is None else np.asarray(weights, dtype=np.float64)
    if equal_mass:
        order = np.argsort(confidence, kind="stable")
        middle = np.cumsum(weights[order]) - weights[order] / 2
        numbers = np.empty(len(confidence), dtype=np.int64)
        numbers[order] = np.minimum((middle / weights.sum() * bins).astype(np.int64), bins - 1)
    else:
        # The upper edge belongs to a bin: a confidence of exactly 1 is in the last.
        numbers = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    mass = np.bincount(numbers, weights, bins)
    used = mass > 0
    mean = np.bincount(numbers, weights * confidence, bins)[used] / mass[used]
    share = np.bincount(numbers, weights * right, bins)[used] / mass[used]
    return Reliability(mean, share, mass[used] / mass.sum())


def expected_error(
    posteriors: np.ndarray,
    truth: np.ndarray,
    *,
    bins: int = BINS,
    equal_mass: bool = True,
    weights: np.ndarray | None = None,
) -> float:
    """Expected calibration error of posteriors (clips, labels); clips without an answer are left out."""
    confidence, right, kept = _top(posteriors, truth)
    chosen = None if weights is None else weights[kept]
    return reliability(confidence, right, bins=bins, equal_mass=equal_mass, weights=chosen).error


def calibration_table(
    posteriors: np.ndarray, truth: np.ndarray, groups: np.ndarray, *, resamples: int = 200, seed: int = 0
) -> dict[str, Any]:
    """What a report says of posteriors' calibration.

    Parameters
    ----------
    posteriors : ndarray (clips, labels)
        Out of fold.
    truth : ndarray of int (clips,)
    groups : ndarray (clips,)
        Whole groups are drawn for the interval.

    Returns
    -------
    dict
        ``ece`` (equal mass) with ``ece_interval``, ``ece_equal_width``, ``ece_balanced`` (equal mass, every
        label weighing the same), ``confidence``, ``accuracy``, and ``bins`` with ``confidence``,
        ``accuracy`` and ``weight`` of the bins of equal mass. Resamples have bins of their own, whose noise
        adds to the error: the interval lies a little high.
    """
    confidence, right, kept = _top(posteriors, truth)
    balanced = 1.0 / np.bincount(truth[kept])[truth[kept]]
    drawn = _resampled_errors(confidence, right, group_numbers(np.asarray(groups)[kept]), resamples, seed)
    found = reliability(confidence, right)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "ece": found.error,
        "ece_interval": [float(low), float(high)],
        "ece_equal_width": reliability(confidence, right, equal_mass=False).error,
        "ece_balanced": reliability(confidence, right, weights=balanced).error,
        "confidence": float(confidence.mean()),
        "accuracy": float(right.mean()),
        "bins": {
            "confidence": found.confidence.tolist(),
            "accuracy": found.accuracy.tolist(),
            "weight": found.weight.tolist(),
        },
    }


def _top(posteriors: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = ~np.isnan(posteriors).any(axis=1)
    values = posteriors[kept].astype(np.float64)
    return values.max(axis=1, initial=0.0), values.argmax(axis=1) == truth[kept], kept


def _resampled_errors(
    confidence: np.ndarray, right: np.ndarray, groups: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    rng, count = np.random.default_rng(seed), int(groups.max()) + 1
    errors = np.empty(resamples)
    for number in range(resamples):
        times = np.bincount(rng.integers(count, size=count), minlength=count)[groups]
        rows = np.repeat(np.arange(len(groups)), times)
        errors[number] = reliability(confidence[rows], right[rows]).error
    return errors
