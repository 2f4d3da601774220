"""Simulated rooms: impulse responses of shoebox rooms by the image method, where measured ones are few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from asc_edge_train.clips import DataError
from asc_edge_train.recipe import fingerprint
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp

__all__ = ["import_pyroomacoustics", "room_responses", "simulate_places", "simulate_rooms"]

# Raised when the rooms drawn change, so that old caches are made again.
_VERSION = 1
# Rooms of homes: length, width and height in metres, reverberation time in seconds.
_SMALLEST_M = (3.0, 2.5, 2.3)
_LARGEST_M = (8.0, 6.0, 3.0)
_RT60_S = (0.15, 0.7)
# Sounds and microphones keep away from walls, and from each other.
_FROM_WALL_M = 0.4
_APART_M = 0.8
# Later reflections of small, hard rooms are left out: their number grows with the third power.
_MOST_REFLECTIONS = 40
# What is kept before the direct sound: fractional delays ring this far ahead.
_LEAD_SAMPLES = 40


def simulate_rooms(count: int, sample_rate_hz: int, seed: int, cache: Path | None = None) -> list[np.ndarray]:
    """Impulse responses (n,), float64 of unit energy, of ``count`` rooms drawn at random.

    Each has a size, a reverberation time, a place of the sound and one of the microphone of its own. The
    direct sound stands at the start. The same seed gives the same rooms, and more of them begin with these.

    Parameters
    ----------
    cache : Path, optional
        Folder in which the responses are kept, since a room takes a quarter of a second.

    Raises
    ------
    DataError
        When pyroomacoustics isn't installed.
    """
    key = fingerprint(_VERSION, count, sample_rate_hz, seed)
    path = None if cache is None else cache / f"rooms-{key[:16]}.npz"
    if path is not None and is_stamped(path, key):
        stored = load_arrays(path)
        return [stored[f"room{number}"] for number in range(count)]
    pra = import_pyroomacoustics()
    rooms = [_simulate(pra, sample_rate_hz, [seed, number]) for number in range(count)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(path, **{f"room{number}": room for number, room in enumerate(rooms)})
        stamp(path, key)
    return rooms


def _simulate(pra: ModuleType, sample_rate_hz: int, seed: list[int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size_m, rt60_s = rng.uniform(_SMALLEST_M, _LARGEST_M), rng.uniform(*_RT60_S)
    source_m, microphone_m = _places(size_m, rng)
    (response,) = room_responses(
        pra,
        sample_rate_hz,
        size_m=size_m,
        rt60_s=rt60_s,
        source_m=source_m,
        microphones_m=microphone_m[None],
    )
    return response / np.sqrt(np.sum(response**2))


def simulate_places(places: int, sample_rate_hz: int, seed: Sequence[int]) -> list[np.ndarray]:
    """Responses (n,) from some places of one room, drawn at random, to one microphone in it.

    Their delays and levels to each other are those of the room.

    Raises
    ------
    DataError
        When pyroomacoustics isn't installed.
    """
    rng = np.random.default_rng(seed)
    size_m, rt60_s = rng.uniform(_SMALLEST_M, _LARGEST_M), rng.uniform(*_RT60_S)
    _, microphone_m = _places(size_m, rng)
    low, high = np.full(3, _FROM_WALL_M), size_m - _FROM_WALL_M
    sources: list[np.ndarray] = []
    while len(sources) < places:
        source_m = rng.uniform(low, high)
        if np.linalg.norm(source_m - microphone_m) >= _APART_M:
            sources.append(source_m)
    # Sound takes the same way back, and one source with many microphones is much less to compute.
    return room_responses(
        import_pyroomacoustics(),
        sample_rate_hz,
        size_m=size_m,
        rt60_s=rt60_s,
        source_m=microphone_m,
        microphones_m=np.stack(sources),
    )


def room_responses(
    pra: ModuleType,
    sample_rate_hz: int,
    *,
    size_m: np.ndarray,
    rt60_s: float,
    source_m: np.ndarray,
    microphones_m: np.ndarray,
) -> list[np.ndarray]:
    """Responses from one place to some microphones of a shoebox room; the first direct sound stands in front.

    Parameters
    ----------
    microphones_m : ndarray (microphones, 3)
    """
    absorption, reflections = _walls(pra, rt60_s, size_m)
    room = pra.ShoeBox(
        size_m,
        fs=sample_rate_hz,
        materials=pra.Material(absorption),
        max_order=min(reflections, _MOST_REFLECTIONS),
        air_absorption=True,
    )
    room.add_source(source_m)
    for microphone_m in microphones_m:
        room.add_microphone(microphone_m)
    room.compute_rir()
    delay_s = float(np.min(np.linalg.norm(microphones_m - source_m, axis=1))) / room.c
    # pyroomacoustics delays everything by half its fractional-delay filter.
    direct = int(delay_s * sample_rate_hz) + pra.constants.get("frac_delay_length") // 2
    start = max(0, direct - _LEAD_SAMPLES)
    return [np.asarray(response[0], dtype=np.float64)[start:] for response in room.rir]


def _walls(pra: ModuleType, rt60_s: float, size_m: np.ndarray) -> tuple[float, int]:
    """Absorption of the walls for a reverberation time, and the reflections it takes."""
    try:
        absorption, reflections = pra.inverse_sabine(rt60_s, size_m)
    except ValueError:  # too short a time for a room this large: as dead as Sabine's formula goes
        return 0.99, 3
    return float(absorption), int(reflections)


def _places(size_m: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places of a sound and a microphone in a room."""
    low, high = np.full(3, _FROM_WALL_M), size_m - _FROM_WALL_M
    source = rng.uniform(low, high)
    while True:
        microphone = rng.uniform(low, high)
        if np.linalg.norm(source - microphone) >= _APART_M:
            return source, microphone


def import_pyroomacoustics() -> ModuleType:
    """The library that simulates rooms.

    Raises
    ------
    DataError
        When it isn't installed.
    """
    try:
        import pyroomacoustics
    except ImportError:
        raise DataError(
            "simulated rooms need pyroomacoustics; install them with: pip install 'asc-edge[train]'"
        ) from None
    module: ModuleType = pyroomacoustics
    return module
