"""Responses from a sound to the microphones of an array: measured ones, and simulated shoebox rooms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from asc_edge_train.arrays import MEASURED, ArrayConfig, ArrayResponse, array_positions_m
from asc_edge_train.clips import Clip, DataError, licence_family
from asc_edge_train.datasets import load_corpus
from asc_edge_train.recipe import fingerprint
from asc_edge_train.rooms_simulated import import_pyroomacoustics, room_responses
from asc_edge_train.sound import clip_samples
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp

__all__ = [
    "MEASURED_FOLDER",
    "measured_arrays",
    "reverberation_s",
    "simulate_array",
    "simulated_array",
    "simulated_pool",
]

# Raised when the rooms drawn change, so that old caches are made again.
_VERSION = 1
MEASURED_FOLDER = "home_extra/rir_r3vival_7ch"
# For instance Absorptive_025_S030-150: covered with absorbers to a quarter, from 30 degrees, 150 cm away.
_MEASURED_NAME = re.compile(r"Absorptive_\d+_S\d+-(\d+)")
_FROM_WALL_M = 0.4
_HEIGHT_M = (0.3, 1.9)
_MOST_DRAWS = 2000
# The part of the decay that a reverberation time is read from: measured responses fade into their noise.
_DECAY_DB = 20.0


def reverberation_s(response: np.ndarray, sample_rate_hz: int) -> float:
    """Reverberation time of a response, from the first 20 dB of its decay behind the direct sound."""
    pra = import_pyroomacoustics()
    direct = int(np.argmax(np.abs(response)))
    return float(pra.experimental.measure_rt60(response[direct:], sample_rate_hz, decay_db=_DECAY_DB))


def measured_arrays(
    data: Path, sample_rate_hz: int, licences: tuple[str, ...] | list[str] = ()
) -> list[ArrayResponse]:
    """Measured responses of the seven-microphone array, where the distance is known.

    Parameters
    ----------
    licences : sequence of str
        Families that may be used; empty for any.

    Raises
    ------
    DataError
        When the folder isn't there, or no licence is allowed.
    """
    clips = load_corpus("manifest", data / MEASURED_FOLDER)
    allowed = [clip for clip in clips if not licences or licence_family(clip.licence) in licences]
    if not allowed:
        raise DataError(f"{data / MEASURED_FOLDER}: no array response with a licence that the recipe allows")
    return [found for clip in allowed if (found := _measured(clip, sample_rate_hz)) is not None]


def _measured(clip: Clip, sample_rate_hz: int) -> ArrayResponse | None:
    named = _MEASURED_NAME.fullmatch(clip.path.stem)
    if named is None:  # a loudspeaker in the background, at no known distance
        return None
    responses = clip_samples(clip, sample_rate_hz, "per_channel").T.astype(np.float64)
    return ArrayResponse(
        name=clip.path.stem,
        array=MEASURED,
        responses=_unit(responses),
        positions_m=array_positions_m(MEASURED),
        distance_m=int(named[1]) / 100.0,
        rt60_s=reverberation_s(responses[0], sample_rate_hz),
        source=clip.attribution,
        licence=clip.licence,
    )


def simulated_array(
    config: ArrayConfig,
    array: str,
    *,
    distance_m: float,
    rt60_s: float,
    sample_rate_hz: int,
    seed: list[int],
    cache: Path | None = None,
) -> ArrayResponse:
    """`simulate_array`, kept in a folder."""
    limits = (config.smallest_m, config.largest_m)
    key = fingerprint(_VERSION, array, distance_m, rt60_s, limits, sample_rate_hz, seed)
    path = None if cache is None else cache / f"array-{key[:16]}.npz"
    if path is None or not is_stamped(path, key):
        found = simulate_array(
            config, array, distance_m=distance_m, rt60_s=rt60_s, sample_rate_hz=sample_rate_hz, seed=seed
        )
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(path, responses=found.responses, rt60_s=np.array(found.rt60_s))
            stamp(path, key)
        return found
    stored = load_arrays(path)
    return ArrayResponse(
        name=_name(array, distance_m, rt60_s, seed),
        array=array,
        responses=stored["responses"],
        positions_m=array_positions_m(array),
        distance_m=distance_m,
        rt60_s=float(stored["rt60_s"]),
    )


def simulated_pool(
    config: ArrayConfig, count: int, sample_rate_hz: int, seed: int, cache: Path | None = None
) -> list[ArrayResponse]:
    """So many arrays in rooms drawn at random, of all simulated kinds in turn; more of them begin with these.

    Distances and reverberation times are drawn between the smallest and the largest of ``config``.
    """
    kinds = [array for array in config.arrays if array != MEASURED]
    pool = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        pool.append(
            simulated_array(
                config,
                kinds[number % len(kinds)],
                distance_m=float(rng.uniform(min(config.distances_m), max(config.distances_m))),
                rt60_s=float(rng.uniform(min(config.rt60_s), max(config.rt60_s))),
                sample_rate_hz=sample_rate_hz,
                seed=[seed, number],
                cache=cache,
            )
        )
    return pool


def simulate_array(
    config: ArrayConfig,
    array: str,
    *,
    distance_m: float,
    rt60_s: float,
    sample_rate_hz: int,
    seed: list[int],
) -> ArrayResponse:
    """An array in a shoebox room drawn at random, that a sound reaches from a given distance.

    Parameters
    ----------
    rt60_s : float
        What the walls are chosen for. The response's own is measured.

    Raises
    ------
    DataError
        When pyroomacoustics isn't installed, or no room is large enough.
    """
    pra = import_pyroomacoustics()
    rng = np.random.default_rng(seed)
    positions_m = array_positions_m(array)
    size_m, centre_m, source_m = _places(config, distance_m, rng)
    azimuth = rng.uniform(0.0, 2.0 * np.pi)
    turn = np.array(
        [[np.cos(azimuth), -np.sin(azimuth), 0], [np.sin(azimuth), np.cos(azimuth), 0], [0, 0, 1]]
    )
    with _one_thread(pra):
        found = room_responses(
            pra,
            sample_rate_hz,
            size_m=size_m,
            rt60_s=rt60_s,
            source_m=source_m,
            microphones_m=centre_m + positions_m @ turn.T,
        )
    responses = np.zeros((len(found), max(map(len, found))))
    for row, response in zip(responses, found, strict=True):
        row[: len(response)] = response
    return ArrayResponse(
        name=_name(array, distance_m, rt60_s, seed),
        array=array,
        responses=_unit(responses),
        positions_m=positions_m,
        distance_m=distance_m,
        rt60_s=reverberation_s(responses[0], sample_rate_hz),
    )


def _name(array: str, distance_m: float, rt60_s: float, seed: list[int]) -> str:
    return f"{array} {distance_m:g} m {rt60_s:g} s #{seed[-1]}"


def _places(
    config: ArrayConfig, distance_m: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A room's size, and places of an array's centre and of a sound in it."""
    for _ in range(_MOST_DRAWS):
        size_m = rng.uniform(config.smallest_m, config.largest_m)
        low = np.array([_FROM_WALL_M, _FROM_WALL_M, _HEIGHT_M[0]])
        high = np.append(size_m[:2] - _FROM_WALL_M, min(_HEIGHT_M[1], size_m[2] - _FROM_WALL_M))
        centre_m = rng.uniform(low, high)
        direction = rng.standard_normal(3) * (1.0, 1.0, 0.3)
        source_m = centre_m + distance_m * direction / np.linalg.norm(direction)
        if np.all(source_m >= low) and np.all(source_m <= high):
            return size_m, centre_m, source_m
    raise DataError(f"arrays: no room up to {config.largest_m} m lets a sound be {distance_m:g} m away")


def _unit(responses: np.ndarray) -> np.ndarray:
    return responses / np.sqrt(np.mean(np.sum(responses**2, axis=1)))


@contextmanager
def _one_thread(pra: ModuleType) -> Iterator[None]:
    """Two threads add up reflections in another order, and last bits would follow the machine."""
    threads = pra.constants.get("num_threads")
    pra.constants.set("num_threads", 1)
    try:
        yield
    finally:
        pra.constants.set("num_threads", threads)
