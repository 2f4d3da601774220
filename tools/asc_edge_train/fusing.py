"""The stages between trained networks and a bundle: member SVMs, stacking, and every figure about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge_train.crossval import FoldPart, assemble_out_of_fold
from asc_edge_train.figures import confusion, score_table
from asc_edge_train.networks import ALL_FOLDS, NetworkTask, load_answers
from asc_edge_train.recipe import MemberConfig, Recipe, fingerprint
from asc_edge_train.run import Run
from asc_edge_train.stacking import choose_fusion_c, fit_fusion, nested_scores, stack
from asc_edge_train.storage import is_stamped, stamp, write_json
from asc_edge_train.svm import fit_embedding_svm, predict_labels

__all__ = ["FusedRun", "fit_count", "fuse"]

# Raised when what is computed here changes, so that results of an older trainer are made again.
_VERSION = 1


@dataclass(frozen=True)
class FusedRun:
    """What ships beside the networks, and the figures."""

    svms: dict[str, LinearSvm]
    fusion: LateFusion
    figures: dict[str, Any]


@dataclass(frozen=True)
class _Member:
    out_of_fold: np.ndarray
    figures: dict[str, Any]
    svm: LinearSvm | None


def fuse(run: Run, progress: Callable[[int], None] = lambda steps: None) -> FusedRun:
    """Member SVMs, late fusion and figures; read back where they stand already."""
    path = run.out / "fusion" / "figures.json"
    key = fingerprint(_VERSION, run.key)
    if not is_stamped(path, key):
        _fuse(run, progress)
        stamp(path, key)
    folder = path.parent
    svms = {
        member.name: LinearSvm.from_npz((folder / f"{member.name}.npz").read_bytes())
        for member in run.recipe.members
        if member.kind == "embedding_svm"
    }
    figures = json.loads(path.read_text(encoding="utf-8"))
    return FusedRun(svms, LateFusion.from_npz((folder / "fusion.npz").read_bytes()), figures)


def _fuse(run: Run, progress: Callable[[int], None]) -> None:
    recipe, folder = run.recipe, run.out / "fusion"
    truth = np.array([recipe.labels.index(clip.label) for clip in run.clips])
    folds = np.array([clip.fold for clip in run.clips])
    members = {member.name: _member(run, member, truth, folds, progress) for member in recipe.members}
    stacked = stack([members[member.name].out_of_fold for member in recipe.members])
    nested = nested_scores(
        stacked, truth, folds, config=recipe.fusion, metric=recipe.metric, progress=progress
    )
    c, scores = choose_fusion_c(stacked, truth, folds, recipe.fusion, recipe.metric)
    fusion = fit_fusion(stacked, truth, folds, c, recipe.fusion)
    predicted = np.argmax(nested.posteriors, axis=1)
    figures = {
        "members": {name: member.figures for name, member in members.items()},
        "fusion": {
            **score_table(truth, predicted, folds, recipe.labels),
            "confusion": confusion(truth, predicted, len(recipe.labels)),
            "c": c,
            "c_by_fold": {str(fold): value for fold, value in nested.c_by_fold.items()},
            "score_by_c": {f"{value:g}": score for value, score in scores.items()},
            "log_loss": _log_loss(nested.posteriors, truth),
        },
    }
    for name, member in members.items():
        if member.svm is not None:
            write_atomically(folder / f"{name}.npz", member.svm.to_npz())
    write_atomically(folder / "fusion.npz", fusion.to_npz())
    write_json(folder / "figures.json", figures)


def _member(
    run: Run, member: MemberConfig, truth: np.ndarray, folds: np.ndarray, progress: Callable[[int], None]
) -> _Member:
    tasks = {task.fold: task for task in run.tasks if task.member.name == member.name}
    groups = [clip.group for clip in run.clips]
    if member.kind == "posterior":
        parts = [_fold_part(tasks[fold]) for fold in sorted(tasks) if fold != ALL_FOLDS]
        values = assemble_out_of_fold(parts, groups)
        figures = score_table(truth, np.argmax(values, axis=1), folds, run.recipe.labels)
        return _Member(values, figures, None)
    answers = {fold: load_answers(task)["answers"] for fold, task in tasks.items()}
    found = fit_embedding_svm(
        {fold: answer for fold, answer in answers.items() if fold != ALL_FOLDS},
        answers[ALL_FOLDS],
        truth,
        folds,
        grid=run.recipe.fusion.c_grid,
        class_weight=run.recipe.fusion.class_weight,
        metric=run.recipe.metric,
        progress=progress,
    )
    values = assemble_out_of_fold(found.parts, groups)
    figures = score_table(truth, predict_labels(values), folds, run.recipe.labels)
    figures["c"] = found.c
    figures["c_by_fold"] = {str(fold): c for fold, c in found.c_by_fold.items()}
    figures["score_by_c"] = {f"{c:g}": score for c, score in found.scores.items()}
    return _Member(values, figures, found.svm)


def _fold_part(task: NetworkTask) -> FoldPart:
    stored = load_answers(task)
    predicted = np.flatnonzero(task.folds == task.fold)
    return FoldPart(stored["trained_on"], predicted, stored["answers"][predicted].astype(np.float64))


def _log_loss(posteriors: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.mean(np.log(np.maximum(posteriors[np.arange(len(truth)), truth], 1e-12))))


def fit_count(recipe: Recipe) -> int:
    """Steps that `fuse` reports."""
    members = sum(member.kind == "embedding_svm" for member in recipe.members)
    return members * recipe.folds * len(recipe.fusion.c_grid) + recipe.folds
