"""Times, lengths and names as people say them."""

from __future__ import annotations

from datetime import date

from asc_edge.day_report.calendar import Span, local

__all__ = ["change", "length", "name", "of_clock", "range_of", "title_of"]


def name(activity: str) -> str:
    """A label as a word."""
    words = activity.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else "?"


def length(ms: float) -> str:
    """A length of time, to the minute; to the second below two minutes."""
    seconds = round(ms / 1000)
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def change(ms: float) -> str:
    """A difference to what is usual."""
    if abs(ms) < 120_000:
        return "as usual"
    return f"{length(abs(ms))} {'more' if ms > 0 else 'less'}"


def of_clock(ms: int) -> str:
    """A time of day."""
    return f"{local(ms):%H:%M}"


def range_of(span: Span) -> str:
    """From when to when; midnight at the end is 24:00."""
    end = of_clock(span.end_ms)
    return f"{of_clock(span.start_ms)} – {'24:00' if end == '00:00' else end}"


def title_of(day: date) -> str:
    """A day with its name."""
    return f"{day:%A}, {day.day} {day:%B} {day.year}"
