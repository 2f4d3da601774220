"""Distillation: what members of a recipe teach another one, the student.

A student learns each clip's label and, beside it, what its teachers make of the clip: posteriors that say
which other classes it could have been (Hinton, Vinyals and Dean 2015, section 2). Teachers may be far too
large for the device, and may have learned from what can't be shipped; only what they say is used.

Nothing of a held-out fold may reach the student that is scored on it, on no way round its teachers. So each
fold's student has teachers of its own, that never heard the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from asc_edge_train.networks import ALL_FOLDS, NetworkTask, Taught, fold_name, load_answers
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import MemberConfig, TeachingConfig, fingerprint
from asc_edge_train.storage import is_stamped, save_arrays, stamp, stamped_key

__all__ = ["Teacher", "kept_lessons", "lesson_count", "make_targets"]

# Raised when the arithmetic in here changes.
_VERSION = 1
_LEAST_POSTERIOR = 1e-6


@dataclass(frozen=True)
class Teacher:
    """A member that teaches: a trained one by its networks, or a frozen one by its embeddings.

    Attributes
    ----------
    tasks : sequence of NetworkTask
        The fold networks of a trained teacher, finished.
    embedding : ndarray of shape (clips, outputs), optional
        A frozen teacher's.
    key : str
        What its embedding depends on.
    """

    tasks: Sequence[NetworkTask] = ()
    embedding: np.ndarray | None = None
    key: str = ""


def make_targets(
    member: MemberConfig,
    teachers: Mapping[str, Teacher],
    classes: np.ndarray,
    folds: np.ndarray,
    *,
    folder: Path,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda lessons: None,
) -> Taught:
    """Posteriors (clips, classes) of a student's teachers, for each fold; read back where they stand already.

    A trained teacher's are those of its network for the student's fold, and for the student that hears all
    folds, out of fold. A frozen teacher's are those of a logistic regression on its embedding, which has
    heard neither the student's fold nor, unless the recipe says ``own_clips``, the clip's own. Several
    teachers' are averaged.

    Parameters
    ----------
    member : MemberConfig
        The student.
    classes, folds : ndarray of int (clips,)
        Class, of those the student tells apart, and fold of every clip; fold 0 is the evaluation part.
    folder : Path
        Where the result is kept.
    progress : callable
        Told of lessons done: one for each teacher and fold, `lesson_count` in all.
    """
    config = member.teaching
    assert config is not None
    sources = [teacher.key or [task.key for task in teacher.tasks] for teacher in teachers.values()]
    how = ("own clips",) if config.own_clips else ()
    key = fingerprint(_VERSION, sources, config.temperature, config.c, classes.tolist(), folds.tolist(), *how)
    path = _path(folder, member)
    if not is_stamped(path, key):
        held_out = [*sorted(set(folds.tolist()) - {0}), ALL_FOLDS]
        pieces = [
            (teacher, config, classes, folds, fold) for fold in held_out for teacher in teachers.values()
        ]
        answers = []
        for posteriors in parallel.map(_posteriors, pieces):
            answers.append(posteriors)
            progress(1)
        count = len(teachers)
        arrays = {
            fold_name(fold): _softened(answers[number * count : (number + 1) * count], config.temperature)
            for number, fold in enumerate(held_out)
        }
        save_arrays(path, **arrays)
        stamp(path, key)
    else:
        progress(lesson_count(len(teachers), folds))
    return Taught(path, key)


def lesson_count(teachers: int, folds: np.ndarray) -> int:
    """Lessons that a student is given: by each teacher, one for each fold held out, and one for none."""
    return teachers * (len(set(folds.tolist()) - {0}) + 1)


def kept_lessons(members: Iterable[MemberConfig], folder: Path) -> dict[str, Taught]:
    """What the students among a finished run's members were taught."""
    paths = {member.name: _path(folder, member) for member in members if member.teaching is not None}
    return {name: Taught(path, stamped_key(path) or "") for name, path in paths.items()}


def _path(folder: Path, student: MemberConfig) -> Path:
    return folder / f"{student.name}.npz"


def _softened(answers: Sequence[np.ndarray], temperature: float) -> np.ndarray:
    """Mean posteriors, those of unlikely classes raised: to the power 1 / temperature."""
    mean = np.maximum(np.mean(answers, axis=0), _LEAST_POSTERIOR) ** (1.0 / temperature)
    soft: np.ndarray = (mean / mean.sum(axis=1, keepdims=True)).astype(np.float32)
    return soft


def _posteriors(piece: tuple[Teacher, TeachingConfig, np.ndarray, np.ndarray, int]) -> np.ndarray:
    teacher, config, classes, folds, fold = piece
    if teacher.embedding is not None:
        return _fitted(teacher.embedding, classes, folds, fold, config)
    posteriors = np.full((len(folds), classes.max() + 1), np.nan)
    if fold == ALL_FOLDS:
        for task in teacher.tasks:
            if task.fold != ALL_FOLDS:
                posteriors[task.held_out] = load_answers(task)["answers"][task.held_out]
        return posteriors
    (task,) = (task for task in teacher.tasks if task.fold == fold)
    heard = (folds != fold) & (folds > 0)
    posteriors[heard] = load_answers(task)["answers"][heard]
    return posteriors


def _fitted(
    embedding: np.ndarray, classes: np.ndarray, folds: np.ndarray, fold: int, config: TeachingConfig
) -> np.ndarray:
    """Posteriors of clips by regressions that didn't hear the fold that is held out."""
    posteriors = np.full((len(folds), classes.max() + 1), np.nan)
    heard = (folds != fold) & (folds > 0)
    if config.own_clips:
        pieces = [(heard, heard)]
    else:  # nor the clip's own fold
        pieces = [(heard & (folds != own), heard & (folds == own)) for own in np.unique(folds[heard])]
    for train, test in pieces:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=config.c, max_iter=1000))
        model.fit(embedding[train], classes[train])
        # A class may lie in one fold alone: nobody then says anything about it.
        posteriors[test] = 0.0
        posteriors[np.ix_(np.flatnonzero(test), model.classes_)] = model.predict_proba(embedding[test])
    return posteriors
