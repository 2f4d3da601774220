"""Which channels of an array may vote: every fault that its statistics can show, without flapping.

What can be told, and from what:

- ``dead``: constant, and ``clipped``: at full scale (:class:`asc_edge.audio.array.ArrayHealth`);
- ``offset``: a DC that leaves less than half of the converter's range to the sound;
- ``duplicate``: the samples of another channel, or their negative, which would give one microphone two votes;
- ``off_level``: 20 dB off most of the others, three channels or more in all;
- ``noisy``: noise of its own, three channels or more in all: it stands above the others where they are quiet,
  and not where they are loud (a gain would raise both). Seen at once, since noise can only add;
- ``foreign``: nothing in common with three or more other channels, which have much in common, for half a
  minute: noise instead of a microphone, a channel of playback, or a beamformed one that lags behind.

What can't: microphones that are swapped among themselves, since every one of them has the same vote; a
processed channel that sounds like a microphone at the same time as the others do; and who of two is wrong
when there are only two. A single microphone is compared with nothing, so only its own faults are seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.array import ArrayStatistics, ChannelStatus

Verdict = Literal["ok", "dead", "clipped", "offset", "duplicate", "off_level", "noisy", "foreign"]

# Each fault is entered at the first value and left only at the second.
CLIPPED_FRACTION_LEAVE = 0.005
# Task recordings of real homes have offsets of 0.07; beyond half of full scale the sound has no room.
OFFSET_ENTER, OFFSET_LEAVE = 0.5, 0.4
OFF_LEVEL_ENTER_DB, OFF_LEVEL_LEAVE_DB = 20.0, 17.0
# Below this a 16-bit converter hears itself: how far below says nothing.
CONVERTER_NOISE_DB = -90.0
# Power of the difference over the channels' own. Two microphones of one kind differ by 0.1 dB and by their
# noise, which is 1e-4 and more, however near they stand; a copy differs by what two converters add.
DUPLICATE_ENTER, DUPLICATE_LEAVE = 1e-5, 1e-4
# In a quiet room the converters' noise is all there is; two of its steps don't make a copy a microphone.
DUPLICATE_NOISE = (2.0 / 32768.0) ** 2
# Of four simulated microphones with gains, responses and noise of their own, 99 % stay below 2.5 dB.
NOISY_ENTER_DB, NOISY_LEAVE_DB = 4.0, 2.5
# Cells as loud as the loudest tenth tell the gain; those deep below the loudest are the converter's.
LOUD_SHARE, NOISE_RANGE_DB = 0.1, 60.0
# Every fourth frame tells as much as all of them.
NOISE_FRAME_STEP = 4
FOREIGN_OWN, FOREIGN_OTHERS, FOREIGN_LEAVE = 0.1, 0.7, 0.3
FOREIGN_AFTER_S = 30.0
_ROUNDING_S = 1e-6
RELAPSE_S = 60.0
LONGEST_HOLD_S = 60.0
# Fewer channels have no majority.
FEWEST_FOR_LEVEL, FEWEST_FOR_FOREIGN = 3, 4


class ChannelJudge:
    """Turns what the channels did into verdicts, one decision after the other.

    A fault is seen at the first decision whose window shows it (``foreign`` takes longer), and the channel
    votes again once it has been good for a whole window, so that nothing faulty is left in what it votes on.
    A fault that returns within a minute takes its vote for twice as long, up to a minute: a loose contact. A
    copy votes as soon as it is none. Where nobody would vote, those that are good by now do so at once.

    Parameters
    ----------
    channels : int
    window_s : float
        Length of the decision window.

    Examples
    --------
    >>> import numpy as np
    >>> from asc_edge.audio.array import ArrayHealth
    >>> noise = np.random.default_rng(0).standard_normal((16000, 3)).astype(np.float32) * 0.1
    >>> noise[:, 2] = noise[:, 0]
    >>> health = ArrayHealth(channels=3, sample_rate_hz=16000, window_s=1.0)
    >>> health.update(noise)
    >>> ChannelJudge(3, 1.0).judge(1.0, health.status(), health.statistics())
    ('ok', 'ok', 'duplicate')
    """

    def __init__(self, channels: int, window_s: float) -> None:
        self._window_s = window_s
        self._shown: list[Verdict] = ["ok"] * channels
        self._last_bad_s = [-math.inf] * channels
        self._hold_s = [window_s] * channels
        self._foreign_s = [0.0] * channels
        self._last_t_s = 0.0

    def judge(
        self,
        t_s: float,
        status: Sequence[ChannelStatus],
        measured: ArrayStatistics,
        cells_db: NDArray[np.float32] | None = None,
    ) -> tuple[Verdict, ...]:
        """Verdict on every channel, in order.

        Parameters
        ----------
        t_s : float
            Seconds of input heard, growing from call to call.
        status : sequence of {"ok", "dead", "clipped"}
        measured : ArrayStatistics
            Both of the window that ends at ``t_s``.
        cells_db : ndarray of shape (channels, mels, frames), optional
            Log-mel cells of the same window. Without them no channel is called ``noisy``.
        """
        present = self._present(t_s, status, measured, cells_db)
        self._last_t_s = t_s
        for channel, verdict in enumerate(present):
            if verdict != "ok":
                if self._shown[channel] == "ok":
                    self._hold_s[channel] = self._hold(channel, t_s)
                self._shown[channel] = verdict
                self._last_bad_s[channel] = t_s
            elif self._shown[channel] == "duplicate" or self._is_over(channel, t_s):
                self._shown[channel] = "ok"
        if "ok" not in self._shown:
            for channel in _good(present):
                self._shown[channel] = "ok"
        return tuple(self._shown)

    def _hold(self, channel: int, t_s: float) -> float:
        """For how long a channel that has just failed must be good before it votes again."""
        if t_s - self._last_bad_s[channel] >= self._hold_s[channel] + RELAPSE_S:
            return self._window_s
        return max(self._window_s, min(2.0 * self._hold_s[channel], LONGEST_HOLD_S))

    def _is_over(self, channel: int, t_s: float) -> bool:
        """Whether a channel that is good by now has been so for long enough."""
        return t_s - self._last_bad_s[channel] >= self._hold_s[channel] - _ROUNDING_S

    def _present(
        self,
        t_s: float,
        status: Sequence[ChannelStatus],
        measured: ArrayStatistics,
        cells_db: NDArray[np.float32] | None,
    ) -> list[Verdict]:
        """What this window alone says, but for the thresholds, which know what was said before."""
        present = [self._own_fault(channel, status[channel], measured) for channel in range(len(status))]
        for find in (self._duplicates, self._off_level):
            for channel, verdict in find(_good(present), measured).items():
                present[channel] = verdict
        if cells_db is not None:
            for channel in self._noisy(_good(present), cells_db):
                present[channel] = "noisy"
        for channel in self._foreign(_good(present), measured, t_s - self._last_t_s):
            present[channel] = "foreign"
        return present

    def _own_fault(self, channel: int, status: ChannelStatus, measured: ArrayStatistics) -> Verdict:
        """What is wrong with a channel whatever the others do."""
        if status != "ok":
            return status
        mine, shown = measured.channels[channel], self._shown[channel]
        if shown == "clipped" and mine.clipped_fraction > CLIPPED_FRACTION_LEAVE:
            return "clipped"
        if abs(mine.dc) >= (OFFSET_LEAVE if shown == "offset" else OFFSET_ENTER):
            return "offset"
        return "ok"

    def _duplicates(self, good: list[int], measured: ArrayStatistics) -> dict[int, Verdict]:
        found: dict[int, Verdict] = {}
        originals: list[int] = []
        # Who votes already stays the original; else two copies would take turns.
        for channel in sorted(good, key=lambda channel: self._shown[channel] != "ok"):
            known = self._shown[channel] == "duplicate"
            if any(_is_copy(measured, original, channel, known=known) for original in originals):
                found[channel] = "duplicate"
            else:
                originals.append(channel)
        return found

    def _off_level(self, good: list[int], measured: ArrayStatistics) -> dict[int, Verdict]:
        if len(good) < FEWEST_FOR_LEVEL:
            return {}
        levels_db = {channel: max(measured.channels[channel].rms_db, CONVERTER_NOISE_DB) for channel in good}
        off: dict[int, Verdict] = {}
        for channel, level_db in levels_db.items():
            limit_db = OFF_LEVEL_LEAVE_DB if self._shown[channel] == "off_level" else OFF_LEVEL_ENTER_DB
            differing = sum(abs(level_db - other_db) > limit_db for other_db in levels_db.values())
            # Off the majority, which is the median's side; two against two are nobody's.
            if 2 * differing > len(good):
                off[channel] = "off_level"
        return off

    def _noisy(self, good: list[int], cells_db: NDArray[np.float32]) -> list[int]:
        if len(good) < FEWEST_FOR_LEVEL:
            return []
        excess_db = noise_excess_db(cells_db[good])
        limits_db = [
            NOISY_LEAVE_DB if self._shown[channel] == "noisy" else NOISY_ENTER_DB for channel in good
        ]
        found = zip(good, excess_db, limits_db, strict=True)
        return [channel for channel, excess, limit in found if excess > limit]

    def _foreign(self, good: list[int], measured: ArrayStatistics, passed_s: float) -> list[int]:
        if len(good) < FEWEST_FOR_FOREIGN:
            return []
        for channel in good:
            others = [other for other in good if other != channel]
            own = max(abs(measured.correlation[channel, other]) for other in others)
            alike = min(
                abs(measured.correlation[one, other]) for one in others for other in others if one < other
            )
            if own > FOREIGN_LEAVE:
                self._foreign_s[channel] = 0.0
            elif own <= FOREIGN_OWN and alike >= FOREIGN_OTHERS:
                self._foreign_s[channel] += min(passed_s, self._window_s)
        return [channel for channel in good if self._foreign_s[channel] >= FOREIGN_AFTER_S]


def voters(verdicts: Sequence[Verdict]) -> list[int]:
    """The channels that vote: the healthy ones, or where there is none, the least bad.

    A clipped channel beside a clean one is a fault of its microphone; a whole array that clips is a loud
    room, and a loud vacuum cleaner is still one. A dead channel never votes, and of copies only one does.
    """
    for accepted in (("ok",), ("clipped",), ("offset", "off_level", "noisy", "foreign")):
        chosen = [channel for channel, verdict in enumerate(verdicts) if verdict in accepted]
        if chosen:
            return chosen
    return []


def noise_excess_db(cells_db: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far noise of its own lifts each channel above the others, in dB, its gain left out.

    The others are represented by the lower median of each cell, so up to half of the channels may be noisy.
    Noise lifts the cells in which the others are quiet; a gain lifts the loudest ones just as much.

    Parameters
    ----------
    cells_db : ndarray of shape (channels, mels, frames)

    Returns
    -------
    ndarray of shape (channels,)
        Mean over all cells, less that over the loudest tenth: about 0 for a healthy channel.
    """
    cells = cells_db[:, :, ::NOISE_FRAME_STEP].reshape(len(cells_db), -1)
    middle = np.sort(cells, axis=0)[(len(cells) - 1) // 2]
    floor_db = middle.max() - NOISE_RANGE_DB
    middle = np.maximum(middle, floor_db)
    above = np.maximum(cells, floor_db) - middle
    loud = middle >= np.quantile(middle, 1.0 - LOUD_SHARE)
    excess: NDArray[np.float64] = above.mean(axis=1, dtype=np.float64)
    excess -= above[:, loud].mean(axis=1, dtype=np.float64)
    return excess


def _good(present: Sequence[Verdict]) -> list[int]:
    return [channel for channel, verdict in enumerate(present) if verdict == "ok"]


def _is_copy(measured: ArrayStatistics, one: int, other: int, *, known: bool) -> bool:
    """Whether two channels hold the same samples, of either sign, but for what converters add."""
    powers: list[float] = [
        10.0 ** (measured.channels[channel].rms_db / 10.0) / 2.0 for channel in (one, other)
    ]
    common = 2.0 * abs(float(measured.correlation[one, other])) * math.sqrt(powers[0] * powers[1])
    difference = max(0.0, sum(powers) - common)
    if known:
        return difference <= max(DUPLICATE_LEAVE * min(powers), DUPLICATE_NOISE)
    return difference <= DUPLICATE_ENTER * min(powers)
