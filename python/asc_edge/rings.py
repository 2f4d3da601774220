"""The newest samples or frames of a stream, in memory that is taken once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.audio.samples import Samples

_INT16_FULL_SCALE = np.float32(32768.0)


class FrameRing:
    """The last frames of a stream as they are: what `FrameWindow` keeps for pictures, for other inputs.

    Parameters
    ----------
    channels, mels, frames : int

    Attributes
    ----------
    heard : int
        Frames taken since the start or the last `clear`.

    Examples
    --------
    >>> ring = FrameRing(channels=1, mels=2, frames=2)
    >>> ring.push(np.arange(6, dtype=np.float32).reshape(3, 1, 2))
    >>> ring.last(2)
    array([[[2., 4.],
            [3., 5.]]], dtype=float32)
    """

    def __init__(self, channels: int, mels: int, frames: int) -> None:
        self._cells = np.zeros((channels, mels, frames), np.float32)
        self.heard = 0

    @property
    def full(self) -> bool:
        """Whether the ring holds all its frames."""
        return self.heard >= self._cells.shape[2]

    def push(self, frames: NDArray[np.float32]) -> None:
        """Take frames of shape ``(k, channels, mels)``; the oldest make room."""
        self.heard += len(frames)
        for places, items in _places(self.heard, len(frames), self._cells.shape[2]):
            self._cells[:, :, places] = frames[items].transpose(1, 2, 0)

    def last(self, count: int) -> NDArray[np.float32]:
        """Copy of the newest frames, ``(channels, mels, count)``, oldest first; count <= frames held."""
        size = self._cells.shape[2]
        start = (self.heard - count) % size
        if start + count <= size:
            return self._cells[:, :, start : start + count].copy()
        return np.concatenate([self._cells[:, :, start:], self._cells[:, :, : start + count - size]], axis=2)

    def peaks(self) -> NDArray[np.float32]:
        """Highest cell of each channel, ``(channels,)``, of a full ring."""
        highest: NDArray[np.float32] = self._cells.max(axis=(1, 2))
        return highest

    def clear(self) -> None:
        """Forget all frames."""
        self.heard = 0


class SampleRing:
    """The last samples of a stream, for front ends whose frames depend on where the window ends.

    Parameters
    ----------
    channels, samples : int

    Attributes
    ----------
    heard : int
        Samples taken since the start or the last `clear`.
    """

    def __init__(self, channels: int, samples: int) -> None:
        self._samples = np.zeros((samples, channels), np.float32)
        self.heard = 0

    @property
    def full(self) -> bool:
        """Whether the ring holds all its samples."""
        return self.heard >= len(self._samples)

    def push(self, block: Samples) -> None:
        """Take samples of shape ``(n, channels)``, float32 or int16; the oldest make room."""
        self.heard += len(block)
        for places, items in _places(self.heard, len(block), len(self._samples)):
            self._samples[places] = block[items]
            if block.dtype == np.int16:
                # Exactly, as in the core.
                self._samples[places] /= _INT16_FULL_SCALE

    def window(self) -> NDArray[np.float32]:
        """Copy of all samples, ``(samples, channels)``, oldest first, of a full ring."""
        start = self.heard % len(self._samples)
        return np.concatenate([self._samples[start:], self._samples[:start]])

    def clear(self) -> None:
        """Forget all samples."""
        self.heard = 0


def _places(heard: int, pushed: int, size: int) -> list[tuple[slice, slice]]:
    """Which places of a ring of ``size`` take which of the pushed items; the last one is number ``heard``.

    Items that would be written over at once are left out. Two pairs where the ring's end lies between.
    """
    count = min(pushed, size)
    place, item = (heard - count) % size, pushed - count
    first = min(count, size - place)
    pairs = [(slice(place, place + first), slice(item, item + first))]
    if first < count:
        pairs.append((slice(0, count - first), slice(item + first, pushed)))
    return pairs
