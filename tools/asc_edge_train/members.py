"""Members of a run: from networks and embeddings to one row of scores per clip.

A member's scores are out-of-fold on the development part, and the final predictor's on the evaluation part.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge.fusion import LinearSvm
from asc_edge_train.clips import Clip
from asc_edge_train.crossval import FoldPart, assemble_out_of_fold, metric_score
from asc_edge_train.networks import ALL_FOLDS, NetworkTask, load_answers
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import MemberConfig, Recipe, fingerprint
from asc_edge_train.storage import is_stamped, load_arrays, read_json, save_arrays, stamp, write_json
from asc_edge_train.svm import EmbeddingSvm, fit_embedding_svm

__all__ = ["MemberScores", "score_member", "svm_path"]

# Raised when the arithmetic in here changes, so that results of an older trainer are made again.
_VERSION = 2


@dataclass(frozen=True)
class MemberScores:
    """What a member says about every clip of the table.

    Attributes
    ----------
    scores : ndarray of shape (clips, outputs), float64
        Posteriors, or decision values.
    svm : LinearSvm or None
        Refit on the whole development part.
    notes : dict
        ``c``, ``c_by_fold``, ``score_by_c``, ``point`` (of the grid), ``score_by_point``, ``seconds``.
    """

    name: str
    scores: np.ndarray
    svm: LinearSvm | None
    key: str
    notes: dict[str, Any] = field(default_factory=dict)


def score_member(
    recipe: Recipe,
    member: MemberConfig,
    clips: list[Clip],
    *,
    tasks: list[NetworkTask],
    embedding: tuple[np.ndarray, str] | None,
    folder: Path,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda fits: None,
) -> MemberScores:
    """Scores of one member for all clips; read back where they stand already.

    Parameters
    ----------
    tasks : list of NetworkTask
        The member's own, finished; empty for a frozen extractor.
    embedding : (ndarray of shape (clips, outputs), str), optional
        A frozen extractor's answers, and what they depend on.
    folder : Path
        Where the results are kept.
    """
    depends = embedding[1] if embedding is not None else [task.key for task in tasks]
    rows = [(clip.clip_id, clip.label, clip.fold, clip.group) for clip in clips]
    svms = (recipe.fusion.c_grid, recipe.fusion.class_weight)
    how = (member.kind, member.final, recipe.metric, svms, recipe.labels)
    key = fingerprint(_VERSION, depends, rows, how)
    path = folder / f"{member.name}.npz"
    notes_path = folder / f"{member.name}.json"
    if not is_stamped(path, key):
        start = time.monotonic()
        truth, folds = _truth(recipe, clips), np.array([clip.fold for clip in clips])
        if member.kind == "posterior":
            scores, svm, notes = _score_posterior(recipe, tasks, clips, truth, folds)
        else:
            if embedding is not None:
                by_fold = dict.fromkeys(range(1, recipe.folds + 1), embedding[0])
                final = embedding[0]
            else:
                answers = {task.fold: load_answers(task)["answers"] for task in tasks}
                by_fold = {fold: answer for fold, answer in answers.items() if fold != ALL_FOLDS}
                final = answers[ALL_FOLDS]
            scores, svm, notes = _score_svm(
                recipe, by_fold, final, clips, truth=truth, parallel=parallel, progress=progress
            )
        notes["seconds"] = round(time.monotonic() - start, 1)
        if svm is not None:
            write_atomically(svm_path(folder, member.name), svm.to_npz())
        save_arrays(path, scores=scores)
        write_json(notes_path, notes)
        stamp(path, key)
    svm = None
    if member.kind != "posterior":
        svm = LinearSvm.from_npz(svm_path(folder, member.name).read_bytes())
    return MemberScores(member.name, load_arrays(path)["scores"], svm, key, read_json(notes_path))


def svm_path(folder: Path, name: str) -> Path:
    """File of a member's SVM, refit on the whole development part."""
    return folder / f"{name}.svm.npz"


def _truth(recipe: Recipe, clips: list[Clip]) -> np.ndarray:
    return np.array([recipe.labels.index(clip.label) for clip in clips])


def _score_posterior(
    recipe: Recipe, tasks: list[NetworkTask], clips: list[Clip], truth: np.ndarray, folds: np.ndarray
) -> tuple[np.ndarray, None, dict[str, Any]]:
    """The best grid point's posteriors, chosen by the folds as the paper does."""
    development = np.flatnonzero(folds > 0)
    candidates = {}
    for point in sorted({task.point for task in tasks}):
        own = [task for task in tasks if task.point == point]
        parts = [
            _fold_part([task for task in own if task.fold == fold]) for fold in range(1, recipe.folds + 1)
        ]
        scores = np.full((len(clips), len(recipe.labels)), np.nan)
        scores[development] = _out_of_fold(parts, clips, development)
        means = [
            metric_score(recipe.metric, truth[folds == fold], scores[folds == fold].argmax(axis=1))
            for fold in range(1, recipe.folds + 1)
        ]
        candidates[point] = (float(np.mean(means)), own, scores)
    best = max(candidates, key=lambda point: (candidates[point][0], -point))
    score, own, scores = candidates[best]
    evaluation = np.flatnonzero(folds == 0)
    if len(evaluation):
        final = [task for task in own if task.fold == ALL_FOLDS] or own
        scores[evaluation] = np.mean([load_answers(task)["answers"][evaluation] for task in final], axis=0)
    by_point = {str(point): value for point, (value, _, _) in candidates.items()}
    return scores, None, {"point": best, "score_by_point": by_point, "score": score}


def _fold_part(repeats: list[NetworkTask]) -> FoldPart:
    """What the networks of one fold answer for it: the mean of all repeats."""
    stored = [load_answers(task) for task in repeats]
    rows = repeats[0].held_out
    mean = np.mean([each["answers"][rows].astype(np.float64) for each in stored], axis=0)
    return FoldPart(stored[0]["trained_on"], rows, mean)


def _out_of_fold(parts: list[FoldPart], clips: list[Clip], development: np.ndarray) -> np.ndarray:
    """Rows of the development part alone, in its order, with in-sample predictions refused."""
    place = np.full(len(clips), -1)
    place[development] = np.arange(len(development))
    moved = [FoldPart(place[part.trained_on], place[part.predicted], part.values) for part in parts]
    return assemble_out_of_fold(moved, [clips[row].group for row in development])


def _score_svm(
    recipe: Recipe,
    by_fold: dict[int, np.ndarray],
    final: np.ndarray,
    clips: list[Clip],
    *,
    truth: np.ndarray,
    parallel: Parallel,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, LinearSvm, dict[str, Any]]:
    folds = np.array([clip.fold for clip in clips])
    development, evaluation = np.flatnonzero(folds > 0), np.flatnonzero(folds == 0)
    found: EmbeddingSvm = fit_embedding_svm(
        {fold: embedding[development] for fold, embedding in by_fold.items()},
        final[development],
        truth[development],
        folds[development],
        grid=recipe.fusion.c_grid,
        class_weight=recipe.fusion.class_weight,
        metric=recipe.metric,
        parallel=parallel,
        progress=progress,
    )
    groups = [clips[row].group for row in development]
    scores = np.full((len(clips), found.parts[0].values.shape[1]), np.nan)
    scores[development] = assemble_out_of_fold(found.parts, groups)
    if len(evaluation):
        scores[evaluation] = found.svm.decision_function(final[evaluation].astype(np.float64))
    notes = {
        "c": found.c,
        "c_by_fold": {str(fold): c for fold, c in found.c_by_fold.items()},
        "score_by_c": {f"{c:g}": score for c, score in found.scores.items()},
    }
    return scores, found.svm, notes
