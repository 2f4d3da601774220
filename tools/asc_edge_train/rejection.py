"""Telling sounds that a system was trained on from those that it wasn't: scores, a threshold, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from asc_edge_train.calibration import are_posteriors
from asc_edge_train.figures import group_numbers

__all__ = [
    "KNOWN_RECALL",
    "SCORES",
    "activity_score",
    "choose_threshold",
    "energy",
    "known_score",
    "rejection_table",
    "rejection_text",
    "shipped_threshold",
]

# Share of known clips that must pass for known.
KNOWN_RECALL = 0.95
SCORES = ("max_posterior", "margin", "negative_entropy")
# Posteriors of 0 have no logarithm.
_LEAST = 1e-12


def known_score(posteriors: np.ndarray, score: str = "max_posterior") -> np.ndarray:
    """How well known each clip is, (clips,): the higher, the better. A row of NaN is as unknown as can be.

    Parameters
    ----------
    posteriors : ndarray (clips, labels)
    score : {"max_posterior", "margin", "negative_entropy"}
        The highest posterior, which is what a device looks at; its lead over the second, in logarithms; or
        how little the posteriors are spread.
    """
    filled = np.maximum(np.nan_to_num(posteriors.astype(np.float64)), _LEAST)
    if score == "max_posterior":
        return np.asarray(filled.max(axis=1))
    if score == "margin":
        first, second = np.sort(np.log(filled), axis=1)[:, -2:].T[::-1]
        return np.asarray(first - second)
    if score == "negative_entropy":
        return np.asarray(np.sum(filled * np.log(filled), axis=1))
    raise ValueError(f"score {score!r}: known are {', '.join(SCORES)}")


def activity_score(posteriors: np.ndarray, other: int) -> np.ndarray:
    """The highest posterior of an activity, (clips,): of the labels but the one for none of them."""
    return np.asarray(np.delete(posteriors, other, axis=1).max(axis=1))


def energy(decision: np.ndarray) -> np.ndarray:
    """Free energy of decision values (clips, labels), its sign changed: the higher, the better known."""
    highest = decision.max(axis=1)
    return np.asarray(highest + np.log(np.exp(decision - highest[:, None]).sum(axis=1)))


def choose_threshold(known: np.ndarray, recall: float = KNOWN_RECALL) -> float:
    """The highest threshold that at least this share of known clips reaches."""
    if not len(known):
        raise ValueError("there is no known clip to choose a threshold by")
    lost = int(np.floor((1.0 - recall) * len(known) + 1e-9))
    return float(np.sort(known)[lost])


def shipped_threshold(posteriors: np.ndarray, recall: float = KNOWN_RECALL) -> float | None:
    """``unknown_below`` of out-of-fold posteriors; None where these tell nothing (scores, or always "
    "equal)."""
    if not are_posteriors(posteriors):
        return None
    threshold = choose_threshold(known_score(posteriors), recall)
    # What a manifest can hold; see `asc_edge.manifest`.
    return threshold if 1.0 / posteriors.shape[1] < threshold < 1.0 else None


def rejection_table(
    known: np.ndarray,
    unknown: np.ndarray,
    *,
    known_groups: Sequence[str] | np.ndarray,
    unknown_groups: Sequence[str] | np.ndarray,
    threshold: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """How well scores tell known clips from unknown ones.

    Parameters
    ----------
    known, unknown : ndarray (clips,)
        Scores, high for known.
    known_groups, unknown_groups : sequence (clips,)
        Whole groups are drawn for the interval.
    threshold : float, optional
        One that was chosen on other clips, a bundle's, say.

    Returns
    -------
    dict
        ``auroc`` with ``auroc_interval``; ``fpr_at_95_recall``, the share of unknown clips that pass for
        known at the threshold which 95 % of these known clips reach; ``known_clips``, ``unknown_clips``; and
        with a ``threshold``: itself, ``recall`` and ``fpr`` at it.
    """
    found: dict[str, Any] = {
        "auroc": _area(known, unknown),
        "auroc_interval": _interval(
            known,
            unknown,
            group_numbers(np.asarray(known_groups)),
            group_numbers(np.asarray(unknown_groups)),
            resamples=resamples,
            seed=seed,
        ),
        "fpr_at_95_recall": float(np.mean(unknown >= choose_threshold(known))),
        "known_clips": len(known),
        "unknown_clips": len(unknown),
    }
    if threshold is not None:
        found |= {
            "threshold": threshold,
            "recall": float(np.mean(known >= threshold)),
            "fpr": float(np.mean(unknown >= threshold)),
        }
    return found


def rejection_text(row: Mapping[str, Any]) -> str:
    """The figures of `rejection_table` in words."""
    interval = row["auroc_interval"]
    within = f" ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})" if interval else ""
    return (
        f"AUROC {100 * row['auroc']:.1f} %{within}; {100 * row['fpr_at_95_recall']:.1f} % of "
        f"{row['unknown_clips']} unknown pass for known where 95 % of {row['known_clips']} known do"
    )


def _area(known: np.ndarray, unknown: np.ndarray) -> float:
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    return float(roc_auc_score(truth, np.concatenate([known, unknown])))


def _interval(
    known: np.ndarray,
    unknown: np.ndarray,
    known_groups: np.ndarray,
    unknown_groups: np.ndarray,
    *,
    resamples: int,
    seed: int,
) -> list[float] | None:
    """Percentile interval of the area; None where either side is a single recording."""
    counts = (int(known_groups.max()) + 1, int(unknown_groups.max()) + 1)
    if min(counts) < 2:
        return None
    # The area is the mean over pairs of clips, and so a sum over pairs of groups.
    above = _pairs_above(known, unknown, known_groups, unknown_groups, counts)
    sizes = (np.bincount(known_groups), np.bincount(unknown_groups))
    rng, areas = np.random.default_rng(seed), np.empty(resamples)
    for number in range(resamples):
        times = [np.bincount(rng.integers(count, size=count), minlength=count) for count in counts]
        areas[number] = times[0] @ above @ times[1] / ((times[0] @ sizes[0]) * (times[1] @ sizes[1]))
    low, high = np.quantile(areas, [0.025, 0.975])
    return [float(low), float(high)]


def _pairs_above(
    known: np.ndarray,
    unknown: np.ndarray,
    known_groups: np.ndarray,
    unknown_groups: np.ndarray,
    counts: tuple[int, int],
) -> np.ndarray:
    """Pairs in which the known clip scores higher (ties count half), by their groups."""
    above = np.zeros(counts)
    for score, group in zip(unknown, unknown_groups, strict=True):
        higher = (known > score) + 0.5 * (known == score)
        above[:, group] += np.bincount(known_groups, higher, counts[0])
    return above
