"""The networks of a run: one per member, grid point and fold, and one on all folds where one is asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from asc_edge.atomic import write_atomically
from asc_edge_train.clips import Clip
from asc_edge_train.features import Features, open_features
from asc_edge_train.fit import TrainingSet, fit_network, infer
from asc_edge_train.models import build_network
from asc_edge_train.models.weights import half_state
from asc_edge_train.recipe import MemberConfig, Recipe, fingerprint
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp, write_json

__all__ = [
    "ALL_FOLDS",
    "HeldOut",
    "NetworkTask",
    "Taught",
    "answer_frames",
    "class_names",
    "clip_classes",
    "fold_name",
    "load_answers",
    "load_history",
    "load_network",
    "network_path",
    "network_tasks",
    "train_task",
]

# The "fold" of the network that ships: it is tested on nothing.
ALL_FOLDS = 0


@dataclass(frozen=True)
class Taught:
    """What a student is taught.

    Attributes
    ----------
    path : Path
        Arrays (clips, classes) by `fold_name`; NaN for clips that the student must
        not learn from.
    key : str
        What they depend on.
    """

    path: Path
    key: str


class HeldOut:
    """Clips of a table of which one fold is held out.

    Attributes
    ----------
    fold : int
        The one that is held out, or ``ALL_FOLDS``.
    folds : ndarray of int
        Of every clip; fold 0 is the evaluation part.
    """

    fold: int
    folds: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Clips to train or calibrate on."""
        return np.flatnonzero((self.folds != self.fold) & (self.folds > 0))

    @property
    def held_out(self) -> np.ndarray:
        """Clips of the fold that is held out; none where all folds are heard."""
        return np.flatnonzero((self.folds == self.fold) & (self.folds > 0))


@dataclass(frozen=True)
class NetworkTask(HeldOut):
    """Everything a worker process needs to train one network.

    Attributes
    ----------
    member : MemberConfig
        At one point of its grid.
    point, repeat : int
        Which point, and which network there, from 0.
    fold : int
        Fold that is held out, or ``ALL_FOLDS``.
    classes, folds : ndarray of int
        Class and fold of every clip of the table; fold 0 is the evaluation part.
    key : str
        What the result depends on.
    taught : Path, optional
        Arrays of what a student's teachers say; see `asc_edge_train.teaching`.
    """

    member: MemberConfig
    point: int
    repeat: int
    fold: int
    classes: np.ndarray
    folds: np.ndarray
    class_count: int
    features: Features
    output: Path
    weights: Path
    seed: list[int]
    key: str
    taught: Path | None = None

    @property
    def name(self) -> str:
        return _task_name(self.member.name, self.point, self.fold, self.repeat)

    @property
    def epochs(self) -> int:
        assert self.member.training is not None
        return self.member.training.epochs

    @property
    def weights_path(self) -> Path:
        return network_path(self.output, self.member.name, self.point, self.fold, self.repeat)

    @property
    def answers_path(self) -> Path:
        return self.output / f"{self.name}.npz"

    @property
    def history_path(self) -> Path:
        return self.output / f"{self.name}.history.json"

    @property
    def done(self) -> bool:
        return self.weights_path.exists() and is_stamped(self.answers_path, self.key)


def network_path(folder: Path, name: str, point: int, fold: int, repeat: int = 0) -> Path:
    """File of a trained network's weights."""
    return folder / f"{_task_name(name, point, fold, repeat)}.pt"


def _task_name(name: str, point: int, fold: int, repeat: int) -> str:
    parts = [name, f"p{point}" if point else "", f"r{repeat}" if repeat else ""]
    return "-".join([*(part for part in parts if part), fold_name(fold)])


def fold_name(fold: int) -> str:
    """How files and arrays name the network that doesn't hear a fold, or hears all."""
    return "all" if fold == ALL_FOLDS else f"fold{fold}"


def class_names(recipe: Recipe, member: MemberConfig, clips: list[Clip]) -> list[str]:
    """Classes of a member's network: the labels, or the corpora's fine classes."""
    return list(recipe.labels) if member.target == "label" else sorted({clip.fine for clip in clips})


def clip_classes(recipe: Recipe, member: MemberConfig, clips: list[Clip]) -> tuple[list[str], np.ndarray]:
    """Classes of a member's network, and the number of every clip's."""
    names = class_names(recipe, member, clips)
    named = [clip.label if member.target == "label" else clip.fine for clip in clips]
    return names, np.array([names.index(name) for name in named])


def network_tasks(
    recipe: Recipe,
    clips: list[Clip],
    *,
    features: dict[str, Features],
    output: Path,
    weights: Path,
    seed: int,
    taught: Mapping[str, Taught] = MappingProxyType({}),
) -> list[NetworkTask]:
    """Tasks of a run, folds first, so that an interrupted run has figures before it has a bundle.

    Parameters
    ----------
    taught : mapping
        What every student is taught.
    """
    folds = np.array([clip.fold for clip in clips])
    tasks = []
    for fold in [*range(1, recipe.folds + 1), ALL_FOLDS]:
        for member in recipe.members:
            if not member.trained or (fold == ALL_FOLDS and member.final == "fold_mean"):
                continue
            names, classes = clip_classes(recipe, member, clips)
            frames = features[member.front_end]
            lessons = taught.get(member.name)
            for point, chosen in enumerate(member.points()):
                for repeat in range(member.repeats):
                    task_seed = [seed, member.number, fold, *([repeat] if repeat else [])]
                    depends = (frames.key, _what(chosen), task_seed, names, classes.tolist(), folds.tolist())
                    if lessons is not None:
                        assert member.teaching is not None
                        depends = (*depends, lessons.key, member.teaching.weight)
                    tasks.append(
                        NetworkTask(
                            member=chosen,
                            point=point,
                            repeat=repeat,
                            fold=fold,
                            classes=classes,
                            folds=folds,
                            class_count=len(names),
                            features=frames,
                            output=output,
                            weights=weights,
                            seed=task_seed,
                            key=fingerprint(*depends),
                            taught=None if lessons is None else lessons.path,
                        )
                    )
    return tasks


def _what(member: MemberConfig) -> tuple[Any, ...]:
    """What of a member its networks depend on."""
    assert member.training is not None
    how = member.training.described()
    rounded = ("half precision",) if member.half_precision else ()
    fed = ("fed level",) if member.fed == "level" else ()
    return (member.kind, member.target, member.floor_db, member.network, how, *rounded, *fed)


def train_task(task: NetworkTask, progress: Callable[[int], None] = lambda epochs: None) -> None:
    """Train one network and keep its weights, its history, and what it answers for every clip.

    Answers for clips of the training set are kept too (the SVMs are trained on embeddings); which clips a
    network was trained on stands beside them, and stacking refuses those.
    """
    if task.done:
        progress(task.epochs)
        return
    frames = open_features(task.features)
    assert task.member.training is not None
    views = len(frames) if task.member.training.variants else task.features.plain_views
    training = TrainingSet(
        frames[:views],
        task.rows,
        task.classes,
        task.class_count,
        task.held_out,
        weights_root=task.weights,
        taught=None if task.taught is None else load_arrays(task.taught)[fold_name(task.fold)],
    )
    # The key in its name: a checkpoint of another recipe is never resumed.
    checkpoint = task.output / f"{task.name}-{task.key[:16]}.checkpoint"
    records: list[dict[str, Any]] = []

    def follow(record: dict[str, Any]) -> None:
        records.append(record)
        write_json(task.history_path, records)

    result = fit_network(
        task.member, training, task.seed, checkpoint=checkpoint, progress=progress, on_epoch=follow
    )
    write_json(task.history_path, result.history)
    half = task.member.half_precision
    state = half_state(result.network) if half else result.network.state_dict()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(task.weights_path, buffer.getvalue())
    answers = answer_frames(result.network, task.member, frames[: task.features.plain_views])
    save_arrays(task.answers_path, answers=answers, trained_on=task.rows, losses=np.array(result.losses))
    stamp(task.answers_path, task.key)
    checkpoint.unlink(missing_ok=True)


def answer_frames(network: nn.Module, member: MemberConfig, views: np.ndarray) -> np.ndarray:
    """Answers (clips, outputs) of a network to views (views, clips, mels, frames): the views' mean."""
    assert member.training is not None
    answers = [
        infer(
            network,
            view,
            member.floor_db,
            member.kind,
            shifts=member.training.answer_shifts,
            fed=member.fed,
        )
        for view in views
    ]
    return np.mean(answers, axis=0) if len(answers) > 1 else answers[0]


def load_network(task: NetworkTask, mels: int) -> nn.Module:
    """The trained network of a task, for inference."""
    network = build_network(task.member.network, mels, task.class_count, pretrained=False)
    network.load_state_dict(torch.load(task.weights_path, weights_only=True))
    return network.eval()


def load_answers(task: NetworkTask) -> dict[str, np.ndarray]:
    """``answers`` (clips, outputs) and ``trained_on`` of a finished task."""
    return load_arrays(task.answers_path)


def load_history(task: NetworkTask) -> list[dict[str, Any]]:
    """What was noted of every epoch of a network's training, or nothing yet."""
    try:
        stored = json.loads(task.history_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return stored if isinstance(stored, list) else []
