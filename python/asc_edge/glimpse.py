"""What a page may show of the sound while it is heard: levels, and a coarse picture of the newest frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from asc_edge.frontend import LogMelConfig, mel_filter_bank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.members import HeardFrontEnd

__all__ = ["CoarseFrames", "Glimpse", "TakesGlimpses", "band_centres_hz"]

# Enough for the eye. It is also far less than what the networks see, which stays where it is.
COLUMN_S = 0.1
MAX_BANDS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """The sound since the last glimpse, for display alone.

    Attributes
    ----------
    t_s : float
        Seconds of input heard when it was taken, lost audio included.
    level_db : tuple of float
        Level of each channel over the last window, in dB of a full-scale sine.
    status : tuple of str
        Health of each channel.
    cells_db : np.ndarray [shape=(channels, bands, columns), dtype=float32]
        Loudest cell of each block of log-mel frames, in dB, oldest column first. None where none are new.
    end_s : float
        When the last column ends, on the same clock as ``t_s``.
    column_s : float
        Seconds in a column.
    bands_hz : tuple of float
        Centre of each band.
    skipped : int
        Decisions that have been skipped so far.
    """

    t_s: float
    level_db: tuple[float, ...]
    status: tuple[str, ...]
    cells_db: NDArray[np.float32]
    end_s: float
    column_s: float
    bands_hz: tuple[float, ...]
    skipped: int


@runtime_checkable
class TakesGlimpses(Protocol):
    """A sink that also shows the sound: it is given a glimpse after each decision."""

    def glimpse(self, glimpse: Glimpse) -> None: ...


class CoarseFrames:
    """Reads a front end's newest frames as columns of 0.1 s or a little less, each frame once.

    Parameters
    ----------
    front_end : HeardFrontEnd
    """

    def __init__(self, front_end: HeardFrontEnd) -> None:
        config = front_end.config
        self._front_end = front_end
        self._group = max(1, int(COLUMN_S / config.hop_s + 1e-9))
        # Neighbours are joined; a last band without a neighbour stays as it is.
        self._joined = -(-config.mels // MAX_BANDS)
        self._taken = 0
        self.column_s = self._group * config.hop_s

    @cached_property
    def bands_hz(self) -> tuple[float, ...]:
        """Centre of each band."""
        centres = band_centres_hz(self._front_end.config)
        starts = range(0, len(centres), self._joined)
        return tuple(float(np.mean(centres[start : start + self._joined])) for start in starts)

    @property
    def waiting_s(self) -> float:
        """Seconds of frames that don't fill a column yet."""
        return (self._front_end.heard - self._taken) * self._front_end.config.hop_s

    def take(self) -> NDArray[np.float32]:
        """New columns in dB, ``(channels, bands, columns)``; at most one window of them."""
        heard = self._front_end.heard
        if heard < self._taken:  # it has been emptied
            self._taken = 0
        fresh = min(heard - self._taken, self._front_end.frames) if self._front_end.full else 0
        left_over = fresh % self._group
        count = fresh - left_over
        if count == 0:
            return np.zeros((self._front_end.channels, len(self.bands_hz), 0), np.float32)
        self._taken = heard - left_over
        cells = self._front_end.newest(count + left_over)[:, :, :count]
        channels, mels, _ = cells.shape
        columns = cells.reshape(channels, mels, -1, self._group).max(axis=3)
        coarse: NDArray[np.float32] = np.maximum.reduceat(columns, range(0, mels, self._joined), axis=1)
        return coarse


def band_centres_hz(config: LogMelConfig) -> NDArray[np.float64]:
    """Centre of gravity of each mel band in Hz, ``(mels,)``; of one without a bin, between its neighbours'.

    Parameters
    ----------
    config : LogMelConfig
    """
    bank = mel_filter_bank(config)
    weights = bank.sum(axis=1)
    bins_hz = np.arange(bank.shape[1]) * config.sample_rate_hz / config.fft_length
    known = np.flatnonzero(weights > 0.0)
    centres: NDArray[np.float64] = np.interp(
        np.arange(config.mels), known, (bank @ bins_hz)[known] / weights[known]
    )
    return centres
