"""Rooms of simulated scenes: how sounds at several places of one room reach one microphone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asc_edge.audio.resample import resample
from asc_edge_train.clips import Clip, DataError
from asc_edge_train.recipe import fingerprint
from asc_edge_train.rooms_simulated import simulate_places
from asc_edge_train.sound import native_samples
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp

__all__ = ["PLACES", "SceneRoom", "measured_rooms", "simulated_rooms"]

# Places of a simulated room: as many as there are voices at most.
PLACES = 6


@dataclass(frozen=True)
class SceneRoom:
    """A room of one fold, not computed yet.

    Attributes
    ----------
    pieces : tuple of Clip
        Measured responses; none for a simulated room. Each of their channels is a place.
    seed : tuple of int
        Of a simulated room.
    """

    name: str
    places: int
    pieces: tuple[Clip, ...] = ()
    seed: tuple[int, ...] = ()

    def responses(self, sample_rate_hz: int, cache: Path) -> list[np.ndarray]:
        """Responses (n,) of all places, of unit energy in the mean over the places.

        Parameters
        ----------
        cache : Path
            Folder that keeps simulated ones.
        """
        if self.pieces:
            measured = [_channels(piece, sample_rate_hz) for piece in self.pieces]
            return _levelled([response for channels in measured for response in channels])
        key = fingerprint(self.seed, sample_rate_hz, PLACES)
        path = cache / f"scene-room-{key[:16]}.npz"
        if not is_stamped(path, key):
            made = simulate_places(PLACES, sample_rate_hz, self.seed)
            cache.mkdir(parents=True, exist_ok=True)
            save_arrays(path, **{f"place{number}": response for number, response in enumerate(made)})
            stamp(path, key)
        stored = load_arrays(path)
        return _levelled([stored[f"place{number}"] for number in range(PLACES)])


def measured_rooms(pieces: Sequence[Clip]) -> list[SceneRoom]:
    """Rooms of measured responses; those of one group are places of one room."""
    groups: dict[str, list[Clip]] = {}
    for piece in pieces:
        groups.setdefault(piece.group, []).append(piece)
    return [
        SceneRoom(group, sum(_channel_count(piece) for piece in there), tuple(there))
        for group, there in sorted(groups.items())
    ]


def simulated_rooms(count: int, fold: int, seed: int) -> list[SceneRoom]:
    return [
        SceneRoom(f"simulated:{fold}-{number}", PLACES, seed=(seed, fold, number)) for number in range(count)
    ]


def _channels(piece: Clip, sample_rate_hz: int) -> list[np.ndarray]:
    samples, rate = native_samples(piece)
    samples = samples if rate == sample_rate_hz else resample(samples, rate, sample_rate_hz)
    return list(samples.T.astype(np.float64))


def _channel_count(piece: Clip) -> int:
    import soundfile

    try:
        return int(soundfile.info(str(piece.path)).channels)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{piece.path}: not readable as audio ({error}); copy it again") from None


def _levelled(responses: list[np.ndarray]) -> list[np.ndarray]:
    energy = float(np.mean([np.sum(response**2) for response in responses]))
    return [response / np.sqrt(max(energy, 1e-12)) for response in responses]
