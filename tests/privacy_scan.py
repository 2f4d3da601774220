"""Looks for pieces of played audio in every byte that was written.

A piece is a run of samples in a row that is long enough not to occur by chance. It is looked for as 16-bit
integers of both byte orders, 32-bit floats, 32-bit integers and bytes, as it was played and as each single
channel, and all of that as base64, too.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Samples; of noise, no other bytes look like these.
RUN = 24
DISTINCT = 6
# Between the starts of two runs, in samples: a hundredth of a second can't lie between them.
STRIDE = 128


def audio_found(folders: Iterable[Path], played: NDArray[np.floating] | NDArray[np.int16]) -> list[str]:
    """What of the played samples lies in files under these folders.

    Parameters
    ----------
    folders : iterable of Path
        Everything in them is read, whatever its name.
    played : array, shape (samples,) or (samples, channels)
        16-bit integers, or floats of which 1.0 is full scale. Distinctive: noise, say, not silence.

    Returns
    -------
    list of str
        One line for each file and form in which there was some; empty is good.
    """
    files = [
        _File.read(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size >= RUN
    ]
    found = []
    for form, step, encoded in _forms(played):
        runs = [encoded[at * step : (at + RUN) * step] for at in range(0, len(encoded) // step - RUN, STRIDE)]
        # What hardly moves could be anything.
        runs = [run for run in runs if len(set(run)) >= DISTINCT]
        runs += [base64.b64encode(run)[4:-4] for run in runs]
        found += [f"{file.path}: {form}" for file in files if file.has_any(runs)]
    return found


@dataclass(frozen=True)
class _File:
    """A file's bytes, and the eight bytes from each place on as one number, in order."""

    path: Path
    data: bytes
    places: NDArray[np.intp]
    numbers: NDArray[np.uint64]

    @classmethod
    def read(cls, path: Path) -> _File:
        data = path.read_bytes()
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), 8)
        numbers = np.ascontiguousarray(windows).view(np.uint64)[:, 0]
        places = np.argsort(numbers)
        return cls(path, data, places, numbers[places])

    def has_any(self, runs: list[bytes]) -> bool:
        """Whether one of the runs lies in it: where its first bytes do, the rest is compared."""
        starts = np.array([int.from_bytes(run[:8], sys.byteorder) for run in runs], np.uint64)
        first = np.searchsorted(self.numbers, starts, "left")
        last = np.searchsorted(self.numbers, starts, "right")
        return any(
            self.data.startswith(runs[number], int(place))
            for number in np.flatnonzero(first < last)
            for place in self.places[first[number] : last[number]]
        )


def _forms(played: NDArray[np.floating] | NDArray[np.int16]) -> Iterator[tuple[str, int, bytes]]:
    """Every encoding of the samples: its name, bytes a sample, and the bytes."""
    array = played if played.ndim == 2 else played[:, np.newaxis]
    if array.dtype == np.int16:
        whole, real = array, array.astype(np.float64) / 32768
    else:
        real = array.astype(np.float64)
        whole = np.clip(np.round(real * 32768), -32768, 32767).astype(np.int16)
    streams = [("interleaved", slice(None))] if array.shape[1] > 1 else []
    streams += [(f"channel {number}", slice(number, number + 1)) for number in range(array.shape[1])]
    for name, columns in streams:
        part, exact = whole[:, columns].reshape(-1), real[:, columns].reshape(-1)
        yield f"int16 LE, {name}", 2, part.astype("<i2").tobytes()
        yield f"int16 BE, {name}", 2, part.astype(">i2").tobytes()
        yield f"int32 LE, {name}", 4, (part.astype("<i4") << 16).tobytes()
        yield f"float32 LE, {name}", 4, exact.astype("<f4").tobytes()
        yield f"float32 LE of int16, {name}", 4, (part / np.float32(32768)).astype("<f4").tobytes()
        yield f"8-bit signed, {name}", 1, (part >> 8).astype(np.int8).tobytes()
        yield f"8-bit unsigned, {name}", 1, ((part >> 8) + 128).astype(np.uint8).tobytes()
