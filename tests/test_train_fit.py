"""The training loop: schedules, averages, precision, history, and runs that resume exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss

from asc_edge.frontend import picture
from asc_edge_train.arithmetic import Precision
from asc_edge_train.features import network_input, pictures
from asc_edge_train.fit import TrainingSet, _batches, _make_batch, fit_network, infer
from asc_edge_train.fit_state import build_optimiser
from asc_edge_train.models import build_network
from asc_edge_train.recipe import MemberConfig, TrainingConfig, load_recipe
from asc_edge_train.schedule import learning_rate
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


# Catches: a schedule that counts epochs or samples instead of updates, or starts anew in every epoch.
def test_schedule_counts_updates(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def record(config: TrainingConfig, updates: int, total: int) -> float:
        seen.append((updates, total))
        return learning_rate(config, updates, total)

    monkeypatch.setattr("asc_edge_train.fit.learning_rate", record)
    fit_network(member(CNN), training_set(rng), [1])
    assert seen == [(update, 24) for update in range(24)]  # 6 epochs of 32 samples in batches of 8


@pytest.fixture
def scaled_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss scaled as on CUDA in 16 bits, as far as a CPU goes; the scale doubles every 5 updates."""
    scaled = Precision("cpu", None, scaled=True)
    monkeypatch.setattr("asc_edge_train.fit.pick_precision", lambda name, device: scaled)
    monkeypatch.setattr(
        Precision, "scaler", lambda self: torch.amp.GradScaler("cpu", growth_interval=5, enabled=self.scaled)
    )


EVERYTHING = replace(
    TRAINING,
    schedule="one_cycle",
    warmup_epochs=2.0,
    optimiser="adamw",
    weight_decay=0.01,
    ema_decay=0.9,
    clip_norm=1.0,
    label_smoothing=0.1,
    mixing_kind="power",
    mixstyle=0.5,
    time_masks=1,
    time_mask_frames=3,
    time_scale=[0.8, 1.2],
    filter_db=[-3.0, 3.0],
    validate_every=2,
)


# Catches: clips left out or taken twice, a last batch dropped. The paper's 54,964 clips make 859 batches.
def test_every_clip_once(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    data = replace(training_set(rng), rows=np.arange(3, 22))
    seen: list[np.ndarray] = []

    def record(*batch: Any) -> Any:
        seen.append(batch[2])
        return _make_batch(*batch)

    monkeypatch.setattr("asc_edge_train.fit._make_batch", record)
    fit_network(member(CNN, replace(TRAINING, samples_per_epoch=0, epochs=2)), data, [1])
    assert [len(rows) for rows in seen] == [7, 6, 6] * 2
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    np.testing.assert_array_equal(np.sort(first), data.rows)
    np.testing.assert_array_equal(np.sort(second), data.rows)
    assert not np.array_equal(first, second)
    assert _batches(54964, TrainingConfig(epochs=30, batch=64)) == 859


# Catches: optimiser, schedule, average, scaler, history or random state lost at an interruption.
@pytest.mark.parametrize("network", [CRNN, CNN], ids=["crnn", "cnn"])
@pytest.mark.parametrize("training", [TRAINING, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("stop", [1, 4])
@pytest.mark.usefixtures("scaled_loss")
def test_resumed_training_equals_uninterrupted(
    tmp_path: Path,
    rng: np.random.Generator,
    network: dict[str, Any],
    training: TrainingConfig,
    stop: int,
) -> None:
    data = replace(training_set(rng), rows=np.arange(20), validation_rows=np.arange(20, 24))
    whole = fit_network(member(network, training), data, [1, 2])
    checkpoint = tmp_path / "c"
    fit_network(member(network, training), data, [1, 2], checkpoint=checkpoint, stop_after=stop)
    torch.manual_seed(999)
    epochs: list[int] = []
    records: list[dict[str, Any]] = []
    resumed = fit_network(
        member(network, training),
        data,
        [1, 2],
        checkpoint=checkpoint,
        progress=epochs.append,
        on_epoch=records.append,
    )
    assert sum(epochs) == 6
    assert epochs[0] == stop
    assert records == resumed.history
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    for ours, theirs in zip(weights(resumed.network), weights(whole.network), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


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


# Catches: a smoothed target that sums to more than 1, smoothing that isn't applied.
def test_label_smoothing_raises_the_attainable_loss(rng: np.random.Generator) -> None:
    config = replace(TRAINING, epochs=25, mixing=0.0, noise_floor_db=[], label_smoothing=0.4)
    loss = fit_network(member(CNN, config), training_set(rng), [3]).losses[-1]
    least = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))  # entropy of (0.8, 0.2)
    assert least <= loss < least + 0.15


# Catches: the last weights answering in the average's place, or an average that training goes on from.
def test_the_average_answers(rng: np.random.Generator) -> None:
    data = training_set(rng)
    plain = fit_network(member(CNN), data, [3])
    averaged = fit_network(member(CNN, replace(TRAINING, ema_decay=0.95)), data, [3])
    assert averaged.losses == plain.losses
    for name, value in averaged.network.state_dict().items():
        if value.is_floating_point():
            assert not torch.equal(value, plain.network.state_dict()[name]), name
    assert not averaged.network.training


# ---- history


# Catches: a look at held-out clips that changes the training, other clips looked at, dropout left on.
def test_history_of_held_out_clips(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asc_edge_train.fit._BATCH", 2)  # several batches, the last one shorter
    data = training_set(rng)
    held_out = np.array([3, 8, 9, 14, 15])
    rows = np.setdiff1d(data.rows, held_out)
    never = fit_network(member(CRNN), replace(data, rows=rows), [5])
    config = replace(TRAINING, validate_every=3)
    looked = fit_network(member(CRNN, config), replace(data, rows=rows, validation_rows=held_out), [5])
    assert looked.losses == never.losses
    for ours, theirs in zip(weights(looked.network), weights(never.network), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [record["epoch"] for record in looked.history] == [1, 2, 3, 4, 5, 6]
    assert [record["validation_loss"] is None for record in looked.history] == [True, True, False] * 2
    assert all(record["validation_score"] is None for record in never.history)
    assert looked.history[-1]["learning_rate"] == learning_rate(config, 23, 24)
    assert all(record["seconds"] > 0 for record in looked.history)

    posteriors = infer(looked.network, data.frames_db[0][held_out], -60.0, "posterior")
    truth, predicted = data.classes[held_out], posteriors.argmax(axis=1)
    last = looked.history[-1]
    assert last["validation_loss"] == pytest.approx(log_loss(truth, posteriors), rel=1e-5)
    assert last["validation_score"] == accuracy_score(truth, predicted)
    assert last["validation_macro_f1"] == f1_score(truth, predicted, average="macro")


# ---- answers


# Catches: shifts along mels, shifts that pile up on one side, sums for means.
@pytest.mark.parametrize("kind", ["posterior", "embedding"])
def test_answers_averaged_over_shifts(rng: np.random.Generator, kind: str) -> None:
    network = build_network(CNN, mels=8, classes=2).eval()
    frames = rng.normal(-40, 20, (5, 8, 12)).astype(np.float32)
    answers = infer(network, frames, -60.0, kind, batch=2, shifts=3)
    turned = [infer(network, np.roll(frames, by, axis=2), -60.0, kind) for by in (0, 4, 8)]
    np.testing.assert_allclose(answers, np.mean(turned, axis=0), atol=1e-6)
    assert answers.dtype == np.float32
    np.testing.assert_array_equal(infer(network, frames, -60.0, kind, shifts=1), turned[0])


# Catches: frames of other authors' front ends scaled once more.
def test_without_a_floor_networks_see_bare_frames(rng: np.random.Generator) -> None:
    network = build_network(CNN, mels=8, classes=2).eval()
    frames = rng.normal(0, 1, (5, 8, 12)).astype(np.float32)
    with torch.no_grad():
        expected = network.embed(torch.from_numpy(frames[:, None]))
    # As frames of a file that is mapped into memory are: torch warns of sharing them.
    frames.flags.writeable = False
    np.testing.assert_allclose(infer(network, frames, None, "embedding"), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network_input(frames, None)[:, 0], frames)


# Catches: a head that learns at the body's rate, a body without its own, parameters in two groups or in none.
@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_a_head_learns_at_its_own_rate(optimiser: str) -> None:
    network = build_network(load_recipe("esc10").member("crnn").network, 64, 7)
    config = TrainingConfig(
        epochs=1, samples_per_epoch=0, learning_rate=0.01, head_rate=5.0, optimiser=optimiser
    )
    groups = build_optimiser(network, config).param_groups
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        assert rates[id(parameter)] == pytest.approx(0.05 if name.startswith("classify.") else 0.01)
    plain = build_optimiser(network, replace(config, head_rate=1.0)).param_groups
    assert {group["share"] for group in plain} == {1.0}
