"""Health of the array: which channels deliver something that may vote, and what each of them did lately.

Everything here is counted at absolute sample positions, never in blocks, so the answer at a decision point is
the same, to the last bit, however the input was cut. The counting is done in C++, which reads each block once
more only to refuse NaN and infinity before anything is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asc_edge import _core
from asc_edge._checks import MAX_CHANNELS, check_block, check_whole, is_finite_number, not_shared
from asc_edge.audio.samples import Samples
from asc_edge.errors import ConfigError, NonFiniteError

ChannelStatus = Literal["ok", "dead", "clipped"]

# A whole array that is constant for this long may be a silent digital source; one channel that is, is not.
DEAD_AFTER_S = 1.0
FULL_SCALE = 0.999
MAX_CLIPPED_FRACTION = 0.01
SEGMENT_S = 0.01
MAX_WINDOW_S = 600.0
# Level of a channel without any sound; also that of an empty log-mel band.
FLOOR_DB = -160.0


@dataclass(frozen=True)
class ChannelStatistics:
    """What one channel did over the last window.

    Attributes
    ----------
    rms_db : float
        Level of the sound, its DC removed, in dB of a full-scale sine (AES17), as in the front end; at least
        -160.
    dc : float
        Mean, in full scales: -1 to 1 where nothing exceeds full scale.
    peak : float
        Largest magnitude, its DC included, in full scales.
    clipped_fraction : float
        Share of the samples at 99.9 % of full scale or beyond, 0 to 1.
    constant_s : float
        For how many seconds it has held its last value, also past the window.
    """

    rms_db: float
    dc: float
    peak: float
    clipped_fraction: float
    constant_s: float


@dataclass(frozen=True, eq=False)
class ArrayStatistics:
    """What an array did over the last window.

    Attributes
    ----------
    counted_s : float
        Seconds that the statistics are over: the window, from the start of the 10 ms in which it begins.
    channels : tuple of ChannelStatistics
        In order.
    correlation : np.ndarray [shape=(channels, channels), dtype=float64]
        Pearson's correlation of each pair, DC removed: 1 or -1 between copies, NaN where one of the two is
        constant.
    """

    counted_s: float
    channels: tuple[ChannelStatistics, ...]
    correlation: NDArray[np.float64]


class ArrayHealth:
    """Watches every channel over the last decision window.

    A channel is ``dead`` when it was constant over the whole window, or over the last second while another
    channel was not. It is ``clipped`` when more than 1 % of the window's samples stand at full scale.
    Otherwise it is ``ok``, also as soon as it has recovered.

    Parameters
    ----------
    channels : int in 1..16
    sample_rate_hz : int
    window_s : float
        Length of the decision window. All but runs of a constant value is counted in segments of 10 ms, so
        over up to 10 ms more.

    Raises
    ------
    ConfigError
        When a parameter can't work.

    Examples
    --------
    >>> import numpy as np
    >>> health = ArrayHealth(channels=2, sample_rate_hz=16000, window_s=1.0)
    >>> noise = np.random.default_rng(0).standard_normal(16000) * 0.1
    >>> health.update(np.stack([noise, np.zeros(16000)], axis=1).astype(np.float32))
    >>> health.status()
    ('ok', 'dead')
    >>> round(health.statistics().channels[0].rms_db)
    -17
    """

    def __init__(self, channels: int, sample_rate_hz: int, window_s: float) -> None:
        self._channels = check_whole("channels", channels, 1, MAX_CHANNELS)
        self._sample_rate_hz = check_whole("sample_rate_hz", sample_rate_hz, 1, 1_000_000)
        if not is_finite_number(window_s) or not 1 / self._sample_rate_hz <= window_s <= MAX_WINDOW_S:
            raise ConfigError(
                f"window_s is {window_s!r}: give seconds, from one sample's to {MAX_WINDOW_S:g}"
            )
        self._window_samples = round(window_s * sample_rate_hz)
        self._dead_samples = round(DEAD_AFTER_S * sample_rate_hz)
        self._core = _core.ArrayStats(
            channels=self._channels,
            window_samples=self._window_samples,
            segment_samples=max(1, round(SEGMENT_S * sample_rate_hz)),
            clip_level=FULL_SCALE,
        )

    def update(self, block: Samples) -> None:
        """Hear a block.

        Parameters
        ----------
        block : np.ndarray [shape=(n, channels), dtype=float32 or int16]
            Any n, any memory layout.

        Raises
        ------
        AudioFormatError
            If dtype, shape or channel count is wrong; nothing is counted.
        NonFiniteError
            If a sample is NaN or infinite; nothing is counted.
        UsageError
            If another thread is inside the same object.
        """
        check_block(block, self._channels, "array health")
        with not_shared("array health"):
            try:
                self._core.push(block)
            except _core.NonFiniteSampleError as error:
                raise NonFiniteError(f"{error}: repair or drop this block; nothing of it was taken") from None

    def status(self) -> tuple[ChannelStatus, ...]:
        """Verdict on every channel, in order, over the last window (or what was heard of it).

        Raises
        ------
        UsageError
            If another thread is inside the same object.
        """
        with not_shared("array health"):
            counted, clipped_samples, constant_runs = self._core.counts()
            window = min(self._window_samples, self._core.heard)
        all_stopped = min(constant_runs) >= self._dead_samples
        dead_after = window if all_stopped else min(window, self._dead_samples)
        return tuple(
            "dead"
            if window and run >= dead_after
            else "clipped"
            if clipped > MAX_CLIPPED_FRACTION * counted
            else "ok"
            for run, clipped in zip(constant_runs, clipped_samples, strict=True)
        )

    def statistics(self) -> ArrayStatistics:
        """What every channel, and every pair, did over the last window (or what was heard of it).

        Raises
        ------
        UsageError
            If another thread is inside the same object.
        """
        with not_shared("array health"):
            counted, channels, correlation = self._core.measure()
        correlation.flags.writeable = False
        return ArrayStatistics(
            counted_s=counted / self._sample_rate_hz,
            channels=tuple(
                ChannelStatistics(
                    rms_db=_level_db(channel.variance),
                    dc=channel.mean,
                    peak=channel.peak,
                    clipped_fraction=channel.clipped / max(1, counted),
                    constant_s=channel.constant_run / self._sample_rate_hz,
                )
                for channel in channels
            ),
            correlation=correlation,
        )


def _level_db(variance: float) -> float:
    """Of a mean square: 0 dB is that of a full-scale sine, one half."""
    return max(FLOOR_DB, 10.0 * math.log10(2.0 * variance)) if variance > 0.0 else FLOOR_DB
