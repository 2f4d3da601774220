"""Activities of a day: from a history that outlives the process, and from what this session has heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

from asc_edge.events import Event

__all__ = ["Day", "History", "PastActivity", "SessionEvents", "combined"]

MAX_EVENTS = 5000
TICK_HOURS = (0, 3, 6, 9, 12, 15, 18, 21)


@dataclass(frozen=True, slots=True)
class PastActivity:
    """An activity in the time of day.

    Attributes
    ----------
    activity : str
    start : datetime
        With a time zone.
    end : datetime or None
        None while it goes on, or where nobody heard its end.
    """

    activity: str
    start: datetime
    end: datetime | None


class History(Protocol):
    """What was heard on other days, and before this start; asked by one thread of the page's own."""

    def events_between(self, start: datetime, end: datetime) -> Sequence[PastActivity]:
        """Activities of which some part lies between two times, in the order of their starts."""
        ...


class SessionEvents:
    """The newest activities of this session.

    Parameters
    ----------
    started : datetime
        When the session's clock was at 0.

    Attributes
    ----------
    since : datetime
        From when on none is missing.
    """

    def __init__(self, started: datetime, max_events: int = MAX_EVENTS) -> None:
        self._started = started
        self._max_events = max_events
        self._events: deque[PastActivity] = deque()
        self.since = started

    def add(self, event: Event) -> PastActivity:
        """Take what began or ended."""
        start = self.at(event.start_s)
        past = PastActivity(event.activity, start, None if event.end_s is None else self.at(event.end_s))
        if self._events and (self._events[-1].activity, self._events[-1].start) == (past.activity, start):
            self._events.pop()
        self._events.append(past)
        if len(self._events) > self._max_events:
            self._events.popleft()
            self.since = self._events[0].start
        return past

    def move(self, started: datetime) -> PastActivity | None:
        """The clock was set: what goes on (given back) and what is to come is told by the new one."""
        by, self._started = started - self._started, started
        if not self._events or self._events[-1].end is not None:
            return None
        last = self._events.pop()
        self._events.append(replace(last, start=last.start + by))
        return self._events[-1]

    def at(self, t_s: float) -> datetime:
        """Time of day of a time of the session."""
        return self._started + timedelta(seconds=t_s)

    def events_between(self, start: datetime, end: datetime) -> list[PastActivity]:
        """As `History` has it."""
        return [
            event for event in self._events if event.start < end and (event.end is None or event.end > start)
        ]


def combined(
    past: Sequence[PastActivity], session: SessionEvents | None, start: datetime, end: datetime
) -> list[PastActivity]:
    """What a history knows of the time before this session, and what the session itself has heard."""
    # Nobody heard the end of what the process before this one left open.
    closed = [event if event.end else replace(event, end=event.start) for event in past]
    if session is None:
        return closed
    before = [event for event in closed if event.start < session.since]
    return [*before, *session.events_between(start, end)]


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the home's calendar, which a change of clocks makes an hour shorter or longer.

    Attributes
    ----------
    date : date
    zone : tzinfo or None
        The machine's own where None.
    """

    date: date
    zone: tzinfo | None = None

    @classmethod
    def of(cls, moment: datetime, zone: tzinfo | None = None) -> Day:
        """The day in which a moment lies."""
        return cls(moment.astimezone(zone).date(), zone)

    def at(self, hour: int) -> datetime:
        """The moment at which clocks show this hour; 24 is the next day's beginning."""
        shown = datetime.combine(self.date + timedelta(days=hour // 24), time(hour % 24))
        return shown.astimezone() if self.zone is None else shown.replace(tzinfo=self.zone)

    @property
    def start(self) -> datetime:
        return self.at(0)

    @property
    def end(self) -> datetime:
        return self.at(24)

    def timeline(self, events: Sequence[PastActivity], now: datetime) -> dict[str, object]:
        """The day as the page draws it: activities cut at midnight and now, their durations, and hours."""
        # Compared in UTC: two times of one zone are compared by what their clocks show.
        start, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
        shown, totals = [], dict[str, float]()
        for event in events:
            until = event.end or (max(now, event.start) if event is events[-1] else event.start)
            piece = replace(event, start=max(event.start, start), end=min(until, end))
            assert piece.end is not None
            if piece.end < piece.start:
                continue
            seconds = (piece.end - piece.start).total_seconds()
            totals[event.activity] = totals.get(event.activity, 0.0) + seconds
            shown.append(
                {
                    "activity": event.activity,
                    "start": self.clock(piece.start),
                    "end": self.clock(piece.end),
                    "going_on": event.end is None and event is events[-1],
                    "seconds": round(seconds, 1),
                }
            )
        ordered = sorted(totals.items(), key=lambda item: -item[1])
        return {
            "day": self.date.isoformat(),
            "today": start <= now < end,
            "start": self.clock(start),
            "end": self.clock(end),
            "now": self.clock(now),
            "ticks": [{"time": self.clock(self.at(hour)), "text": f"{hour:02d}"} for hour in TICK_HOURS],
            "events": shown,
            "totals": [{"activity": activity, "seconds": round(seconds, 1)} for activity, seconds in ordered],
        }

    def clock(self, moment: datetime) -> str:
        """A moment as this day's clocks show it, with the distance to UTC."""
        return moment.astimezone(self.zone).isoformat(timespec="seconds")
