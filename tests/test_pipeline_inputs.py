"""What members are fed beside pictures (bare frames, centred ones too, and levels); how silence is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge import Bundle, Pipeline, log_mel, presets
from asc_edge.bundle import write_bundle
from asc_edge.errors import AudioFormatError, ConfigError
from asc_edge.frontend import LogMelConfig, LogMelStream
from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge.members import silence_front_end
from asc_edge.rings import FrameRing, SampleRing
from asc_edge.window import level

from tiny_system import CONFIG, LABELS, band_noise, network, tiny_manifest

MELS = CONFIG.mels
# EfficientAT's front end, as mn04 has it, on a small scale: natural logarithm, centred, scaled, pre-emphasis.
CENTRED = replace(
    presets.EFFICIENTAT_MN, sample_rate_hz=16000, fft_samples=512, mels=MELS, fmax_hz=7500.0, hop_s=0.02
)
NATURAL_LOG = replace(CENTRED, centred=False)


def one_member(path: Path, config: LogMelConfig, fed: str, floor_db: float | None, **changes: Any) -> Bundle:
    """A bundle of one network that answers with the mean of its cells over time, as an embedding.

    The SVM and the fusion hand on three of them, so that a decision shows what the network was fed.
    """
    chosen = np.zeros((3, MELS))
    chosen[[0, 1, 2], [4, 14, 24]] = 1.0
    fusion = LinearSvm(np.zeros(3), np.ones(3), np.eye(3), np.zeros(3))
    manifest = tiny_manifest() | {
        "front_ends": {"one": config.to_dict()},
        "members": [
            {
                "name": "mean",
                "kind": "embedding_svm",
                "front_end": "one",
                "input": fed,
                "floor_db": floor_db,
                "network": "mean.onnx",
                "svm": "mean.npz",
                "outputs": 3,
            }
        ],
        **changes,
    }
    files = {
        "mean.onnx": network(np.eye(MELS, dtype=np.float32), softmax=False),
        "mean.npz": LinearSvm(np.zeros(MELS), np.ones(MELS), chosen, np.zeros(3)).to_npz(),
        "fusion.npz": LateFusion(fusion, -np.ones(3), np.zeros(3)).to_npz(),
    }
    write_bundle(path, manifest, files)
    return Bundle.open(path)


def swelling(seconds: float, channels: int = 2) -> NDArray[np.float32]:
    """Noise that changes all the time, so that every window has other means."""
    parts = [band_noise(LABELS[number % 3], 0.5, seed=number) for number in range(round(2 * seconds))]
    gains = np.linspace(0.2, 0.9, round(seconds * 16000))
    clip = np.concatenate(parts) * gains
    return (clip[:, np.newaxis] * np.linspace(1.0, 0.4, channels)).astype(np.float32)


# Catches: a centred window that isn't reflected at its own two ends, or frames that come too late; frames
# that are scaled like a picture; levels with a floor below the peak.
@pytest.mark.parametrize("block", [1600, 777, 40_000])
@pytest.mark.parametrize(
    ("config", "fed", "floor_db"),
    [
        (CENTRED, "frames", None),
        (NATURAL_LOG, "frames", None),
        (CONFIG, "frames", None),
        (CONFIG, "level", -50.0),
    ],
)
def test_members_are_fed_what_the_trainer_computes(
    tmp_path: Path, config: LogMelConfig, fed: str, floor_db: float | None, block: int
) -> None:
    """Oracle: `log_mel` of the very samples of each window, which is what networks are trained on.

    For frames of a stream that is every window whose start is a whole number of hops into the stream.
    """
    bundle = one_member(tmp_path / "one.ascb", config, fed, floor_db, hop_s=0.64)
    clip = swelling(3.0)
    pipeline = Pipeline(bundle, channels=2)
    decisions = [
        d for start in range(0, len(clip), block) for d in pipeline.push(clip[start : start + block])
    ]
    assert len(decisions) == 4
    for decision in decisions:
        end = round(decision.t_s * 16000)
        cells = log_mel(clip[end - 16000 : end], config)
        if fed == "level":
            cells = np.maximum(cells, floor_db) / 20.0
        expected = cells.mean(axis=2)[:, [4, 14, 24]].mean(axis=0)
        np.testing.assert_allclose(decision.members["mean"], expected, atol=1e-5)
    assert len({decision.members["mean"] for decision in decisions}) == 4


def test_centred_frames_do_not_depend_on_where_the_stream_began(tmp_path: Path) -> None:
    """Catches: centred frames of a grid that began with the stream. A hop of half a frame shows it."""
    bundle = one_member(tmp_path / "one.ascb", CENTRED, "frames", None)
    clip = swelling(2.0)
    decisions = Pipeline(bundle, channels=2, hop_s=0.51).push(clip)
    start = round(0.51 * 16000)
    (alone,) = Pipeline(bundle, channels=2).push(np.ascontiguousarray(clip[start : start + 16000]))
    assert decisions[1].members == alone.members


def test_only_voting_channels_are_fed(tmp_path: Path) -> None:
    for name, config in (("centred", CENTRED), ("log", NATURAL_LOG)):
        bundle = one_member(tmp_path / f"{name}.ascb", config, "frames", None)
        clip = swelling(1.0, channels=3)
        clip[:, 1] = 0.5
        (decision,) = Pipeline(bundle, channels=3).push(clip)
        (healthy,) = Pipeline(bundle, channels=2).push(np.ascontiguousarray(clip[:, [0, 2]]))
        assert decision.channels == ("ok", "dead", "ok")
        assert decision.members == healthy.members


def test_int16_equals_float32_and_gaps_empty_the_window(tmp_path: Path) -> None:
    bundle = one_member(tmp_path / "one.ascb", CENTRED, "frames", None)
    integers = np.round(swelling(1.0) * 32767).astype(np.int16)
    (a,), (b,) = (Pipeline(bundle, 2).push(x) for x in (integers, integers.astype(np.float32) / 32768))
    assert a.members == b.members
    pipeline = Pipeline(bundle, 2)
    pipeline.push(swelling(1.5))
    pipeline.skip(16000)
    assert pipeline.push(integers[:15999]) == []
    (after,) = pipeline.push(integers[15999:])
    assert after.members == a.members
    pipeline.reset()
    (again,) = pipeline.push(integers)
    assert again.members == a.members
    waiting = Pipeline(bundle, 2)
    waiting.push(integers[:8000])
    waiting.skip(4000)
    assert [d.t_s for d in waiting.push(integers[:8000])] == [1.25]  # never half a window


# Catches: a level in natural logarithms, or of half a window, that is held against decibels.
@pytest.mark.parametrize(("config", "fed"), [(CENTRED, "frames"), (NATURAL_LOG, "frames"), (CONFIG, "level")])
def test_silence_is_judged_in_decibels_whatever_members_are_fed(
    tmp_path: Path, config: LogMelConfig, fed: str
) -> None:
    bundle = one_member(
        tmp_path / "one.ascb", config, fed, -100.0 if fed == "level" else None, silence_db=-60.0
    )
    time_s = np.arange(16000)[:, np.newaxis] / 16000
    for peak_db, state in ((-50.0, "ok"), (-55.0, "ok"), (-65.0, "silent"), (-80.0, "silent")):
        # A sine on a bin of any power of two: its loudest cell is at its own level.
        sine = (10 ** (peak_db / 20) * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)
        (decision,) = Pipeline(bundle).push(sine)
        assert decision.state == state, peak_db
    assert [d.state for d in Pipeline(bundle).push(np.full((16000, 1), 0.1, np.float32))] == ["no_input"]


def test_silence_is_judged_by_the_first_front_end_in_decibels(tmp_path: Path, tiny_bundle: Path) -> None:
    pipeline = Pipeline(Bundle.open(tiny_bundle))
    assert pipeline._system.silence.config == CONFIG
    assert list(pipeline._system.front_ends) == [CONFIG]
    bare = Pipeline(one_member(tmp_path / "one.ascb", CENTRED, "frames", None))
    assert bare._system.silence.config == silence_front_end(16000, 16000)
    for rate, samples in ((16000, 1000), (22050, 110250), (44100, 441000), (12347, 12347)):
        assert silence_front_end(rate, samples).frames(samples) >= 1


def test_level_is_the_absolute_floor_over_twenty(rng: np.random.Generator) -> None:
    cells = (40 * rng.standard_normal((2, 3, 4)) - 60).astype(np.float32)
    np.testing.assert_allclose(level(cells, -80.0), np.maximum(cells, -80.0) / 20, rtol=1e-6)
    assert level(cells, -80.0).dtype == np.float32
    # What makes it fit for streams: a cell knows nothing of the others.
    np.testing.assert_array_equal(level(cells[:, :, 1:2], -80.0), level(cells, -80.0)[:, :, 1:2])
    with pytest.raises(ConfigError, match="floor_db"):
        level(cells, 0.0)
    with pytest.raises(AudioFormatError, match="float64"):
        level(cells.astype(np.float64), -80.0)  # type: ignore[arg-type]


# Catches: a ring that hands out old or mixed frames; blocks as long as the ring, and longer.
@pytest.mark.parametrize("block", [1, 2, 5, 6, 7, 13, 60])
def test_rings_keep_the_newest(block: int, rng: np.random.Generator) -> None:
    frames = rng.standard_normal((60, 3, 5)).astype(np.float32)
    ring, samples = FrameRing(3, 5, 6), SampleRing(3, 6)
    for start in range(0, 60, block):
        ring.push(frames[start : start + block])
        samples.push(frames[start : start + block, :, 0])
        heard = frames[: start + block]
        assert ring.heard == samples.heard == len(heard)
        assert ring.full == samples.full == (len(heard) >= 6)
        for count in range(1, min(6, len(heard)) + 1):
            np.testing.assert_array_equal(ring.last(count), heard[-count:].transpose(1, 2, 0))
        if ring.full:
            np.testing.assert_array_equal(ring.peaks(), heard[-6:].max(axis=(0, 2)))
            np.testing.assert_array_equal(samples.window(), heard[-6:, :, 0])
    ring.clear()
    samples.clear()
    assert not ring.full
    assert not samples.full
    ring.push(frames[:7])
    np.testing.assert_array_equal(ring.last(6), frames[1:7].transpose(1, 2, 0))


def test_what_a_ring_gives_is_a_copy() -> None:
    """Catches: cells that change under a network while it runs, or under whoever kept them."""
    ring = FrameRing(1, 1, 4)
    ring.push(np.arange(4, dtype=np.float32).reshape(4, 1, 1))
    kept = ring.last(4)
    ring.push(np.full((4, 1, 1), 9.0, np.float32))
    np.testing.assert_array_equal(kept[0, 0], [0, 1, 2, 3])


def test_frames_of_a_stream_are_those_of_the_window(rng: np.random.Generator) -> None:
    config = LogMelConfig(mels=12)
    samples = rng.standard_normal((5 * 16000, 2)).astype(np.float32)
    stream, ring = LogMelStream(config, channels=2), FrameRing(2, 12, config.frames(len(samples)))
    for block in np.array_split(samples, 37):
        ring.push(stream.push(block))
    np.testing.assert_array_equal(ring.last(config.frames(len(samples))), log_mel(samples, config))
