"""Rooms that clips are put into: measured and simulated."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asc_edge_train import rooms_simulated
from asc_edge_train.clips import DataError
from asc_edge_train.recipe import RoomConfig
from asc_edge_train.rooms import load_rooms, room_variant
from asc_edge_train.rooms_simulated import simulate_rooms

RATE = 8000


@pytest.fixture(scope="module")
def simulated() -> list[np.ndarray]:
    pytest.importorskip("pyroomacoustics")
    return simulate_rooms(3, RATE, seed=7)


# Catches: the sound's way to the microphone left in front, where it would push the clip's end out; energy
# that depends on the room's size.
def test_simulated_rooms_begin_with_the_direct_sound(simulated: list[np.ndarray]) -> None:
    for response in simulated:
        assert np.sum(response**2) == pytest.approx(1.0)
        onset = np.flatnonzero(np.abs(response) > 0.5 * np.abs(response).max())[0]
        assert 30 <= onset <= 50
        assert len(response) > 0.05 * RATE


# Catches: responses that don't die away as the room they stand for; measured by pyroomacoustics itself.
def test_simulated_rooms_reverberate(simulated: list[np.ndarray]) -> None:
    pra = pytest.importorskip("pyroomacoustics")
    times = [pra.experimental.measure_rt60(response, RATE) for response in simulated]
    assert min(times) > 0.1
    assert max(times) < 1.0
    assert len({round(time, 2) for time in times}) == 3


# Catches: rooms drawn from a state of somebody else's, or from one stream, so that more rooms are others.
def test_simulated_rooms_follow_the_seed(simulated: list[np.ndarray]) -> None:
    np.random.seed(1)
    fewer = simulate_rooms(2, RATE, seed=7)
    other = simulate_rooms(1, RATE, seed=8)
    for ours, theirs in zip(fewer, simulated, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(other[0][:100], simulated[0][:100])


# Catches: a cache that isn't used, or is used for other rooms.
def test_simulated_rooms_are_kept(
    tmp_path: Path, simulated: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def count(_pra: Any, _rate: int, seed: list[int]) -> np.ndarray:
        made.append(seed)
        return simulated[seed[1]]

    monkeypatch.setattr(rooms_simulated, "_simulate", count)
    for _ in range(2):
        kept = simulate_rooms(3, RATE, 7, tmp_path / "new")
        for ours, theirs in zip(kept, simulated, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert made == [[7, 0], [7, 1], [7, 2]]
    simulate_rooms(3, RATE, 8, tmp_path / "new")
    assert len(made) == 6


def test_clips_are_heard_in_simulated_rooms(tmp_path: Path, simulated: list[np.ndarray]) -> None:
    config = RoomConfig(count=1)
    rooms = load_rooms(config, tmp_path, RATE, simulated=1, seed=7)
    np.testing.assert_array_equal(rooms[0], simulated[0])
    dry = np.zeros((RATE, 1), np.float32)
    dry[100] = 0.5
    wet = room_variant(dry, rooms, config, np.random.default_rng(0))
    assert wet.shape == dry.shape
    heard = np.correlate(wet[:, 0], rooms[0][:2000], mode="full")
    assert np.argmax(np.abs(heard)) - (2000 - 1) == pytest.approx(100, abs=1)


def test_without_pyroomacoustics_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "pyroomacoustics":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=r"asc-edge\[train\]"):
        simulate_rooms(1, RATE, 1)
