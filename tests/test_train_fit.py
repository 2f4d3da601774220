"""Networks, augmentation and the training loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asc_edge.frontend import picture
from asc_edge_train.features import pictures
from asc_edge_train.fit import TrainingSet, fit_network, infer
from asc_edge_train.recipe import MemberConfig, TrainingConfig
from asc_edge_train.schedule import decayed_rate, learning_rate
from train_networks import CNN, CRNN

TRAINING = TrainingConfig(
    epochs=6,
    samples_per_epoch=32,
    batch=8,
    learning_rate=0.01,
    balance=1.0,
    mixing=0.5,
    time_shift=True,
    frequency_masks=1,
    frequency_mask_mels=2,
    noise_floor_db=[-60.0, -30.0],
    anneal_epochs=2,
)


def member(network: dict[str, Any], training: TrainingConfig = TRAINING) -> MemberConfig:
    return MemberConfig(
        name="m",
        kind="posterior",
        target="label",
        front_end="f",
        floor_db=-60.0,
        network=network,
        training=training,
    )


def training_set(rng: np.random.Generator, clips: int = 24) -> TrainingSet:
    """Clips (2 variants, 8 mels, 12 frames) of two classes: loud low bands, loud high bands."""
    classes = np.arange(clips) % 2
    frames = rng.normal(-50.0, 3.0, (2, clips, 8, 12)).astype(np.float32)
    frames[:, classes == 0, :3] += 40.0
    frames[:, classes == 1, 5:] += 40.0
    return TrainingSet(frames, np.arange(clips), classes, 2)


def weights(network: torch.nn.Module) -> list[np.ndarray]:
    return [value.numpy() for value in network.state_dict().values()]


# ---- input


# Catches: clips of a batch scaled by the loudest of the batch instead of their own peak.
def test_pictures_are_the_devices_pictures(rng: np.random.Generator) -> None:
    frames = rng.normal(-40, 20, (70, 8, 12)).astype(np.float32)
    ours = pictures(frames, -45.0)
    for number in (0, 37, 69):
        np.testing.assert_array_equal(ours[number], picture(frames[number : number + 1], -45.0))


# ---- training


# Catches: decay per epoch instead of per update. The figures are the paper's set-up: 859 updates an epoch.
@pytest.mark.parametrize(("epochs", "rate"), [(0, 0.01), (1, 0.0037), (5, 0.0010), (30, 0.00019)])
def test_keras_time_decay(epochs: int, rate: float) -> None:
    assert decayed_rate(0.01, 0.002, 859 * epochs) == pytest.approx(rate, rel=0.05)


def test_annealing_ends_at_nothing() -> None:
    config = replace(TRAINING, lr_decay=0.0, epochs=10, anneal_epochs=4)
    rates = [learning_rate(config, k, 100) for k in range(100)]
    assert rates[:60] == [0.01] * 60
    np.testing.assert_allclose(np.diff(rates[60:]), -0.01 / 40)
    assert rates[-1] == pytest.approx(0.01 / 40)
    assert learning_rate(replace(config, anneal_epochs=0), 99, 100) == 0.01


# Catches: a schedule that counts epochs or samples instead of updates, or starts anew in every epoch.
def test_schedule_counts_updates(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def record(config: TrainingConfig, updates: int, total: int) -> float:
        seen.append((updates, total))
        return learning_rate(config, updates, total)

    monkeypatch.setattr("asc_edge_train.fit.learning_rate", record)
    fit_network(member(CNN), training_set(rng), [1])
    assert seen == [(update, 24) for update in range(24)]  # 6 epochs of 32 samples in batches of 8


# Catches: optimiser or random state lost between checkpoint and resumption.
@pytest.mark.parametrize("network", [CRNN, CNN], ids=["crnn", "cnn"])
@pytest.mark.parametrize("stop", [1, 4])
def test_resumed_training_equals_uninterrupted(
    tmp_path: Path, rng: np.random.Generator, network: dict[str, Any], stop: int
) -> None:
    data = training_set(rng)
    whole = fit_network(member(network), data, [1, 2])
    checkpoint = tmp_path / "c"
    fit_network(member(network), data, [1, 2], checkpoint=checkpoint, stop_after=stop)
    torch.manual_seed(999)
    epochs: list[int] = []
    resumed = fit_network(member(network), data, [1, 2], checkpoint=checkpoint, progress=epochs.append)
    assert sum(epochs) == 6
    assert epochs[0] == stop
    assert resumed.losses == whole.losses
    for ours, theirs in zip(weights(resumed.network), weights(whole.network), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Catches: a seed that isn't used everywhere, or not at all.
def test_seed_decides(rng: np.random.Generator) -> None:
    data = training_set(rng)
    first, again, other = (fit_network(member(CNN), data, [seed]).losses for seed in (1, 1, 2))
    assert first == again
    assert first != other


# Catches: rows outside the training set drawn; their values would spoil the loss.
def test_only_rows_of_the_training_set_are_read(rng: np.random.Generator) -> None:
    data = training_set(rng)
    spoilt = data.frames_db.copy()
    spoilt[:, 1::3] = np.nan
    rows = np.setdiff1d(data.rows, data.rows[1::3])
    result = fit_network(member(CNN), TrainingSet(spoilt, rows, data.classes, 2), [1])
    assert np.isfinite(result.losses).all()


# Catches: labels and pictures out of step, a loss that isn't minimised, evaluation with dropout on.
@pytest.mark.parametrize("network", [CRNN, CNN], ids=["crnn", "cnn"])
def test_training_learns(rng: np.random.Generator, network: dict[str, Any]) -> None:
    data = training_set(rng)
    config = replace(TRAINING, epochs=20, mixing=0.3)
    result = fit_network(member(network, config), data, [3])
    answers = infer(result.network, training_set(rng, 40).frames_db[0], -60.0, "posterior")
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-5)
    assert np.mean(answers.argmax(axis=1) == np.arange(40) % 2) > 0.9
    again = infer(result.network, training_set(rng, 40).frames_db[0], -60.0, "posterior", batch=7)
    assert again.shape == (40, 2)


# Catches: mixing that isn't applied, or applied to every batch whatever the recipe says.
def test_mixing_raises_the_attainable_loss(rng: np.random.Generator) -> None:
    data = training_set(rng)
    config = replace(TRAINING, epochs=20, noise_floor_db=[])
    plain = fit_network(member(CNN, replace(config, mixing=0.0)), data, [3]).losses[-1]
    mixed = fit_network(member(CNN, replace(config, mixing=1.0)), data, [3]).losses[-1]
    assert plain < 0.1 < mixed
