"""A sink with a thread of its own, so that a slow or dead one never delays the audio."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Sink, Stats

__all__ = ["BackgroundSink"]

QUEUE_LENGTH = 600
CLOSE_TIMEOUT_S = 5.0


class BackgroundSink:
    """Hands everything on to another sink, from a thread of its own.

    At most so many lines wait. When there are more, the oldest decision makes room, for a newer one says
    more; events and notices only when nothing else is left. What made room is counted.

    Parameters
    ----------
    sink : Sink
        Called by that thread alone. Its errors end up in ``report``, and the lines after them are tried.
    name : str
        What to call it in messages, and its thread.
    report : callable
        Told of an error, when it is another one than the last.
    queue_length : int
    close_timeout_s : float
        How long the end may take, when everything that waits is still handed on.

    Attributes
    ----------
    dropped : int
        Lines that were never handed on.
    """

    def __init__(
        self,
        sink: Sink,
        name: str,
        report: Callable[[str], None],
        *,
        queue_length: int = QUEUE_LENGTH,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        self._sink = sink
        self._name = name
        self._report = report
        self._queue_length = queue_length
        self._close_timeout_s = close_timeout_s
        self._waiting: deque[tuple[str, object]] = deque()
        self._changed = threading.Condition()
        self._last_error = ""
        self._over = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._hand_on, name=f"sink {name}", daemon=True)

    def start(self, session: Session) -> None:
        self._thread.start()
        self._put("start", session)

    def decision(self, decision: Decision) -> None:
        self._put("decision", decision)

    def event(self, event: Event) -> None:
        self._put("event", event)

    def notice(self, notice: Notice) -> None:
        self._put("notice", notice)

    def stats(self, stats: Stats) -> None:
        self._put("stats", stats)
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(self._close_timeout_s)
        if self._thread.is_alive():
            with self._changed:
                left = len(self._waiting)
            self._report(f"{self._name}: did not end in {self._close_timeout_s:g} s; {left} lines are lost")

    def _put(self, kind: str, line: object) -> None:
        with self._changed:
            if len(self._waiting) >= self._queue_length:
                self._make_room()
            self._waiting.append((kind, line))
            self._changed.notify()

    def _make_room(self) -> None:
        self.dropped += 1
        for place, (kind, _) in enumerate(self._waiting):
            if kind == "decision":
                del self._waiting[place]
                return
        # Never the start, without which the sink knows nothing of what follows.
        del self._waiting[1 if self._waiting[0][0] == "start" else 0]

    def _hand_on(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._over:
                    self._changed.wait()
                if not self._waiting:
                    return
                kind, line = self._waiting.popleft()
            try:
                getattr(self._sink, kind)(line)
            except Exception as error:
                self._say(str(error) or type(error).__name__)
            else:
                self._last_error = ""

    def _say(self, error: str) -> None:
        if error != self._last_error:
            self._last_error = error
            self._report(f"{self._name}: {error}")
