"""What the monitor keeps an eye on while it listens, and tells once it has lasted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from asc_edge.notices import Notice
from asc_edge.pipeline import Decision
from asc_edge.sinks import utc_now

__all__ = ["ChannelWatch", "ClockWatch"]

# What has held for so many decisions in a row is told.
DECISIONS = 3
CLOCK_TOLERANCE_S = 2.0


class ChannelWatch:
    """Notices that the health of a channel has changed, once it has stayed so for a few decisions.

    Parameters
    ----------
    numbers : sequence of int
        What the channels are called, in order.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = tuple(numbers)
        self._told = ["ok"] * len(self._numbers)
        self._last = list(self._told)
        self._runs = [0] * len(self._numbers)

    def update(self, decision: Decision) -> Notice | None:
        """What to tell of the channels after this decision, if anything."""
        changed: list[str] = []
        for index, (number, verdict) in enumerate(zip(self._numbers, decision.channels, strict=True)):
            self._runs[index] = self._runs[index] + 1 if verdict == self._last[index] else 1
            self._last[index] = verdict
            if verdict != self._told[index] and self._runs[index] >= DECISIONS:
                changed.append(f"{number} is {verdict}, was {self._told[index]}")
                self._told[index] = verdict
        if not changed:
            return None
        told = {str(number): verdict for number, verdict in zip(self._numbers, self._told, strict=True)}
        return Notice("channels", decision.t_s, f"channel {'; channel '.join(changed)}", {"channels": told})


class ClockWatch:
    """Notices that the wall clock and the counted samples no longer agree.

    A clock without a battery is set minutes after the start, and a microphone's crystal drifts by seconds a
    day: without this, times of day would be wrong for as long as it listens.

    Parameters
    ----------
    started : datetime
        The time of day, in UTC, when nothing was counted yet.
    now : callable
        The wall clock.
    """

    def __init__(self, started: datetime, now: Callable[[], datetime] = utc_now) -> None:
        self._started = started
        self._now = now
        self._run = 0

    def update(self, t_s: float, waiting_s: float) -> Notice | None:
        """What to tell at a decision that fell due at ``t_s``, while so much more audio waits."""
        off_s = (self._now() - self._started).total_seconds() - t_s - waiting_s
        self._run = self._run + 1 if abs(off_s) > CLOCK_TOLERANCE_S else 0
        if self._run < DECISIONS:
            return None
        self._run = 0
        self._started += timedelta(seconds=off_s)
        text = f"the clock is {abs(off_s):.1f} s {'ahead of' if off_s > 0 else 'behind'} what was counted"
        return Notice("clock", t_s, f"{text}; times of day follow it", {"moved_s": round(off_s, 3)})
