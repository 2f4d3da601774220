"""The network that is computed as the sound comes in: what columns depend on, and that it ships as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asc_edge import Bundle, Pipeline, log_mel
from asc_edge.errors import ConfigError
from asc_edge.window import LEVEL_DB_PER_UNIT, level
from asc_edge_train.augment import augment_frames, augment_pictures, mask_mels, mask_times
from asc_edge_train.augment_mixing import mix_powers
from asc_edge_train.exporting import export_onnx
from asc_edge_train.exporting.onnx_int8 import quantise_onnx
from asc_edge_train.exporting.stream_parts import make_stream_parts
from asc_edge_train.features import network_input
from asc_edge_train.fit import TrainingSet, _make_batch, infer
from asc_edge_train.models import build_network, parameter_count
from asc_edge_train.models.stream_cnn import StreamCnn, ZeroSumConv2d, stream_costs
from asc_edge_train.recipe import MemberConfig, load_recipe
from asc_edge_train.training_config import TrainingConfig
from tiny_recipe import LABELS, RECIPE
from train_trees import write_esc50

# 10 frames between columns, each of which sees 37.
SMALL: dict[str, Any] = {
    "filters": [4, 6, 8, 8],
    "kernels": [[5, 5], [3, 3], [3, 2], [3, 2]],
    "features": 8,
}
# A fifth of the time and of the cost: 4 frames between columns.
TINY: dict[str, Any] = {
    "filters": [4, 6],
    "kernels": [[3, 3], [3, 2]],
    "strides": [[2, 2], [1, 1]],
    "pools": [[1, 1], [2, 2]],
    "features": 8,
    "dropout": 0.1,
}
HEADS = [{"answer": "mean_max"}, {"answer": "attention"}, {"answer": "gru", "gru_size": 3}]


def small(seed: int = 0, **options: Any) -> StreamCnn:
    """A network whose batch norms have seen something: a signal gets through, and a wrong one shows."""
    torch.manual_seed(seed)
    network = StreamCnn(mels=16, classes=3, **{**SMALL, **options})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        network.classify.weight *= 5.0
        for number in range(5):
            network.train()(some_levels(80 + number, count=4))
    return network.eval()


def some_levels(frames: int, mels: int = 16, count: int = 2) -> torch.Tensor:
    return torch.randn((count, 1, mels, frames), generator=torch.Generator().manual_seed(frames)) - 2.0


# Catches: kernels that don't sum to zero, or edges that are filled with anything but what is there.
@pytest.mark.parametrize("separable", [False, True])
@torch.inference_mode()
def test_how_loud_it_is_changes_nothing(separable: bool) -> None:
    network, levels = small(separable=separable), some_levels(90)
    for shift_db in (-60.0, -3.0, 20.0):
        shifted = levels + shift_db / LEVEL_DB_PER_UNIT
        torch.testing.assert_close(network(shifted), network(levels), atol=1e-5, rtol=0)
    # What is in the levels does: one band, that is.
    coloured = levels.clone()
    coloured[:, :, 5] += 1.0
    assert float((network(coloured) - network(levels)).abs().max()) > 0.01


@torch.inference_mode()
def test_the_floor_is_where_loudness_matters() -> None:
    """The one exception, which nobody should be surprised by. Catches: a claim of more than there is."""
    network, cells = small(), (some_levels(90) * LEVEL_DB_PER_UNIT).numpy()
    answer = {gain: network(torch.from_numpy(level(cells + np.float32(gain), -60.0))) for gain in (0, -10)}
    assert float((answer[0] - answer[-10]).abs().max()) > 1e-3


# Catches: receptive fields that are computed wrongly from kernels, strides and pools.
@pytest.mark.parametrize(
    "options", [{}, TINY, {**TINY, "kernels": [[3, 4], [1, 5]], "pools": [[1, 3], [2, 1]]}]
)
@torch.inference_mode()
def test_a_column_depends_on_its_own_frames_alone(options: dict[str, Any]) -> None:
    network = small(**options, activation="silu")
    receptive = network.context_frames + network.stride_frames
    frames = network.context_frames + 4 * network.stride_frames
    levels = some_levels(frames)
    columns = network.trunk(levels)
    assert columns.shape == (2, network.features, 4)
    assert network.columns_of(frames) == 4
    reached = torch.zeros(4, frames, dtype=torch.bool)
    for frame in range(frames):
        touched = levels.clone()
        touched[..., frame] += torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(frame))
        reached[:, frame] = (network.trunk(touched) != columns).any(dim=(0, 1))
    for column in range(4):
        start = column * network.stride_frames
        allowed = torch.zeros(frames, dtype=torch.bool)
        allowed[start : start + receptive] = True
        assert not (reached[column] & ~allowed).any()
        # And on its first and last one, but for max-pools that look away.
        assert reached[column, start : start + 4].any()
        assert reached[column, start + receptive - 4 : start + receptive].any()


# Catches: columns that are counted from the window's start.
@pytest.mark.parametrize("frames", [67, 68, 73, 76, 77, 100])
@torch.inference_mode()
def test_columns_are_counted_from_the_windows_end(frames: int) -> None:
    network, levels = small(), some_levels(frames)
    columns = network.trunk(levels)
    assert columns.shape[2] == network.columns_of(frames) == (frames - 27) // 10
    for count in range(1, columns.shape[2] + 1):
        piece = levels[..., frames - 27 - 10 * count :]
        torch.testing.assert_close(network.trunk(piece), columns[..., -count:], atol=1e-5, rtol=0)
    with pytest.raises(ConfigError, match="36 frames make no column"):
        network.trunk(levels[..., :36])


@pytest.mark.parametrize("head", HEADS)
@torch.inference_mode()
def test_trunk_and_head_are_the_network(head: dict[str, Any]) -> None:
    network, levels = small(**head), some_levels(81)
    columns = network.trunk(levels)
    torch.testing.assert_close(network.head(columns), network(levels))
    torch.testing.assert_close(network.embed_columns(columns), network.embed(levels))
    torch.testing.assert_close(network.classify(network.embed(levels)), network(levels))


# Catches: a fold of batch norm into the wrong layer, or kernels that lose their zero sum on the way.
@pytest.mark.parametrize("options", [*HEADS, {"separable": True}, {"activation": "silu"}])
@torch.inference_mode()
def test_what_ships_is_the_same_of_ordinary_layers(options: dict[str, Any]) -> None:
    network, levels = small(**options), some_levels(90)
    shipped = network.for_device()
    torch.testing.assert_close(shipped(levels), network(levels), atol=1e-5, rtol=1e-5)
    assert not any(isinstance(part, (nn.BatchNorm2d, ZeroSumConv2d)) for part in shipped.modules())
    first = next(part for part in shipped.modules() if isinstance(part, nn.Conv2d))
    assert float(first.weight.sum(dim=(1, 2, 3)).abs().max()) < 1e-5
    # The trained one is left as it was, to be trained on.
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_the_usual_size_and_what_a_kept_column_saves() -> None:
    """At 64 bands, 20 ms a frame, a window of 5 s and a decision a second."""
    network = build_network({"type": "stream_cnn"}, 64, 9)
    assert isinstance(network, StreamCnn)
    assert 100_000 < parameter_count(network) < 250_000
    assert network.stride_frames == 10
    assert network.context_frames == 17
    costs = stream_costs(network, 64, 249, 50)
    assert costs["saving"] > 4
    assert costs["hop"] < 10e6
    assert stream_costs(small(answer="gru"), 16, 249, 50)["head"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernels": [[5, 5], [3, 3], [3, 2]]}, "must be of one length"),
        ({"kernels": [[4, 5], [3, 3], [3, 2], [3, 2]]}, "odd along mels"),
        ({"kernels": [[1, 1], [3, 3], [3, 2], [3, 2]]}, "sums to zero is nothing"),
        ({"kernels": [5, 3, 3, 3]}, "are pairs"),
        ({"pools": [[1, 1], [2, 0], [2, 1], [2, 1]]}, "are pairs"),
        ({"pools": [[1, 1], [8, 5], [2, 1], [2, 1]]}, "leave nothing of 16 mel bands"),
        ({"answer": "last"}, "mean_max, attention, gru, not 'last'"),
        ({"activation": "tanh"}, "relu, elu, silu, not 'tanh'"),
        ({"padding": 1}, "padding"),
    ],
)
def test_networks_that_can_not_be_built_say_why(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network({"type": "stream_cnn", **SMALL, **options}, 16, 3)


def test_the_trainer_feeds_what_the_device_does(rng: np.random.Generator) -> None:
    cells = (30 * rng.standard_normal((3, 16, 40)) - 60).astype(np.float64)
    fed = network_input(cells, -80.0, "level")
    assert fed.dtype == np.float32
    np.testing.assert_array_equal(fed[:, 0], level(cells.astype(np.float32), -80.0))
    np.testing.assert_array_equal(network_input(cells, None, "frames")[:, 0], cells.astype(np.float32))
    assert network_input(cells, -80.0).max() == 1.0


# Catches: masks that are as loud as a full-scale sine; 0 is the bottom of a picture but the top of levels.
@pytest.mark.parametrize("mask", [mask_mels, mask_times])
def test_masked_levels_are_silence(mask: Any, rng: np.random.Generator) -> None:
    levels = level((10 * rng.standard_normal((4, 1, 16, 40)) - 50).astype(np.float32), -100.0)
    masked = mask(levels, 2, 6, np.random.default_rng(1), "zero", lowest=-5.0)
    assert masked.min() == -5.0
    assert ((masked == levels) | (masked == -5.0)).all()
    config = TrainingConfig(epochs=1, frequency_masks=2, time_masks=2)
    targets = np.eye(4, dtype=np.float32)
    both, _ = augment_pictures(levels, targets, config, np.random.default_rng(2), -5.0)
    assert both.max() <= levels.max()
    assert both.min() == -5.0


# Catches: training on pictures what answers for levels; masks of a batch that are as loud as can be.
def test_batches_are_levels(rng: np.random.Generator) -> None:
    training = TrainingConfig(epochs=1, frequency_masks=3, time_masks=3)
    member = MemberConfig(
        name="x", kind="posterior", input="level", floor_db=-90.0, network={}, training=training
    )
    cells = (10 * rng.standard_normal((1, 6, 16, 40)) - 60).astype(np.float32)
    batch, _ = _make_batch(
        member, TrainingSet(cells, np.arange(6), np.zeros(6, int), 2), np.arange(6), np.random.default_rng(1)
    )
    expected = level(cells[0], -90.0)[:, None]
    masked = batch.numpy() == -4.5
    np.testing.assert_array_equal(np.where(masked, expected, batch.numpy()), expected)
    assert 0.2 < masked.mean() < 0.9


def test_cells_in_decibels_are_made_louder_and_mixed_in_power(rng: np.random.Generator) -> None:
    """What levels are drawn from is what the augmentation works on already."""
    cells = (5 * rng.standard_normal((4, 16, 40)) - 50).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)
    gain = TrainingConfig(epochs=1, gain_db=[6.0, 6.0])
    louder, _ = augment_frames(cells, targets, gain, np.random.default_rng(1))
    np.testing.assert_allclose(louder, cells + 6.0, atol=1e-4)
    mixed, mixed_targets = mix_powers(cells, targets, np.array([1, 0, 3, 2]), np.full(4, 0.5))
    # Two clips of one level share the power: between them in every cell, and half of each in the target.
    assert (mixed <= np.maximum(cells, cells[[1, 0, 3, 2]]) + 3.0).all()
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1.0, rtol=1e-6)


# Catches: parts of a file that are not the network that passed the gate, in 8 bits above all.
@pytest.mark.parametrize("scheme", ["float", "weight_only", "static"])
@pytest.mark.parametrize("head", HEADS)
def test_parts_in_onnx_are_cut_out_of_the_whole(head: dict[str, Any], scheme: str) -> None:
    network, frames = small(**head), 101
    whole = export_onnx(network, "posterior", 16, frames)
    if scheme != "float":
        whole = quantise_onnx(whole, scheme, some_levels(frames, count=8).numpy())
    parts = make_stream_parts(
        whole, network, "posterior", mels=16, frames=frames, hop_frames=20.0, ending="onnx"
    )
    assert parts is not None
    assert (parts.chunk_frames, parts.context_frames, parts.stride_frames, parts.columns) == (47, 27, 10, 7)
    assert len(parts.trunk) + len(parts.head) < 1.25 * len(whole)
    crnn = build_network({"type": "cnn", "filters": [2], "kernels": [3], "pools": [[2, 2]]}, 16, 3)
    sizes: dict[str, Any] = {"mels": 16, "frames": frames, "hop_frames": 20.0}
    assert make_stream_parts(whole, crnn, "posterior", **sizes, ending="onnx") is None
    eight_bits = {**sizes, "ending": "tflite", "precision": "int8"}
    assert make_stream_parts(whole, network, "posterior", **eight_bits) is None


_MEMBER = """
[[members]]
name = "{name}"
kind = "{kind}"
target = "{target}"
front_end = "mel16"
input = "level"
floor_db = -110.0
training = "short"

[members.network]
type = "stream_cnn"
filters = [4, 6]
kernels = [[3, 3], [3, 2]]
strides = [[2, 2], [1, 1]]
pools = [[1, 1], [2, 2]]
features = 8
dropout = 0.1
{more}
"""
_LATE_FUSION = """
[fusion]
c_grid = [0.01, 1.0]

[[fusions]]
name = "late fusion"
members = ["stream", "stream_svm"]
"""
STREAM_RECIPE = (
    RECIPE[: RECIPE.index("[[members]]")]
    .replace("window_s = 0.128\nhop_s = 0.064", "window_s = 0.04\nhop_s = 0.02")
    .replace("hop_s = 0.5", "hop_s = 0.24")
    + _MEMBER.format(name="stream", kind="posterior", target="label", more="")
    + _MEMBER.format(
        name="stream_svm", kind="embedding_svm", target="fine", more='answer = "gru"\ngru_size = 4'
    )
    + _LATE_FUSION
)


@pytest.fixture(scope="module")
def stream_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from asc_edge_train.cli import main

    folder = tmp_path_factory.mktemp("stream-run")
    recipe = folder / "tiny.toml"
    write_esc50(folder / "data/esc50", LABELS, folds=2, per_fold=4)
    recipe.write_text(STREAM_RECIPE)
    command = [
        "run",
        str(recipe),
        "--data",
        str(folder / "data"),
        "--out",
        str(folder / "run"),
        "--jobs",
        "1",
    ]
    assert main([*command, "--quiet"]) == 0
    return folder


# Catches: anything between the trainer's answer and the device's that isn't the same for levels and parts.
def test_a_run_ships_a_bundle_that_is_computed_in_parts(stream_run: Path) -> None:
    from asc_edge_train.networks import network_path

    bundle = Bundle.open(stream_run / "run/tiny.ascb")
    assert [(member.input, member.floor_db) for member in bundle.members] == [("level", -110.0)] * 2
    recipe = load_recipe(str(stream_run / "tiny.toml"))
    config = recipe.front_ends["mel16"]
    # Clips of three classes one after the other: every decision hears something else.
    rng = np.random.default_rng(8)
    time_s = np.arange(4 * 16000) / 16000
    sweep = np.sin(2 * np.pi * (200 + 300 * time_s) * time_s) * (0.3 + 0.2 * np.sin(5 * time_s))
    clip = (sweep[:, np.newaxis] + 0.01 * rng.standard_normal((len(time_s), 2))).astype(np.float32)
    pipeline = Pipeline(bundle, channels=2)
    cached, whole = pipeline.push(clip), Pipeline(bundle, channels=2, cache=False).push(clip)
    assert len(cached) == len(whole) == 13
    assert [report.cached for report in pipeline.streams] == [True, True]
    for report in pipeline.streams:
        assert report.columns_needed > 2.5 * report.columns_computed
    networks = {}
    for member, classes in ((recipe.member("stream"), 3), (recipe.member("stream_svm"), 3)):
        network = build_network(member.network, config.mels, classes)
        path = network_path(stream_run / "run/networks", member.name, 0, 0)
        network.load_state_dict(torch.load(path, weights_only=True))
        networks[member.name] = network.eval()
    for number, (one, other) in enumerate(zip(cached, whole, strict=True)):
        for name in one.members:
            np.testing.assert_allclose(one.members[name], other.members[name], atol=1e-4)
        np.testing.assert_allclose(list(one.posterior.values()), list(other.posterior.values()), atol=1e-4)
        # A hop is a whole number of frames, so that the window's own frames are the stream's.
        start = number * round(0.24 * 16000)
        cells = log_mel(np.ascontiguousarray(clip[start : start + 16000]), config)
        answers = infer(networks["stream"], cells, -110.0, "posterior", fed="level")
        np.testing.assert_allclose(one.members["stream"], answers.mean(axis=0), atol=1e-4)
        embedding = infer(networks["stream_svm"], cells, -110.0, "embedding_svm", fed="level")
        svm = bundle.member_svm(bundle.members[1])
        assert svm is not None
        values = svm.decision_function(embedding.astype(np.float64)).mean(axis=0)
        np.testing.assert_allclose(one.members["stream_svm"], values, atol=1e-4)
    assert len({tuple(np.round(d.members["stream"], 3)) for d in cached}) > 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('input = "level"', 'input = "waveform"', "input is picture, frames or level, not 'waveform'"),
        ('input = "level"\nfloor_db = -110.0', 'input = "level"', "levels have a floor_db"),
        ('input = "level"', 'input = "frames"', "bare frames have none"),
        ('input = "level"', 'input = "picture"', "a stream_cnn is fed levels"),
        ("mels = 16", "mels = 16\ncentred = true", "in plain dB that is not centred"),
        (
            "sample_rate_hz = 16000\nwindow_s = 0.04",
            "sample_rate_hz = 8000\nwindow_s = 0.04",
            "hears 8000 Hz",
        ),
    ],
)
def test_recipes_that_feed_a_network_wrongly_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(STREAM_RECIPE.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(path))
