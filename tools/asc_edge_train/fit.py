"""Training one network: Adam, Keras's time decay, soft labels, and checkpoints that resume exactly."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asc_edge.atomic import write_atomically
from asc_edge_train.augment import augment_batch, draw_epoch, mask_mels, mix_between_classes
from asc_edge_train.features import pictures
from asc_edge_train.models import build_network
from asc_edge_train.recipe import MemberConfig
from asc_edge_train.training_config import TrainingConfig

__all__ = ["FitResult", "TrainingSet", "decayed_rate", "fit_network", "infer", "learning_rate"]

CHECKPOINT_EVERY = 4


@dataclass(frozen=True)
class TrainingSet:
    """What a network is trained on.

    Attributes
    ----------
    frames_db : ndarray of shape (variants, clips, mels, frames)
        All clips of the table; only those in ``rows`` are ever looked at.
    rows : ndarray of int
        Clips to train on.
    classes : ndarray of int
        Class of every clip of the table.
    class_count : int
        Classes of the network's answer.
    """

    frames_db: np.ndarray
    rows: np.ndarray
    classes: np.ndarray
    class_count: int


@dataclass(frozen=True)
class FitResult:
    """A trained network and the mean loss of every epoch."""

    network: nn.Module
    losses: list[float]


def decayed_rate(rate: float, decay: float, updates: int) -> float:
    """Learning rate after a number of updates: Keras's time decay, ``rate / (1 + decay * updates)``."""
    return rate / (1.0 + decay * updates)


def learning_rate(config: TrainingConfig, updates: int, total: int) -> float:
    """Learning rate after ``updates`` of ``total`` updates, with the recipe's annealing."""
    rate = decayed_rate(config.learning_rate, config.lr_decay, updates)
    annealed = total * config.anneal_epochs // config.epochs
    return rate * min(1.0, (total - updates) / annealed) if annealed else rate


def fit_network(
    member: MemberConfig,
    training: TrainingSet,
    seed: list[int],
    *,
    checkpoint: Path | None = None,
    progress: Callable[[int], None] = lambda epochs: None,
    stop_after: int | None = None,
) -> FitResult:
    """Train a member's network; the same seed and data give the same network.

    All randomness of an epoch is seeded by its number, so that a run that resumes from the checkpoint equals
    one that was never interrupted.

    Parameters
    ----------
    stop_after : int, optional
        Leave after this many epochs with the checkpoint written, as an interruption would.
    """
    config = member.training
    torch.manual_seed(_torch_seed([*seed, 0]))
    network = build_network(member.network, training.frames_db.shape[2], training.class_count)
    network = network.to(memory_format=torch.channels_last)  # twice as fast on one core
    optimiser = torch.optim.Adam(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    losses = _resume(checkpoint, network, optimiser)
    progress(len(losses))
    network.train()
    for epoch in range(len(losses), config.epochs):
        losses.append(
            _train_epoch(member, network, optimiser, training, seed=[*seed, 1 + epoch], epoch=epoch)
        )
        last = epoch + 1 == config.epochs or epoch + 1 == stop_after
        if checkpoint is not None and (last or (epoch + 1) % CHECKPOINT_EVERY == 0):
            _write_checkpoint(checkpoint, network, optimiser, losses)
        progress(1)
        if epoch + 1 == stop_after:
            break
    network.eval()
    return FitResult(network, losses)


@torch.inference_mode()
def infer(
    network: nn.Module, frames_db: np.ndarray, floor_db: float, kind: str, batch: int = 64
) -> np.ndarray:
    """What a member's network answers for frames (n, mels, frames): posteriors or embeddings, float32."""
    network.eval()
    answers = []
    for start in range(0, len(frames_db), batch):
        picture = torch.from_numpy(pictures(frames_db[start : start + batch], floor_db))
        if kind == "posterior":
            answers.append(torch.softmax(network(picture), dim=1).numpy())
        else:
            answers.append(network.embed(picture).numpy())  # type: ignore[operator]
    return np.concatenate(answers)


def _train_epoch(
    member: MemberConfig,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    training: TrainingSet,
    *,
    seed: list[int],
    epoch: int,
) -> float:
    config = member.training
    rng = np.random.default_rng(seed)
    torch.manual_seed(_torch_seed(seed))
    drawn = training.rows[
        draw_epoch(training.classes[training.rows], config.samples_per_epoch, config.balance, rng)
    ]
    batches = max(1, config.samples_per_epoch // config.batch)
    total = 0.0
    for number, rows in enumerate(np.array_split(drawn, batches)):
        rate = learning_rate(config, epoch * batches + number, config.epochs * batches)
        for group in optimiser.param_groups:
            group["lr"] = rate
        picture, target = _make_batch(training, rows, member.floor_db, config, rng)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.autocast == "bfloat16"):
            logits = network(picture)
        # Against soft targets the cross-entropy is the KL divergence plus a constant.
        loss = nn.functional.cross_entropy(logits.float(), target)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) / batches
    return total


def _make_batch(
    training: TrainingSet, rows: np.ndarray, floor_db: float, config: TrainingConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    variants = rng.integers(len(training.frames_db), size=len(rows))
    frames = np.stack([training.frames_db[v, row] for v, row in zip(variants, rows, strict=True)])
    picture = pictures(augment_batch(frames, config, rng), floor_db)
    target = np.eye(training.class_count, dtype=np.float32)[training.classes[rows]]
    if rng.random() < config.mixing:
        picture, target = mix_between_classes(
            picture, target, rng.permutation(len(rows)), rng.random(len(rows))
        )
    picture = mask_mels(picture, config.frequency_masks, config.frequency_mask_mels, rng)
    tensor = torch.from_numpy(picture).contiguous(memory_format=torch.channels_last)
    return tensor, torch.from_numpy(target)


def _torch_seed(seed: list[int]) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _write_checkpoint(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, losses: list[float]
) -> None:
    state: dict[str, Any] = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "losses": losses,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def _resume(path: Path | None, network: nn.Module, optimiser: torch.optim.Optimizer) -> list[float]:
    """Losses of the epochs that are done already; network and optimiser are set to where they were."""
    if path is None or not path.exists():
        return []
    # weights_only: a checkpoint is read as data; it can't run code.
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return list(state["losses"])
