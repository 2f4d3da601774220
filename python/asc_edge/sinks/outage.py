"""A sink whose failures are told once when they begin and once when they are over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Sink, Stats

__all__ = ["OutageSink"]

_Line = TypeVar("_Line")


class OutageSink:
    """Hands everything on, and survives what the other sink raises.

    Parameters
    ----------
    sink : Sink
    name : str
        What to call it in messages.
    report : callable
        Told when it fails first, and when it works again.
    """

    def __init__(self, sink: Sink, name: str, report: Callable[[str], None]) -> None:
        self._sink = sink
        self._name = name
        self._report = report
        self._failed = 0

    def start(self, session: Session) -> None:
        self._try(self._sink.start, session)

    def decision(self, decision: Decision) -> None:
        self._try(self._sink.decision, decision)

    def event(self, event: Event) -> None:
        self._try(self._sink.event, event)

    def notice(self, notice: Notice) -> None:
        self._try(self._sink.notice, notice)

    def stats(self, stats: Stats) -> None:
        self._try(self._sink.stats, stats)

    def _try(self, hand_on: Callable[[_Line], None], line: _Line) -> None:
        try:
            hand_on(line)
        except Exception as error:
            self._failed += 1
            if self._failed == 1:
                self._report(f"{self._name} lost: {str(error) or type(error).__name__}")
        else:
            if self._failed:
                lost, self._failed = self._failed, 0
                self._report(f"{self._name} back; {lost} line{'s' if lost > 1 else ''} didn't reach it")
