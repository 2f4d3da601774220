"""Tells the service manager that the audio loop is alive, and what is going on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from asc_edge.audio.samples import Samples
from asc_edge.audio.sources import Source
from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats, moved
from asc_edge.systemd import Notifier

__all__ = ["HeartbeatSink", "HeartbeatSource"]


class HeartbeatSource:
    """A source that gives a sign of life for every block that is fetched from it.

    A block is fetched when the last one has been dealt with, the sinks included. Where a microphone is waited
    for, it is the supervisor's naps that give the signs.

    Parameters
    ----------
    source : Source
        Everything else is its own.
    notifier : Notifier
    """

    def __init__(self, source: Source, notifier: Notifier) -> None:
        self._source = source
        self._notifier = notifier

    @property
    def on_notice(self) -> Callable[[Notice], None] | None:
        """Whom the source tells what happens to it; set by the monitor."""
        return self._source.on_notice

    @on_notice.setter
    def on_notice(self, listener: Callable[[Notice], None] | None) -> None:
        self._source.on_notice = listener

    def blocks(self) -> Iterator[Samples]:
        for block in self._source.blocks():
            self._notifier.ready()
            self._notifier.alive()
            yield block

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


class HeartbeatSink:
    """Says in one line what goes on; the last thing that it says is that the end has begun.

    Parameters
    ----------
    notifier : Notifier
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._session: Session | None = None
        self._activity = ""
        self._lost = ""

    def start(self, session: Session) -> None:
        # Whoever opened the source has said how that went: it may be waited for.
        self._session = session

    def decision(self, decision: Decision) -> None:
        self._notifier.alive()
        self._lost = ""
        self._say({"silent": "silence", "no_input": "no channel delivers sound"}.get(decision.state, ""))

    def event(self, event: Event) -> None:
        if event.end_s is None:
            self._activity = f"{event.activity} since {self._clock(event.start_s)}"
        elif self._activity.startswith(f"{event.activity} since "):
            self._activity = ""
        self._say("")

    def notice(self, notice: Notice) -> None:
        if notice.kind == "input_lost":
            # Waiting for a microphone is what a service without one is there for.
            self._notifier.ready()
            self._lost = notice.text
        elif notice.kind == "input_back":
            self._lost = ""
        elif notice.kind == "clock" and self._session is not None:
            self._session = moved(self._session, notice)
        self._say("")

    def stats(self, stats: Stats) -> None:
        self._notifier.stopping()
        self._notifier.status(f"stopped after {stats.decisions} decisions")

    def _say(self, state: str) -> None:
        self._notifier.status(self._lost or self._activity or state or "listening, nothing goes on")

    def _clock(self, t_s: float) -> str:
        """Time of day here; minutes, since a status is read by people."""
        if self._session is None:
            return "now"
        return (self._session.started + timedelta(seconds=t_s)).astimezone().strftime("%H:%M")
