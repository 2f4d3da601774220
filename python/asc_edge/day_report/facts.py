"""What a day came to: activities, their minutes, when nothing was heard, and how that compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from asc_edge.activities import ABSENCE, NO_ACTIVITY
from asc_edge.day_report.calendar import Span, day_span
from asc_edge.store.reader import HistoryReader, StoredNotice, StoredSession

__all__ = [
    "Day",
    "Part",
    "Usual",
    "activity_order",
    "add_up",
    "collect_day",
    "done_ms",
    "usual_day",
    "usual_week",
]

MINUTE_MS = 60_000
USUAL_DAYS = 28
USUAL_AT_LEAST = 5
# A day that was listened to for less than this says nothing about what is usual.
ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """An activity on the day's time line, clipped to the day."""

    activity: str
    span: Span
    going_on: bool = False


@dataclass(frozen=True)
class Day:
    """A day in this machine's time zone.

    Attributes
    ----------
    date : date
    span : Span
        The whole day.
    over : bool
        Whether it is past.
    until_ms : int
        The day's end, or now.
    parts : list of Part
        Activities by time; no two at once.
    off : list of Span
        When nobody listened.
    lost : list of Span
        When somebody did, but no microphone delivered anything.
    present : list of Span
        When somebody was here, as far as that was told: beside all activities.
    tells_presence : bool
        Whether a bundle was listening that can tell. Without one, nobody knows.
    """

    date: date
    span: Span
    until_ms: int
    parts: list[Part] = field(default_factory=list)
    off: list[Span] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)
    present: list[Span] = field(default_factory=list)
    tells_presence: bool = False

    @property
    def over(self) -> bool:
        return self.until_ms >= self.span.end_ms

    @property
    def elapsed_ms(self) -> int:
        return max(0, self.until_ms - self.span.start_ms)

    @property
    def listened_ms(self) -> int:
        return self.elapsed_ms - sum(gap.length_ms for gap in (*self.off, *self.lost))

    @property
    def is_covered(self) -> bool:
        """Whether enough of it was heard to compare it with others."""
        return self.listened_ms > 0 and self.listened_ms >= ENOUGH * self.elapsed_ms

    def totals_ms(self) -> dict[str, int]:
        """Milliseconds of each activity."""
        return add_up({part.activity: part.span.length_ms} for part in self.parts)

    @property
    def present_ms(self) -> int:
        """Milliseconds in which somebody was here."""
        return sum(span.length_ms for span in self.present)


@dataclass(frozen=True, slots=True)
class Usual:
    """What earlier days of the same kind say, in milliseconds by activity.

    Attributes
    ----------
    totals_ms : dict of str to int
        Medians; in a week their sum over its days.
    compared_ms : dict of str to int
        What is compared with them: of a week, the days that were listened to for long enough.
    days : int
        How many earlier days are known.
    kind : {"weekdays", "Saturdays and Sundays", "week"}
    """

    totals_ms: dict[str, int]
    compared_ms: dict[str, int]
    days: int
    kind: str

    def changes_ms(self) -> dict[str, int]:
        """How much more there was of each activity than usual."""
        return {
            activity: self.compared_ms.get(activity, 0) - self.totals_ms.get(activity, 0)
            for activity in sorted({*self.compared_ms, *self.totals_ms})
        }


def collect_day(
    reader: HistoryReader, day: date, now_ms: int, *, elapsed_ms: int | None = None, brief: bool = False
) -> Day:
    """Read a day.

    Parameters
    ----------
    reader : HistoryReader
    day : date
    now_ms : int
        What lies after it hasn't been.
    elapsed_ms : int, optional
        Only so much of the day, to compare it with one that isn't over.
    brief : bool
        Don't look into every minute for lost microphones.

    Raises
    ------
    HistoryError
    """
    span = day_span(day)
    until_ms = max(span.start_ms, min(span.end_ms, now_ms))
    if elapsed_ms is not None:
        until_ms = min(until_ms, span.start_ms + elapsed_ms)
    seen = Span(span.start_ms, until_ms)
    sessions = reader.sessions(seen.start_ms, seen.end_ms)
    listening = _union(Span(run.started_ms, run.last_ms).within(seen) for run in sessions)
    lost = []
    if not brief:
        first_ms = min([seen.start_ms, *(run.started_ms for run in sessions)])
        notices = reader.notices(first_ms, seen.end_ms)
        lost = _intersect(
            _union([*_without_microphone(sessions, notices), *_without_input(reader, seen)]), listening
        )
    order = {run.id: place for place, run in enumerate(sessions)}
    events = sorted(
        reader.events(seen.start_ms, seen.end_ms),
        key=lambda event: (order.get(event.session_id, -1), event.start_ms),
    )
    parts: list[Part] = []
    for event in events:
        part = Part(event.activity, Span(event.start_ms, event.end_ms).within(seen), event.going_on)
        parts = _put_over(parts, part)
    present = _union(
        Span(one.start_ms, one.end_ms).within(seen) for one in reader.presence(seen.start_ms, seen.end_ms)
    )
    return Day(
        day,
        span,
        until_ms,
        sorted(parts, key=_start),
        _rest(seen, listening),
        lost,
        present,
        tells_presence=any(ABSENCE in run.labels for run in sessions),
    )


def usual_day(reader: HistoryReader, day: Day) -> Usual | None:
    """What is usual by this time on a day of this kind: weekdays, or Saturdays and Sundays.

    Returns
    -------
    Usual or None
        None where fewer than five of the 28 days before were listened to, or this one wasn't.
    """
    return _usual(reader, day, day.date) if day.is_covered else None


def usual_week(reader: HistoryReader, days: Sequence[Day]) -> Usual | None:
    """What is usual in those days of a week that were listened to, by the 28 days before it.

    Returns
    -------
    Usual or None
        None where that isn't known of one of them.
    """
    found = [_usual(reader, day, days[0].date) for day in days if day.is_covered]
    known = [usual for usual in found if usual is not None]
    if not known or len(known) < len(found):
        return None
    return Usual(
        add_up(usual.totals_ms for usual in known),
        add_up(usual.compared_ms for usual in known),
        min(usual.days for usual in known),
        "week",
    )


def add_up(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum by activity."""
    totals: dict[str, int] = {}
    for part in parts:
        for activity, ms in part.items():
            totals[activity] = totals.get(activity, 0) + ms
    return totals


def done_ms(totals_ms: Mapping[str, int]) -> dict[str, int]:
    """Those of activities that somebody does: neither absence nor silence, nor sounds that nobody knows."""
    return {activity: ms for activity, ms in totals_ms.items() if activity not in NO_ACTIVITY}


def activity_order(reader: HistoryReader, before_ms: int) -> list[str]:
    """All activities that were ever told apart, so that each has its colour: the newest bundle's first, which
    the page that shows what goes on now knows alone.
    """
    order: dict[str, None] = {}
    for run in reversed(reader.sessions(0, before_ms)):
        order.update(dict.fromkeys(run.labels))
    return list(order)


def _usual(reader: HistoryReader, like: Day, before: date) -> Usual | None:
    is_weekend = like.date.weekday() >= 5
    elapsed_ms = None if like.over else like.elapsed_ms
    earlier = (before - timedelta(days=back) for back in range(1, USUAL_DAYS + 1))
    found = []
    for day in earlier:
        if (day.weekday() >= 5) is is_weekend:
            facts = collect_day(reader, day, day_span(day).end_ms, elapsed_ms=elapsed_ms, brief=True)
            if facts.is_covered:
                found.append(facts.totals_ms())
    if len(found) < USUAL_AT_LEAST:
        return None
    activities = {activity for totals in found for activity in totals}
    medians = {
        activity: round(median(totals.get(activity, 0) for totals in found)) for activity in activities
    }
    kind = "Saturdays and Sundays" if is_weekend else "weekdays"
    return Usual(medians, like.totals_ms(), len(found), kind)


def _without_microphone(sessions: Iterable[StoredSession], notices: Iterable[StoredNotice]) -> Iterable[Span]:
    """From the notice that the microphone is gone to the one that it is back, or to the session's end."""
    by_session: dict[int, list[StoredNotice]] = {}
    for notice in notices:
        by_session.setdefault(notice.session_id, []).append(notice)
    for run in sessions:
        since: int | None = None
        for notice in by_session.get(run.id, []):
            if notice.kind == "input_lost" and since is None:
                since = notice.at_ms
            elif notice.kind == "input_back" and since is not None:
                yield Span(since, notice.at_ms)
                since = None
        if since is not None:
            yield Span(since, max(since, run.last_ms))


def _without_input(reader: HistoryReader, seen: Span) -> Iterable[Span]:
    """Minutes in which no channel delivered anything that could be sound."""
    for minute in reader.minutes(seen.start_ms - MINUTE_MS + 1, seen.end_ms):
        if minute.no_input > minute.ok + minute.silent:
            yield Span(minute.minute_ms, minute.minute_ms + MINUTE_MS).within(seen)


def _start(part: Part) -> int:
    return part.span.start_ms


def _put_over(parts: list[Part], new: Part) -> list[Part]:
    """Add an activity; where a clock was set back and two lie at the same time, the later session counts."""
    if new.span.length_ms == 0:
        return parts
    kept = []
    for part in parts:
        for span in _rest(part.span, [new.span.within(part.span)]):
            kept.append(Part(part.activity, span, part.going_on))
    return [*kept, new]


def _union(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start_ms):
        if not span.length_ms:
            continue
        if merged and span.start_ms <= merged[-1].end_ms:
            merged[-1] = Span(merged[-1].start_ms, max(merged[-1].end_ms, span.end_ms))
        else:
            merged.append(span)
    return merged


def _intersect(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    return _union(span.within(other) for span in spans for other in others)


def _rest(whole: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of a span without some others."""
    left, at = [], whole.start_ms
    for span in _union(one.within(whole) for one in taken):
        left.append(Span(at, span.start_ms))
        at = span.end_ms
    return _union([*left, Span(at, whole.end_ms)])
