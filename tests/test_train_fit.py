"""Networks, augmentation and the training loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asc_edge.errors import ConfigError
from asc_edge.frontend import picture
from asc_edge_train.augment import (
    add_noise_floor,
    draw_epoch,
    mask_mels,
    mix_between_classes,
    shift_time,
)
from asc_edge_train.features import pictures
from asc_edge_train.fit import TrainingSet, decayed_rate, fit_network, infer, learning_rate
from asc_edge_train.models import build_network, multiply_accumulates, parameter_count
from asc_edge_train.recipe import MemberConfig, TrainingConfig, load_recipe

CRNN: dict[str, Any] = {
    "type": "crnn",
    "filters": [3, 4],
    "kernels": [5, 3],
    "pools": [[2, 2], [4, 2]],
    "dropout": 0.1,
    "gru_size": 5,
}
CNN: dict[str, Any] = {
    "type": "cnn",
    "filters": [4, 6],
    "kernels": [3, 3],
    "pools": [[2, 2], [1, 1]],
    "dropout": 0.1,
}
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


# ---- networks


# Catches: a frequency axis that isn't collapsed, the wrong axis fed to the GRU, bias where there is none.
def test_crnn_shapes_parameters_and_cost() -> None:
    network = build_network(CRNN, mels=8, classes=7)
    assert network(torch.zeros(2, 1, 8, 12)).shape == (2, 7)
    conv = 25 * 1 * 3 + 9 * 3 * 4
    norm = 2 * 3 + 2 * 4
    gru = 3 * (5 * 4 + 5 * 5 + 2 * 5)  # one row of 4 filters in, 5 out, two biases, three gates
    assert parameter_count(network) == conv + norm + gru + 5 * 7 + 7
    macs = 25 * 3 * 8 * 12 + 9 * 3 * 4 * 4 * 6 + 3 * (5 * 4 + 5 * 5) * 3 + 5 * 7
    assert multiply_accumulates(network, 8, 12) == macs


def test_cnn_shapes_parameters_and_cost() -> None:
    network = build_network(CNN, mels=8, classes=7)
    assert network(torch.zeros(2, 1, 8, 12)).shape == (2, 7)
    assert network.embed(torch.zeros(2, 1, 8, 12)).shape == (2, 12)
    assert parameter_count(network) == 9 * 4 + 9 * 4 * 6 + 2 * (4 + 6) + 12 * 7 + 7
    assert multiply_accumulates(network, 8, 12) == 9 * 4 * 96 + 9 * 4 * 6 * 24 + 12 * 7


# Catches: the embedding's halves swapped or pooled over the batch.
def test_cnn_embedding_is_mean_then_maximum() -> None:
    network = build_network(CNN, mels=8, classes=2).eval()
    x = torch.rand(3, 1, 8, 12)
    maps = network.blocks(x).detach().numpy()
    expected = np.concatenate([maps.mean(axis=(2, 3)), maps.max(axis=(2, 3))], axis=1)
    np.testing.assert_allclose(network.embed(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


# Catches: an even kernel (the paper's 4x4) that shrinks or shifts the map the wrong way.
def test_even_kernel_pads_one_less_before() -> None:
    network = build_network({**CNN, "kernels": [4, 4], "dropout": 0.0}, mels=8, classes=2)
    pad, conv = network.blocks[0], network.blocks[1]
    x = torch.rand(1, 1, 8, 12)
    ours = conv(pad(x))
    assert ours.shape[2:] == (8, 12)
    same = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (1, 2, 1, 2)), conv.weight)
    torch.testing.assert_close(ours, same)


# Catches: a stride that the frequency axis left for the GRU doesn't know of.
def test_strides_shrink_the_maps() -> None:
    strided = {**CRNN, "pools": [[1, 1], [3, 2]], "strides": [[2, 2], [1, 1]], "block_dropout": 0.0}
    network = build_network(strided, mels=9, classes=3)
    x = torch.zeros(2, 1, 9, 13)
    assert network.blocks(x).shape == (2, 4, 1, 3)
    assert network(x).shape == (2, 3)
    assert not any(isinstance(module, torch.nn.Dropout) for module in network.blocks)
    assert network.dropout.p == 0.1


@pytest.mark.parametrize("answer", ["mean", "last"])
@pytest.mark.parametrize("both", [False, True])
def test_crnn_answers(answer: str, both: bool) -> None:
    network = build_network({**CRNN, "gru_answer": answer, "gru_bidirectional": both, "gru_layers": 2}, 8, 3)
    network.eval()
    x = torch.rand(2, 1, 8, 24)
    with torch.no_grad():
        steps = network.blocks(x).permute(0, 3, 1, 2).flatten(2)
        output, _ = network.gru(steps)
        if answer == "mean":
            state = output.mean(1)
        else:  # forwards: last step; backwards: first step
            state = torch.cat([output[:, -1, :5], output[:, 0, 5:]], 1) if both else output[:, -1]
        torch.testing.assert_close(network(x), network.classify(state))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "rnn"},
        {"pools": [[8, 2], [4, 2]]},
        {"filters": [3]},
        {"strides": [[1, 1]]},
        {"strides": [[9, 1], [1, 1]]},
        {"colour": 1},
        {"gru_answer": "first"},
    ],
)
def test_network_faults_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        build_network({**CRNN, **change}, mels=8, classes=2)


# Catches: a recipe that a Raspberry Pi, or the training budget, can't afford.
@pytest.mark.parametrize("name", ["home", "esc10"])
def test_shipped_recipes_stay_small(name: str) -> None:
    recipe = load_recipe(name)
    for m in recipe.members:
        network = build_network(m.network, recipe.front_ends[m.front_end].mels, 72)
        assert parameter_count(network) < 300_000
        assert multiply_accumulates(network, 64, 155) < 70e6


# ---- augmentation


# Catches: wrong divisor, ratio on the wrong clip, labels not mixed like sounds.
def test_between_class_mixing_arithmetic(rng: np.random.Generator) -> None:
    x = rng.random((4, 1, 3, 5), dtype=np.float32)
    y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    partners, r = np.array([1, 2, 0, 0]), np.array([0.25, 0.5, 1.0, 0.3])
    mixed, targets = mix_between_classes(x, y, partners, r)
    mean = x.mean()
    for i in range(3):
        root = np.sqrt(r[i] ** 2 + (1 - r[i]) ** 2)
        expected = (r[i] * (x[i] - mean) + (1 - r[i]) * (x[partners[i]] - mean)) / root + mean
        np.testing.assert_allclose(mixed[i], expected, atol=1e-6)
        np.testing.assert_allclose(targets[i], r[i] * y[i] + (1 - r[i]) * y[partners[i]], atol=1e-6)
    # the partner is of the same class: left as it is
    np.testing.assert_allclose(mixed[3], x[3], atol=1e-6)
    np.testing.assert_array_equal(targets[3], y[3])
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)


# Catches: balancing that follows the clip counts, clips of a class drawn twice while others never are.
@pytest.mark.parametrize(("balance", "share"), [(1.0, 0.5), (0.0, 0.9), (0.5, 0.75)])
def test_draw_epoch(balance: float, share: float) -> None:
    classes = np.array([0] * 900 + [1] * 100)
    drawn = draw_epoch(classes, 4000, balance, np.random.default_rng(1))
    assert np.mean(classes[drawn] == 0) == pytest.approx(share, abs=0.03)
    counts = np.bincount(drawn[classes[drawn] == 1] - 900, minlength=100)
    assert counts.max() - counts.min() <= 1


def test_shift_rolls_every_clip_along_time(rng: np.random.Generator) -> None:
    frames = rng.random((6, 3, 50), dtype=np.float32)
    shifted = shift_time(frames, np.random.default_rng(0))
    by = []
    for before, after in zip(frames, shifted, strict=True):
        found = [k for k in range(50) if np.array_equal(np.roll(before, k, axis=1), after)]
        assert len(found) == 1
        by += found
    assert len(set(by)) > 1


# Catches: noise added to decibels instead of power, level relative to full scale instead of the clip's peak.
def test_noise_floor_is_added_in_power(rng: np.random.Generator) -> None:
    frames = np.full((2, 40, 300), -200.0, np.float32)
    frames[0, 0, 0], frames[1, 0, 0] = 0.0, -30.0
    noisy = add_noise_floor(frames, (-50.0, -50.0), rng)
    mean_db = 10 * np.log10(np.mean(10 ** (noisy[:, 1:] / 10), axis=(1, 2)))
    np.testing.assert_allclose(mean_db, [-50.0, -80.0], atol=0.2)
    np.testing.assert_allclose(noisy[:, 0, 0], [0.0, -30.0], atol=0.01)


def test_masks_blank_neighbouring_bands(rng: np.random.Generator) -> None:
    x = np.ones((50, 1, 20, 4), np.float32)
    masked = mask_mels(x, 1, 5, rng)
    blank = (masked == 0).all(axis=(1, 3))
    widths = blank.sum(axis=1)
    assert widths.max() == 5
    assert widths.min() == 0
    for row in blank:
        assert np.count_nonzero(np.diff(np.r_[0, row.astype(int), 0])) in {0, 2}
    assert (x == 1).all()


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
