"""The model card of a bundle: what it was trained on, how good it is, its variants, and its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from asc_edge_train.calibration import calibration_table
from asc_edge_train.clips import licence_family
from asc_edge_train.figures import answers, clip_score, confusion, score_table
from asc_edge_train.frozen import foreign_networks
from asc_edge_train.fusing import FusedScores
from asc_edge_train.rejection import shipped_threshold
from asc_edge_train.run import Run

__all__ = ["model_card"]


def model_card(run: Run, fused: FusedScores, variants: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The manifest's ``card``.

    Parameters
    ----------
    variants : sequence of dict
        The measured row of every variant that the system is shipped in; empty where it wasn't measured.
    """
    clips = [clip for clip in run.clips if clip.part == "development"]
    return {
        "data": {
            "clips": len(clips),
            "groups": len({clip.group for clip in clips}),
            "corpora": dict(sorted(Counter(clip.corpus for clip in clips).items())),
            "licences": dict(sorted(Counter(licence_family(clip.licence) for clip in clips).items())),
        },
        "figures": _figures(run, fused),
        **_belief(run, fused),
        "variants": list(variants),
        "limits": [*_limits(run, variants), *foreign_networks(run, fused.name)],
    }


def _belief(run: Run, fused: FusedScores) -> dict[str, Any]:
    """Calibration out of fold, and where the recipe asks for it, below which posterior a sound is unknown."""
    rows = np.array([clip.part == "development" for clip in run.clips])
    posteriors, recall = fused.posteriors[rows], run.recipe.unknown_recall
    clips = [clip for clip in run.clips if clip.part == "development"]
    truth = np.array([run.recipe.labels.index(clip.label) for clip in clips])
    table = calibration_table(posteriors, truth, np.array([clip.group for clip in clips]))
    kept = {name: table[name] for name in ("ece", "ece_interval", "ece_equal_width", "ece_balanced")}
    below = shipped_threshold(posteriors, recall) if recall else None
    rejection = {} if below is None else {"rejection": {"unknown_below": below, "recall": recall}}
    return {"calibration": kept, **rejection}


def _figures(run: Run, fused: FusedScores) -> dict[str, Any]:
    """Out-of-fold figures of the system that ships, as it was trained."""
    labels, recipe = run.recipe.labels, run.recipe
    rows = np.array([clip.part == "development" for clip in run.clips])
    truth = np.array([labels.index(clip.label) for clip in run.clips])[rows]
    folds = np.array([clip.fold for clip in run.clips])[rows]
    predicted = answers(fused.posteriors[rows])
    table = score_table(truth, predicted, folds, labels)
    whole = {
        metric: clip_score(
            truth, predicted, len(labels), metric, folds=folds, fold_average=recipe.fold_average
        )
        for metric in ("macro_f1", "accuracy")
    }
    return {
        "protocol": recipe.protocol,
        "by_fold": [{"fold": int(fold), **row} for fold, row in table["per_fold"].items()],
        **whole,
        "per_class_f1": {label: row["f1"] for label, row in table["per_class"].items()},
        "confusion": {"labels": list(labels), "counts": confusion(truth, predicted, len(labels))},
    }


def _limits(run: Run, variants: Sequence[dict[str, Any]]) -> list[str]:
    limits = list(run.recipe.caveats)
    if run.recipe.labels_not_covered:
        limits.append(f"Never heard, and so never answered: {', '.join(run.recipe.labels_not_covered)}.")
    if run.options.smoke:
        limits.append("A smoke run on a few clips: it shows that every stage works, and knows nothing.")
    for row in variants:
        if not row.get("passed", True) and row.get("shipped", True):
            limits.append(f"{row['variant']} failed the accuracy gate and was shipped all the same.")
    return limits
