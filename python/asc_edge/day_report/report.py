"""What a report says, before it is drawn as a page or as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from asc_edge.activities import NO_ACTIVITY
from asc_edge.day_report import words
from asc_edge.day_report.calendar import local
from asc_edge.day_report.facts import (
    USUAL_DAYS,
    Day,
    Usual,
    activity_order,
    add_up,
    collect_day,
    done_ms,
    usual_day,
    usual_week,
)
from asc_edge.day_report.figures import day_timeline, legend, minutes_chart, week_timeline
from asc_edge.day_report.scene import Line, Scene
from asc_edge.errors import ReportError
from asc_edge.store.reader import HistoryReader

__all__ = ["Report", "report_day", "report_week"]


@dataclass(frozen=True)
class Report:
    """All that a page or a picture shows.

    Attributes
    ----------
    title, lead, about : str
    tiles : list of (str, str, str)
        Term, value, and what there is to say of it.
    figures : list of (Scene, str)
        Each with its caption.
    days : list of Day
    usual : Usual or None
    order : list of str
        All activities; their places give them their colours.
    """

    title: str
    lead: str
    about: str
    tiles: list[tuple[str, str, str]]
    figures: list[tuple[Scene, str]]
    days: list[Day]
    usual: Usual | None
    order: list[str]

    @property
    def totals_ms(self) -> dict[str, int]:
        """Milliseconds of each activity, of all days together."""
        return add_up(day.totals_ms() for day in self.days)

    @property
    def usual_is(self) -> str:
        """How the usual is known."""
        if self.usual is None:
            return ""
        if self.usual.kind == "week":
            heard = sum(day.is_covered for day in self.days)
            only = "" if heard == 7 else f", for the {heard} days that were listened to"
            return f"the sum of each day's median over the {USUAL_DAYS} days before{only}"
        by_now = "" if self.days[0].over else ", by this time of day"
        return f"the median of {self.usual.days} {self.usual.kind} of the {USUAL_DAYS} days before{by_now}"


def report_day(reader: HistoryReader, day: date, now_ms: int) -> Report:
    """The report of a day.

    Parameters
    ----------
    reader : HistoryReader
    day : date
    now_ms : int
        UTC; a day that isn't over is compared with the same part of earlier ones.

    Raises
    ------
    ReportError
        When it has not begun yet.
    HistoryError
    """
    facts = collect_day(reader, day, now_ms)
    if not facts.elapsed_ms:
        raise ReportError(f"{day} has not begun yet")
    usual = usual_day(reader, facts)
    order = activity_order(reader, facts.span.end_ms)
    title = words.title_of(day)
    return _report(title, [facts], usual, order, timeline=day_timeline(facts, order))


def report_week(reader: HistoryReader, monday: date, now_ms: int) -> Report:
    """The report of a week; as :func:`report_day`."""
    days = [collect_day(reader, monday + timedelta(days=number), now_ms) for number in range(7)]
    if not days[0].elapsed_ms:
        raise ReportError(f"the week of {monday} has not begun yet")
    usual = usual_week(reader, days)
    order = activity_order(reader, days[-1].span.end_ms)
    year, week, _ = monday.isocalendar()
    last = days[-1].date
    title = f"Week {week} of {year}: {monday.day} {monday:%B} – {last.day} {last:%B}"
    caption = "At the right of each day: the time of all activities, of the time that was listened to."
    return _report(title, days, usual, order, timeline=week_timeline(days, order), caption=caption)


def _report(
    title: str,
    days: list[Day],
    usual: Usual | None,
    order: list[str],
    *,
    timeline: Scene,
    caption: str = "",
) -> Report:
    totals = add_up(day.totals_ms() for day in days)
    figures = [(timeline, caption)]
    off, lost = any(day.off for day in days), any(day.lost for day in days)
    if len(days) > 1 or off or lost:
        shown = [activity for activity in order if activity in totals] if len(days) > 1 else []
        figures[0] = (_stack(timeline, legend(shown, order, off=off, lost=lost)), caption)
    report = Report(title, _lead(days, totals, usual), _about(days), [], figures, days, usual, order)
    if totals:
        note = f"The upright mark is what is usual: {report.usual_is}." if usual else ""
        figures.append((minutes_chart(totals, usual, order), note))
    report.tiles.extend(_tiles(days, totals))
    return report


def _stack(upper: Scene, lower: Scene) -> Scene:
    """Both in one drawing."""
    shapes = list(upper.shapes)
    for shape in lower.shapes:
        if isinstance(shape, Line):
            shapes.append(replace(shape, y1=shape.y1 + upper.height, y2=shape.y2 + upper.height))
        else:
            shapes.append(replace(shape, y=shape.y + upper.height))
    return Scene(upper.width, upper.height + lower.height, upper.title, upper.text, shapes)


def _lead(days: Sequence[Day], totals: dict[str, int], usual: Usual | None) -> str:
    """The report in a sentence or two."""
    if not totals:
        listened = sum(day.listened_ms for day in days)
        return "Nothing was recognised." if listened else "Nobody listened."
    done = done_ms(totals)
    said = "No activity was recognised."
    if done:
        most = max(done, key=done.__getitem__)
        said = f"Most of the time went into {words.name(most).lower()}: {words.length(done[most])}."
    if usual is None:
        return said
    changes = done_ms(usual.changes_ms())
    if not changes:
        return said
    largest = max(changes, key=lambda activity: abs(changes[activity]))
    if words.change(changes[largest]) == "as usual":
        return f"{said} All of it was about as usual."
    return f"{said} {words.name(largest)} took {words.change(changes[largest])} than usual."


def _tiles(days: Sequence[Day], totals: dict[str, int]) -> list[tuple[str, str, str]]:
    elapsed = sum(day.elapsed_ms for day in days)
    listened = sum(day.listened_ms for day in days)
    parts = [part for day in days for part in day.parts if part.activity not in NO_ACTIVITY]
    share = f"{100 * listened / elapsed:.0f} % of {words.length(elapsed)}" + (
        "" if days[-1].over else " so far"
    )
    tiles = [("Listened", words.length(listened), share)]
    known = sum(done_ms(totals).values())
    of_it = f"{100 * known / listened:.0f} % of what was heard" if listened else ""
    tiles.append(("Activities", words.length(known), of_it))
    if any(day.tells_presence for day in days):
        present = sum(day.present_ms for day in days)
        of_it = f"{100 * present / listened:.0f} % of what was heard" if listened else ""
        tiles.append(("Somebody here", words.length(present), of_it))
    if parts:
        longest = max(parts, key=lambda part: part.span.length_ms)
        when = words.range_of(longest.span)
        if len(days) > 1:
            when = f"{local(longest.span.start_ms):%A} {when}"
        tiles.append(
            (
                "Longest at a stretch",
                words.length(longest.span.length_ms),
                f"{words.name(longest.activity)}, {when}",
            )
        )
    lost = sum(span.length_ms for day in days for span in day.lost)
    off = sum(span.length_ms for day in days for span in day.off)
    if lost or off:
        more = "nobody listened" if not lost else "no microphone"
        if lost and off:
            more = f"{words.length(lost)} of it without a microphone"
        tiles.append(("Not heard", words.length(lost + off), more))
    return tiles


def _about(days: Sequence[Day]) -> str:
    zone = local(days[0].span.start_ms).tzname()
    other = local(days[-1].span.end_ms - 1).tzname()
    return f"Times are local ({zone if zone == other else f'{zone}, {other}'})."
