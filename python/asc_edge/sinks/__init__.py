"""Where decisions and events go. Every sink writes whole lines and flushes them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TextIO

from asc_edge.events import Event
from asc_edge.notices import Notice, NoticeKind
from asc_edge.pipeline import Decision

__all__ = ["Notice", "NoticeKind", "Session", "Sink", "Stats", "make_sink", "moved", "utc_now"]


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """What is known before the first decision.

    Attributes
    ----------
    bundle, bundle_version : str
    labels : tuple of str
    source_name : str
        What to call the source in a sentence.
    source : dict of str to object
        The source's own description, ``kind`` first.
    channels : int
        How many channels may vote.
    sample_rate_hz : int
        Of the bundle; the source's own stands in its description.
    window_s, hop_s : float
    started : datetime
        The wall clock, in UTC, when ``t_s`` was 0. Lost audio counts in ``t_s``, so that a time of day is
        this plus that, until a notice of the kind ``clock`` moves it (`moved`).
    """

    bundle: str
    bundle_version: str
    labels: tuple[str, ...]
    source_name: str
    source: dict[str, object]
    channels: int
    sample_rate_hz: int
    window_s: float
    hop_s: float
    started: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Stats:
    """What a session came to.

    Attributes
    ----------
    decisions, skipped : int
        Made, and given up to keep up with the microphone.
    overruns : int
        How often audio was lost, and
    lost_s : float
        how much of it, as far as it can be known.
    duration_s : float
        Audio heard, lost audio included.
    """

    decisions: int
    skipped: int
    overruns: int
    lost_s: float
    duration_s: float


def moved(session: Session, notice: Notice) -> Session:
    """The session with its start where a notice of the kind ``clock`` puts it."""
    seconds = notice.details.get("moved_s")
    assert isinstance(seconds, int | float)
    return replace(session, started=session.started + timedelta(seconds=seconds))


class Sink(Protocol):
    """Takes a session's lines in order: start; decisions, events and notices; stats, which is the last."""

    def start(self, session: Session) -> None: ...

    def decision(self, decision: Decision) -> None: ...

    def event(self, event: Event) -> None: ...

    def notice(self, notice: Notice) -> None: ...

    def stats(self, stats: Stats) -> None: ...


def make_sink(form: str, stream: TextIO | None = None) -> Sink:
    """The sink for an output format.

    Parameters
    ----------
    form : {"text", "jsonl"}
    stream : text file, optional
        Standard output by default.
    """
    stream = sys.stdout if stream is None else stream
    if form == "jsonl":
        from asc_edge.sinks.jsonl import JsonLinesSink

        return JsonLinesSink(stream)
    from asc_edge.sinks.console import ConsoleSink

    return ConsoleSink(stream)
