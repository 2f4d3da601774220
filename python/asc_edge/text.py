"""Words, times and lengths of time as lines of text show them."""

from __future__ import annotations

from datetime import datetime

__all__ = ["iso_utc", "printable_line", "rough_span"]


def printable_line(text: str) -> str:
    """One line in which whatever could control a terminal, or begin a line of its own, is a question mark."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def iso_utc(moment: datetime) -> str:
    """A moment in UTC for programs, to the millisecond: ``2026-03-02T08:00:00.000Z``."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rough_span(seconds: float) -> str:
    """A length of time in one unit, the largest of which there are two."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
