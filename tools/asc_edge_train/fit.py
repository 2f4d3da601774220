"""Training one network: mini-batches, schedules, weight averages, and a history of every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asc_edge.window import LEVEL_DB_PER_UNIT
from asc_edge_train.arithmetic import Precision, deterministic, pick_device, pick_precision
from asc_edge_train.augment import augment_frames, augment_pictures, draw_epoch
from asc_edge_train.crossval import metric_score
from asc_edge_train.features import network_input
from asc_edge_train.fit_state import FitState
from asc_edge_train.models import build_network
from asc_edge_train.recipe import MemberConfig
from asc_edge_train.schedule import learning_rate
from asc_edge_train.training_config import TrainingConfig

__all__ = ["FitResult", "TrainingSet", "fit_network", "infer"]

CHECKPOINT_EVERY = 4
_BATCH = 64
# Posteriors below it count as this, in the loss of held-out clips.
_LEAST_POSTERIOR = 1e-12
_NOT_LOOKED = {"validation_loss": None, "validation_score": None, "validation_macro_f1": None}


@dataclass(frozen=True)
class TrainingSet:
    """What a network is trained on.

    Attributes
    ----------
    frames_db : ndarray of shape (variants, clips, mels, frames)
        All clips of the table; only those in ``rows`` and ``validation_rows`` are ever looked at.
    rows : ndarray of int
        Clips to train on.
    classes : ndarray of int
        Class of every clip of the table.
    class_count : int
        Classes of the network's answer.
    validation_rows : ndarray of int, optional
        Held-out clips whose loss and score go into the history. Nothing is chosen by them.
    weights_root : Path, optional
        Folder of published weights that a network may start from.
    taught : ndarray of shape (clips, classes), optional
        Posteriors of a student's teachers.
    """

    frames_db: np.ndarray
    rows: np.ndarray
    classes: np.ndarray
    class_count: int
    validation_rows: np.ndarray | None = None
    weights_root: Path | None = None
    taught: np.ndarray | None = None


@dataclass(frozen=True)
class FitResult:
    """A trained network, on the CPU, and a record of every epoch.

    Attributes
    ----------
    history : list of dict
        ``epoch`` (1 for the first), ``loss`` (mean of the epoch's batches), ``learning_rate`` (of the last
        update), ``seconds``, and of the held-out clips ``validation_loss``, ``validation_score`` (accuracy)
        and ``validation_macro_f1``; these are None in epochs without a look at them.
    """

    network: nn.Module
    history: list[dict[str, Any]]

    @property
    def losses(self) -> list[float]:
        """Mean loss of every epoch."""
        return [record["loss"] for record in self.history]


def fit_network(
    member: MemberConfig,
    training: TrainingSet,
    seed: list[int],
    *,
    checkpoint: Path | None = None,
    progress: Callable[[int], None] = lambda epochs: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda record: None,
    stop_after: int | None = None,
) -> FitResult:
    """Train a member's network; the same seed and data give the same network.

    All randomness of an epoch is seeded by its number, so that a run that resumes from the checkpoint equals
    one that was never interrupted.

    Parameters
    ----------
    progress, on_epoch : callable
        Told of each epoch: that it is done, and its record. A run that resumes tells of the epochs before
        as well: ``progress`` of all at once, ``on_epoch`` of one after the other.
    stop_after : int, optional
        Leave after this many epochs with the checkpoint written, as an interruption would.

    Raises
    ------
    ConfigError
        When the recipe's network doesn't fit, or its device isn't there.
    """
    config = member.training
    device = pick_device(config.device)
    precision = pick_precision(config.autocast, device)
    torch.manual_seed(_torch_seed([*seed, 0]))
    network = build_network(
        member.network,
        training.frames_db.shape[2],
        training.class_count,
        weights_folder=training.weights_root,
    )
    # Channels last: twice as fast on one core.
    network = network.to(device=device, memory_format=torch.channels_last)
    state = FitState(network, config, precision)
    state.resume(checkpoint)
    progress(len(state.history))
    for record in state.history:
        on_epoch(record)
    with deterministic(device):
        for epoch in range(len(state.history), config.epochs):
            state.history.append(_run_epoch(member, state, training, precision, seed=seed, epoch=epoch))
            last = epoch + 1 in {config.epochs, stop_after}
            if checkpoint is not None and (last or (epoch + 1) % CHECKPOINT_EVERY == 0):
                state.save(checkpoint)
            progress(1)
            on_epoch(state.history[-1])
            if epoch + 1 == stop_after:
                break
    return FitResult(state.answering.eval().cpu(), state.history)


@torch.inference_mode()
def infer(
    network: nn.Module,
    frames_db: np.ndarray,
    floor_db: float | None,
    kind: str,
    batch: int = _BATCH,
    *,
    shifts: int = 1,
    fed: str = "picture",
) -> np.ndarray:
    """What a member's network answers for frames (n, mels, frames): posteriors or embeddings, float32.

    Parameters
    ----------
    shifts : int
        Answer the mean over so many rolls of each clip along time, evenly apart; 1 for the clip alone.
    fed : {"picture", "frames", "level"}
        See `asc_edge_train.features.network_input`.
    """
    network.eval()
    device = next(network.parameters()).device
    answers = []
    for start in range(0, len(frames_db), batch):
        frames = frames_db[start : start + batch]
        turns = []
        for number in range(shifts):
            turned = np.roll(frames, number * frames.shape[2] // shifts, axis=2) if number else frames
            # A copy: bare frames may come straight from a file that is only read.
            picture = torch.tensor(network_input(turned, floor_db, fed), device=device)
            if kind == "posterior":
                turns.append(torch.softmax(network(picture), dim=1).cpu().numpy())
            else:
                turns.append(network.embed(picture).cpu().numpy())  # type: ignore[operator]
        answers.append(np.mean(turns, axis=0) if shifts > 1 else turns[0])
    return np.concatenate(answers)


def _run_epoch(
    member: MemberConfig,
    state: FitState,
    training: TrainingSet,
    precision: Precision,
    *,
    seed: list[int],
    epoch: int,
) -> dict[str, Any]:
    """Train one epoch, look at the held-out clips where it is time to, and put it on record."""
    started = time.perf_counter()
    loss, rate = _train_epoch(member, state, training, precision, seed=[*seed, 1 + epoch], epoch=epoch)
    every = member.training.validate_every
    held_out = training.validation_rows
    look = every and held_out is not None and len(held_out) and (epoch + 1) % every == 0
    held_out_figures = _validate(member, state.answering, training) if look else _NOT_LOOKED
    return {
        "epoch": epoch + 1,
        "loss": loss,
        **held_out_figures,
        "learning_rate": rate,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _train_epoch(
    member: MemberConfig,
    state: FitState,
    training: TrainingSet,
    precision: Precision,
    *,
    seed: list[int],
    epoch: int,
) -> tuple[float, float]:
    """Mean loss of an epoch's batches, and the rate of its last update."""
    config = member.training
    rng = np.random.default_rng(seed)
    torch.manual_seed(_torch_seed(seed))
    state.network.train()
    drawn = _draw_rows(training, config, rng)
    batches = _batches(len(drawn), config)
    total, rate = 0.0, 0.0
    for number, rows in enumerate(np.array_split(drawn, batches)):
        rate = learning_rate(config, epoch * batches + number, config.epochs * batches)
        for group in state.optimiser.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        picture, target = _make_batch(member, training, rows, rng)
        with precision.autocast():
            logits = state.network(picture.to(precision.device))
        # Against soft targets the cross-entropy is the KL divergence plus a constant.
        loss = nn.functional.cross_entropy(
            logits.float(), target.to(precision.device), label_smoothing=config.label_smoothing
        )
        state.step(loss, config.clip_norm)
        total += float(loss.detach()) / batches
    return total, rate


def _draw_rows(training: TrainingSet, config: TrainingConfig, rng: np.random.Generator) -> np.ndarray:
    """Clips of an epoch: as many as the recipe says, by class, or every one once."""
    if not config.samples_per_epoch:
        return rng.permutation(training.rows)
    classes = training.classes[training.rows]
    return training.rows[draw_epoch(classes, config.samples_per_epoch, config.balance, rng)]


def _batches(clips: int, config: TrainingConfig) -> int:
    """Updates of an epoch. Every clip once takes as many as Keras does, its last batch being short."""
    whole = clips // config.batch
    return max(1, whole if config.samples_per_epoch else -(-clips // config.batch))


def _validate(member: MemberConfig, network: nn.Module, training: TrainingSet) -> dict[str, Any]:
    """Mean loss and scores of the network's answers for the held-out clips as they are (variant 0)."""
    assert training.validation_rows is not None
    rows = training.validation_rows
    truth = training.classes[rows]
    # A batch at a time: the held-out part of a large corpus needn't fit into memory.
    posteriors = np.concatenate(
        [
            infer(
                network,
                training.frames_db[0][rows[start : start + _BATCH]],
                member.floor_db,
                "posterior",
                fed=member.fed,
            )
            for start in range(0, len(rows), _BATCH)
        ]
    )
    predicted = posteriors.argmax(axis=1)
    own = np.maximum(posteriors[np.arange(len(truth)), truth], _LEAST_POSTERIOR)
    return {
        "validation_loss": float(-np.mean(np.log(own))),
        "validation_score": metric_score("accuracy", truth, predicted),
        "validation_macro_f1": metric_score("macro_f1", truth, predicted),
    }


def _make_batch(
    member: MemberConfig, training: TrainingSet, rows: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    variants = rng.integers(len(training.frames_db), size=len(rows))
    frames = np.stack([training.frames_db[v, row] for v, row in zip(variants, rows, strict=True)])
    target = np.eye(training.class_count, dtype=np.float32)[training.classes[rows]]
    if training.taught is not None and member.teaching is not None:
        share = np.float32(member.teaching.weight)
        target = (1 - share) * target + share * training.taught[rows]
    frames, target = augment_frames(frames, target, member.training, rng)
    picture = network_input(frames, member.floor_db, member.fed)
    # What a masked cell is: nothing heard. In levels 0 is as loud as can be.
    blank = member.floor_db / LEVEL_DB_PER_UNIT if member.fed == "level" else 0.0
    picture, target = augment_pictures(picture, target, member.training, rng, blank)
    tensor = torch.from_numpy(picture).contiguous(memory_format=torch.channels_last)
    return tensor, torch.from_numpy(target)


def _torch_seed(seed: list[int]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))
