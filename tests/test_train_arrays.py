"""Array recordings made of mono clips: rooms, ambient noise, microphones, faults, converters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asc_edge.audio.array import ArrayHealth
from asc_edge.audio.verdicts import ChannelJudge
from asc_edge.errors import ConfigError
from asc_edge_train import arrays_rooms
from asc_edge_train.arrays import (
    ARRAYS,
    FAULTS,
    ArrayConfig,
    ArrayResponse,
    MicrophoneConfig,
    array_positions_m,
)
from asc_edge_train.arrays_render import diffuse_noise, record, record_channel
from asc_edge_train.recipe import RoomConfig
from asc_edge_train.rooms import load_rooms, room_variant

RATE = 16000
IDEAL = MicrophoneConfig(
    gain_spread_db=0.0,
    tilt_spread_db=0.0,
    offset_fs=(0.0, 0.0),
    self_noise_db_spl=(-160.0, -160.0),
    self_noise_spread_db=0.0,
    bits={16: 1.0},
    clipping_share=0.0,
)


def direct_sound(array: str = "linear4") -> ArrayResponse:
    """A room without walls, straight ahead."""
    positions = array_positions_m(array)
    responses = np.zeros((len(positions), 50))
    responses[:, 10] = 1.0
    return ArrayResponse("open air", array, responses, positions, 1.0, 0.1)


def noise(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(RATE * seconds)) * 0.1


# Catches: wrong spacing or a circle of the wrong size; arrays off their centre.
def test_shapes_of_arrays() -> None:
    for array in ARRAYS:
        positions = array_positions_m(array)
        assert positions.shape == (int(array[-1]), 3)
        np.testing.assert_allclose(positions.mean(axis=0), 0.0, atol=1e-12)
    line = array_positions_m("linear4")
    np.testing.assert_allclose(np.linalg.norm(np.diff(line, axis=0), axis=1), 0.05)
    with pytest.raises(ConfigError, match="linear9"):
        array_positions_m("linear9")


# Catches: ranges that are the wrong way round, or impossible, found out only after hours of rendering.
@pytest.mark.parametrize(
    "change",
    [
        {"arrays": ("linear5",)},
        {"arrays": ()},
        {"distances_m": (0.0,)},
        {"rt60_s": (5.0,)},
        {"snr_db": (30.0, 10.0)},
        {"level_db": (-6.0, 3.0)},
        {"largest_m": (2.0, 2.0, 2.0)},
    ],
)
def test_impossible_scenes_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="arrays"):
        replace(ArrayConfig(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"bits": {24: 1.0}}, {"bits": {16: 0.5}}, {"clipping_share": 2.0}])
def test_impossible_microphones_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="arrays"):
        replace(MicrophoneConfig(), **change)  # type: ignore[arg-type]


# Catches: noise that is the same in all channels, or independent in each: an array in neither kind of field.
def test_ambient_noise_is_diffuse() -> None:
    positions = array_positions_m("linear4")
    made = diffuse_noise(positions, 20 * RATE, RATE, slope_db=0.0, rng=np.random.default_rng(1))
    assert np.mean(made**2) == pytest.approx(1.0)
    blocks = np.fft.rfft(made.reshape(-1, 512, 4), axis=1)
    cross = np.mean(blocks[..., 0] * np.conj(blocks[..., 1]), axis=0)
    power = np.mean(np.abs(blocks) ** 2, axis=0)
    coherence = np.real(cross) / np.sqrt(power[:, 0] * power[:, 1])
    frequency_hz = np.fft.rfftfreq(512, 1 / RATE)
    expected = np.sinc(2 * frequency_hz * 0.05 / 343.0)
    inner = slice(4, -4)
    assert np.max(np.abs(coherence[inner] - expected[inner])) < 0.2
    assert np.mean(np.abs(coherence[inner] - expected[inner])) < 0.05


# Catches: noise at another level than the scene says, and a peak that isn't the one asked for.
def test_levels_are_those_of_the_scene() -> None:
    config = ArrayConfig(snr_db=(12.0, 12.0), level_db=(-6.0, -6.0), microphones=IDEAL)
    made = record(noise(), direct_sound(), config, sample_rate_hz=RATE, seed=[1])
    samples = made.samples["none"] / 32768.0
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-6.0, abs=0.1)
    clean = np.zeros(len(samples))
    clean[10:] = noise()[:-10]
    scale = np.dot(samples[:, 0], clean) / np.dot(clean, clean)
    rest = samples[:, 0] - scale * clean
    snr_db = 10 * np.log10(np.mean((scale * clean) ** 2) / np.mean(rest**2))
    assert snr_db == pytest.approx(12.0, abs=0.7)


# Catches: draws from a shared state; a healthy array that changes with the faults asked for beside it.
def test_recordings_follow_the_seed() -> None:
    np.random.seed(3)
    config = ArrayConfig()
    first = record(noise(), direct_sound(), config, sample_rate_hz=RATE, seed=[1, 2], faults=FAULTS)
    alone = record(noise(), direct_sound(), config, sample_rate_hz=RATE, seed=[1, 2])
    other = record(noise(), direct_sound(), config, sample_rate_hz=RATE, seed=[1, 3])
    np.testing.assert_array_equal(first.samples["none"], alone.samples["none"])
    assert not np.array_equal(alone.samples["none"], other.samples["none"])
    noisy = record(noise(), direct_sound(), config, sample_rate_hz=RATE, seed=[1, 2], faults=("noisy",))
    np.testing.assert_array_equal(first.samples["noisy"], noisy.samples["noisy"])


# Catches: a fault on all channels, on none, or on another than the list says; dead channels that still vote.
def test_faults_are_on_one_channel() -> None:
    made = record(noise(), direct_sound(), ArrayConfig(), sample_rate_hz=RATE, seed=[5], faults=FAULTS)
    healthy, bad = made.samples["none"], made.fault_channel
    for fault in ("dead", "noisy"):
        changed = np.any(made.samples[fault] != healthy, axis=0)
        assert np.flatnonzero(changed).tolist() == [bad]
    assert len(np.unique(made.samples["dead"][:, bad])) == 1
    health = ArrayHealth(channels=4, sample_rate_hz=RATE, window_s=2.0)
    health.update(made.samples["dead"])
    verdicts = ChannelJudge(4, 2.0).judge(2.0, health.status(), health.statistics())
    assert [number for number, verdict in enumerate(verdicts) if verdict != "ok"] == [bad]
    with pytest.raises(ConfigError, match="deaf"):
        record(noise(), direct_sound(), ArrayConfig(), sample_rate_hz=RATE, seed=[5], faults=("deaf",))


# Catches: a coarse converter that keeps the fine steps; clipping that wraps round.
def test_converters_and_clipping() -> None:
    coarse = replace(IDEAL, bits={8: 1.0})
    made = record(noise(), direct_sound(), ArrayConfig(microphones=coarse), sample_rate_hz=RATE, seed=[2])
    assert made.bits == 8
    assert np.all(made.samples["none"] % 256 == 0)
    hard = replace(IDEAL, clipping_share=1.0, clipping_db=(6.0, 6.0))
    loud = record(noise(), direct_sound(), ArrayConfig(microphones=hard), sample_rate_hz=RATE, seed=[2])
    samples = loud.samples["none"]
    assert samples.max() == 32767
    assert samples.min() == -32768
    assert np.abs(np.diff(samples.astype(int), axis=0)).mean() < 32768
    assert np.corrcoef(samples[:, 0], made.samples["none"][:, 0])[0, 1] > 0.9


# Catches: microphones that are all alike, or further apart than the configuration says.
def test_microphones_differ_within_their_spread() -> None:
    spread = replace(IDEAL, gain_spread_db=3.0, offset_fs=(-0.1, 0.1))
    config = ArrayConfig(microphones=spread, snr_db=(80.0, 80.0))
    samples = record(noise(), direct_sound(), config, sample_rate_hz=RATE, seed=[4]).samples["none"] / 32768
    levels_db = 20 * np.log10(samples.std(axis=0))
    assert 0.1 < np.ptp(levels_db) <= 6.1
    assert np.ptp(samples.mean(axis=0)) > 0.005
    assert np.abs(samples.mean(axis=0)).max() <= 0.11


@pytest.fixture(scope="module")
def room() -> ArrayResponse:
    pytest.importorskip("pyroomacoustics")
    return arrays_rooms.simulate_array(
        ArrayConfig(), "linear4", distance_m=2.0, rt60_s=0.3, sample_rate_hz=8000, seed=[1, 2]
    )


# Catches: channels that are cut each for itself, which would undo the way between them; energy by room size.
def test_simulated_arrays_keep_the_way_between_microphones(room: ArrayResponse) -> None:
    assert np.mean(np.sum(room.responses**2, axis=1)) == pytest.approx(1.0)
    onsets = [int(np.argmax(np.abs(row) > 0.5 * np.abs(row).max())) for row in room.responses]
    assert 30 <= min(onsets) <= 50
    assert max(onsets) - min(onsets) <= 0.15 / 343 * 8000 + 1
    assert 0.1 < room.rt60_s < 0.6


# Catches: rooms that aren't kept, or come back as others; a pool that is another when more are asked for.
def test_simulated_arrays_are_kept(
    tmp_path: Path, room: ArrayResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def count(*_args: object, **_named: object) -> ArrayResponse:
        calls.append(1)
        return room

    monkeypatch.setattr(arrays_rooms, "simulate_array", count)
    for _ in range(2):
        pool = arrays_rooms.simulated_pool(ArrayConfig(), 2, 8000, 3, tmp_path)
        np.testing.assert_array_equal(pool[1].responses, room.responses)
    assert len(calls) == 2
    arrays_rooms.simulated_pool(ArrayConfig(), 3, 8000, 3, tmp_path)
    assert len(calls) == 3


# Catches: more than one channel, or always the same one; samples beyond full scale.
def test_a_view_is_one_channel_of_an_array() -> None:
    response = direct_sound()
    response.responses[:] *= np.arange(1, 5)[:, None]
    views = [
        record_channel(noise(), response, ArrayConfig(), sample_rate_hz=RATE, seed=[n]) for n in range(6)
    ]
    for view in views:
        assert view.shape == noise().shape
        assert view.dtype == np.float32
        assert np.abs(view).max() <= 1.0
    again = record_channel(noise(), response, ArrayConfig(), sample_rate_hz=RATE, seed=[0])
    np.testing.assert_array_equal(again, views[0])
    assert not np.array_equal(views[0], views[1])


# Catches: old recipes whose frames are computed again, or drawn otherwise, because there are arrays now.
def test_recipes_without_arrays_stay_as_they_were() -> None:
    config = RoomConfig(count=1, simulated=2)
    assert list(config.described()) == ["count", "simulated", "folder", "licences", "level_db", "noise_db"]
    assert replace(config, arrays=3).described()["arrays"] == 3
    dry = noise(0.5)[:, None].astype(np.float32)
    rooms = [np.eye(1, 9, n)[0] for n in range(3)]
    plain = room_variant(dry, rooms, config, np.random.default_rng(7))
    named = room_variant(dry, rooms, config, np.random.default_rng(7), RATE)
    np.testing.assert_array_equal(plain, named)


# Catches: arrays that a recipe asks for and that no variant ever comes from.
def test_variants_come_from_arrays(
    tmp_path: Path, room: ArrayResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays_rooms, "simulate_array", lambda *_a, **_n: room)
    rooms = load_rooms(RoomConfig(count=1, arrays=2), tmp_path, 8000, arrays=2, cache=tmp_path)
    assert len(rooms) == 2
    dry = noise(0.5)[:, None].astype(np.float32)
    wet = room_variant(dry, rooms, RoomConfig(count=1), np.random.default_rng(1), 8000)
    assert wet.shape == dry.shape
    assert not np.array_equal(wet, room_variant(dry, rooms, RoomConfig(), np.random.default_rng(2), 8000))
