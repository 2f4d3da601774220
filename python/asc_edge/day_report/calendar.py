"""Days and weeks of this machine's time zone; a day may have 23 or 25 hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from asc_edge.errors import UsageError

__all__ = ["Span", "clock_changes", "day_span", "local", "parse_day", "parse_week", "wall_hour"]

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment to before another, in UTC milliseconds."""

    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        return max(0, self.end_ms - self.start_ms)

    def within(self, other: Span) -> Span:
        """The part of it that lies in another; of length 0 where none does."""
        start_ms = min(max(self.start_ms, other.start_ms), other.end_ms)
        return Span(start_ms, max(start_ms, min(self.end_ms, other.end_ms)))


def local(ms: int) -> datetime:
    """A moment on this machine's clock, whatever its offset was then."""
    # Not by division: a fraction of a second may round up into the next minute.
    return datetime.fromtimestamp(ms // 1000).astimezone()


def day_span(day: date) -> Span:
    """From a local midnight to the next."""
    after = day + timedelta(days=1)
    return Span(*(round(datetime(at.year, at.month, at.day).timestamp()) * 1000 for at in (day, after)))


def parse_day(text: str) -> date:
    """Read ``YYYY-MM-DD``.

    Raises
    ------
    UsageError
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        day = date.fromisoformat(text)
        day_span(day)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text!r} is not a day, for instance 2026-01-31") from None
    return day


def parse_week(text: str) -> date:
    """Read an ISO week, ``YYYY-Www``; its Monday.

    Raises
    ------
    UsageError
    """
    found = re.fullmatch(r"(\d{4})-W(\d\d)", text)
    try:
        if found is None:
            raise ValueError
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise UsageError(f"{text!r} is not a week, for instance 2026-W05") from None


def wall_hour(ms: int) -> float:
    """Where on a clock face of 24 hours a moment lies.

    All that the clock calls the same hour shares that hour's place: two hours when clocks are set back, half
    an hour where they are set forward by as much. So later is never to the left, and every other hour lies
    where it does on other days.
    """
    seconds = ms / 1000
    hour = datetime.fromtimestamp(ms // 1000).replace(minute=0, second=0, fold=0)
    start_s, end_s = hour.timestamp(), (hour + timedelta(hours=1)).timestamp()
    return hour.hour + (seconds - start_s) / (end_s - start_s)


def clock_changes(span: Span) -> list[tuple[int, int]]:
    """When in a day the clocks are set, and by how many minutes."""
    found = []
    before = local(span.start_ms).utcoffset()
    for ms in range(span.start_ms, span.end_ms, HOUR_MS // 4):
        offset = local(ms).utcoffset()
        assert offset is not None
        assert before is not None
        if offset != before:
            found.append((ms, round((offset - before).total_seconds() / 60)))
            before = offset
    return found
