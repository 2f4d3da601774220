"""Health of the array: which channels deliver something that may vote.

Everything here is counted at absolute sample positions, never in blocks, so the answer at a decision point is
the same however the input was cut.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.samples import Samples

ChannelStatus = Literal["ok", "dead", "clipped"]

# A whole array that is constant for this long may be a silent digital source; one channel that is, is not.
DEAD_AFTER_S = 1.0
FULL_SCALE = 0.999
MAX_CLIPPED_FRACTION = 0.01
SEGMENT_S = 0.01


class ArrayHealth:
    """Watches every channel over the last decision window.

    A channel is ``dead`` when it was constant over the whole window, or over the last second while another
    channel was not. It is ``clipped`` when more than 1 % of the window's samples stand at full scale.
    Otherwise it is ``ok``, also as soon as it has recovered.

    Parameters
    ----------
    channels : int
    sample_rate_hz : int
    window_s : float
        Length of the decision window. Clipping is counted in segments of 10 ms, so over up to 10 ms more.

    Examples
    --------
    >>> import numpy as np
    >>> health = ArrayHealth(channels=2, sample_rate_hz=16000, window_s=1.0)
    >>> noise = np.random.default_rng(0).standard_normal(16000) * 0.1
    >>> health.update(np.stack([noise, np.zeros(16000)], axis=1).astype(np.float32))
    >>> health.status()
    ('ok', 'dead')
    """

    def __init__(self, channels: int, sample_rate_hz: int, window_s: float) -> None:
        self._window_samples = round(window_s * sample_rate_hz)
        self._dead_samples = round(DEAD_AFTER_S * sample_rate_hz)
        self._segment_samples = max(1, round(SEGMENT_S * sample_rate_hz))
        segments = -(-self._window_samples // self._segment_samples) + 1
        self._clipped = np.zeros((segments, channels), dtype=np.int64)
        self._heard = 0
        self._constant_run = np.zeros(channels, dtype=np.int64)
        self._last: NDArray[np.float32] | NDArray[np.int16] | None = None

    def update(self, block: Samples) -> None:
        """Hear a block.

        Parameters
        ----------
        block : np.ndarray [shape=(n, channels), dtype=float32 or int16]
            Finite samples; the dtype may not change from block to block.
        """
        if len(block) == 0:
            return
        self._extend_runs(block)
        self._count_clipped(block)
        self._heard += len(block)
        self._last = block[-1].copy()

    def status(self) -> tuple[ChannelStatus, ...]:
        """Verdict on every channel, in order, over the last window (or what was heard of it)."""
        window = min(self._window_samples, self._heard)
        constant = (self._constant_run >= window) & (window > 0)
        stopped = self._constant_run >= self._dead_samples
        dead = constant | (stopped & ~stopped.all())
        # Whole segments that reach into the window; the newest one may have just begun.
        newest = -(-self._heard // self._segment_samples)
        oldest = (self._heard - window) // self._segment_samples
        counted = self._heard - oldest * self._segment_samples
        rows = np.arange(oldest, newest) % len(self._clipped)
        clipped = self._clipped[rows].sum(axis=0) > MAX_CLIPPED_FRACTION * counted
        return tuple(
            "dead" if is_dead else "clipped" if is_clipped else "ok"
            for is_dead, is_clipped in zip(dead, clipped, strict=True)
        )

    def _extend_runs(self, block: Samples) -> None:
        """Bring up to date for how many samples each channel has held its last value."""
        differs = block != block[-1]
        changed = differs.any(axis=0)
        run = np.where(changed, np.argmax(differs[::-1], axis=0), len(block))
        if self._last is not None:
            goes_on = ~changed & (self._last == block[-1])
            run = run + np.where(goes_on, self._constant_run, 0)
        self._constant_run = run

    def _count_clipped(self, block: Samples) -> None:
        limit = FULL_SCALE * 32768.0 if block.dtype == np.int16 else FULL_SCALE
        # Not abs(): the absolute value of the lowest int16 is itself negative.
        at_full_scale = (block >= limit) | (block <= -limit)
        first = self._heard // self._segment_samples
        to_boundary = (first + 1) * self._segment_samples - self._heard
        starts = np.concatenate([[0], np.arange(to_boundary, len(block), self._segment_samples)])
        counts = np.add.reduceat(at_full_scale, starts, axis=0, dtype=np.int64)
        kept = counts[-len(self._clipped) :]
        numbers = np.arange(first + len(counts) - len(kept), first + len(counts))
        rows = numbers % len(self._clipped)
        # Every segment but a continued one starts from zero, over what its row held a window ago.
        continued = (numbers == first) & (self._heard % self._segment_samples != 0)
        self._clipped[rows] = np.where(continued[:, np.newaxis], self._clipped[rows], 0) + kept
