"""Variants of a clip for training: in another room, at another level, with noise.

Without them the network could tell speech from kitchens by the studio instead of by the voice.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from asc_edge_train.arrays import ArrayConfig, ArrayResponse
from asc_edge_train.arrays_render import record_channel
from asc_edge_train.arrays_rooms import simulated_pool
from asc_edge_train.clips import DataError, licence_family
from asc_edge_train.datasets import load_corpus
from asc_edge_train.recipe import RoomConfig
from asc_edge_train.rooms_simulated import simulate_rooms
from asc_edge_train.sound import clip_samples

__all__ = ["clip_seed", "load_rooms", "room_variant"]


def clip_seed(seed: int, clip_id: str, variant: int) -> list[int]:
    """Seed that depends on the clip's name, so that adding a clip leaves all others as they were."""
    return [seed, zlib.crc32(clip_id.encode()), variant]


def load_rooms(
    config: RoomConfig,
    data: Path,
    sample_rate_hz: int,
    *,
    simulated: int = 0,
    arrays: int = 0,
    seed: int = 0,
    cache: Path | None = None,
) -> list[np.ndarray | ArrayResponse]:
    """Responses that the recipe allows, each of unit energy: measured, then simulated, then those of arrays.

    Those of one microphone are (n,).

    Parameters
    ----------
    simulated, seed, cache
        How many rooms are simulated, by which seed, and where they are kept (`rooms_simulated`). With some,
        or with arrays, the recipe's folder of measured ones may be left empty.
    arrays : int
        How many arrays in rooms are simulated (`arrays_rooms.simulated_pool`).

    Raises
    ------
    DataError
        When none is left, or there is nothing to simulate them with.
    """
    responses: list[np.ndarray | ArrayResponse] = []
    if config.folder or not (simulated or arrays):
        responses += _measured(config, data, sample_rate_hz)
    if simulated:
        responses += simulate_rooms(simulated, sample_rate_hz, seed, cache)
    if arrays:
        responses += simulated_pool(ArrayConfig(), arrays, sample_rate_hz, seed, cache)
    return responses


def _measured(config: RoomConfig, data: Path, sample_rate_hz: int) -> list[np.ndarray]:
    clips = load_corpus("manifest", data / config.folder)
    responses = []
    for clip in clips:
        if licence_family(clip.licence) in config.licences:
            response = clip_samples(clip, sample_rate_hz)[:, 0].astype(np.float64)
            energy = float(np.sqrt(np.sum(response**2)))
            if energy > 0:
                responses.append(response / energy)
    if not responses:
        raise DataError(f"{data / config.folder}: no room response with a licence that the recipe allows")
    return responses


def room_variant(
    samples: np.ndarray,
    rooms: Sequence[np.ndarray | ArrayResponse],
    config: RoomConfig,
    rng: np.random.Generator,
    sample_rate_hz: int = 0,
) -> np.ndarray:
    """One clip (n, 1) in a room drawn at random, with random level and noise; same length, float32.

    Parameters
    ----------
    sample_rate_hz : int
        Only what an array hears depends on it: one of its channels is drawn.
    """
    response = rooms[int(rng.integers(len(rooms)))]
    if isinstance(response, ArrayResponse):
        drawn = rng.integers(2**32, size=2).tolist()
        return record_channel(
            samples[:, 0], response, ArrayConfig(), sample_rate_hz=sample_rate_hz, seed=drawn
        )[:, None]
    wet = fftconvolve(samples[:, 0].astype(np.float64), response)[: len(samples)]
    peak = float(np.max(np.abs(wet)))
    if peak > 0:
        wet *= 10.0 ** (rng.uniform(*config.level_db) / 20.0) / peak
    level = float(np.sqrt(np.mean(wet**2)))
    noise = rng.standard_normal(len(wet)) * level * 10.0 ** (rng.uniform(*config.noise_db) / 20.0)
    return np.clip(wet + noise, -1.0, 1.0).astype(np.float32)[:, None]
