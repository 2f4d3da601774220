"""The networks of a run: one per member and fold, and one per member on all folds for the bundle."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from asc_edge.atomic import write_atomically
from asc_edge_train.clips import Clip
from asc_edge_train.features import open_features
from asc_edge_train.fit import TrainingSet, fit_network, infer
from asc_edge_train.models import build_network
from asc_edge_train.recipe import MemberConfig, Recipe, fingerprint
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp

__all__ = ["ALL_FOLDS", "NetworkTask", "class_names", "load_network", "network_tasks", "train_task"]

# The "fold" of the network that ships: it is tested on nothing.
ALL_FOLDS = 0


@dataclass(frozen=True)
class NetworkTask:
    """Everything a worker process needs to train one network.

    Attributes
    ----------
    fold : int
        Fold that is held out, or ``ALL_FOLDS``.
    classes, folds : ndarray of int
        Class and fold of every clip of the table.
    key : str
        What the result depends on.
    """

    member: MemberConfig
    fold: int
    classes: np.ndarray
    folds: np.ndarray
    class_count: int
    features: Path
    output: Path
    seed: list[int]
    key: str

    @property
    def rows(self) -> np.ndarray:
        """Clips to train on."""
        return np.flatnonzero(self.folds != self.fold)

    @property
    def name(self) -> str:
        return f"{self.member.name}-{'all' if self.fold == ALL_FOLDS else f'fold{self.fold}'}"

    @property
    def weights_path(self) -> Path:
        return self.output / f"{self.name}.pt"

    @property
    def answers_path(self) -> Path:
        return self.output / f"{self.name}.npz"

    @property
    def done(self) -> bool:
        return self.weights_path.exists() and is_stamped(self.answers_path, self.key)


def class_names(recipe: Recipe, member: MemberConfig, clips: list[Clip]) -> list[str]:
    """Classes of a member's network: the bundle's labels, or the corpora's fine classes."""
    return list(recipe.labels) if member.target == "label" else sorted({clip.fine for clip in clips})


def network_tasks(
    recipe: Recipe, clips: list[Clip], *, features: Path, output: Path, seed: int, key: str
) -> list[NetworkTask]:
    """Tasks of a run, folds first, so that an interrupted run has figures before it has a bundle."""
    tasks = []
    folds = np.array([clip.fold for clip in clips])
    for fold in [*range(1, recipe.folds + 1), ALL_FOLDS]:
        for number, member in enumerate(recipe.members):
            names = class_names(recipe, member, clips)
            named = [clip.label if member.target == "label" else clip.fine for clip in clips]
            classes = np.array([names.index(name) for name in named])
            tasks.append(
                NetworkTask(
                    member=member,
                    fold=fold,
                    classes=classes,
                    folds=folds,
                    class_count=len(names),
                    features=features,
                    output=output,
                    seed=[seed, number, fold],
                    key=fingerprint(key, member, fold, seed, names, classes.tolist(), folds.tolist()),
                )
            )
    return tasks


def train_task(task: NetworkTask, progress: Callable[[int], None] = lambda epochs: None) -> None:
    """Train one network and keep its weights and what it answers for every clip (variant 0).

    Answers for clips of the training set are kept too (the SVMs are trained on embeddings); which clips a
    network was trained on stands beside them, and stacking refuses those.
    """
    if task.done:
        progress(task.member.training.epochs)
        return
    frames = open_features(task.features, task.member.front_end)
    training = TrainingSet(frames, task.rows, task.classes, task.class_count)
    # The key in its name: a checkpoint of another recipe is never resumed.
    checkpoint = task.output / f"{task.name}-{task.key[:16]}.checkpoint"
    result = fit_network(task.member, training, task.seed, checkpoint=checkpoint, progress=progress)
    buffer = io.BytesIO()
    torch.save(result.network.state_dict(), buffer)
    write_atomically(task.weights_path, buffer.getvalue())
    answers = infer(result.network, frames[0], task.member.floor_db, task.member.kind)
    save_arrays(task.answers_path, answers=answers, trained_on=task.rows, losses=np.array(result.losses))
    stamp(task.answers_path, task.key)
    checkpoint.unlink(missing_ok=True)


def load_network(task: NetworkTask, mels: int) -> nn.Module:
    """The trained network of a task, for inference."""
    network = build_network(task.member.network, mels, task.class_count)
    network.load_state_dict(torch.load(task.weights_path, weights_only=True))
    return network.eval()


def load_answers(task: NetworkTask) -> dict[str, np.ndarray]:
    """``answers`` (clips, outputs) and ``trained_on`` of a finished task."""
    return load_arrays(task.answers_path)
