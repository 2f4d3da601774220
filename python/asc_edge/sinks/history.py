"""Keeps what went on in the history. No audio: what it is given holds none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Sink, Stats, moved
from asc_edge.sinks.background import BackgroundSink
from asc_edge.store import HistorySettings
from asc_edge.store.writer import SessionWriter

__all__ = ["HistorySink", "open_history"]

MINUTE_MS = 60_000
# The end may look through a large file first.
CLOSE_TIMEOUT_S = 15.0


def open_history(settings: HistorySettings, report: Callable[[str], None]) -> Sink:
    """A sink that keeps the history from a thread of its own, so that a slow disk never delays the audio.

    Parameters
    ----------
    settings : HistorySettings
    report : callable
        Told in one line what goes wrong, and when it goes on; called by that thread.

    Returns
    -------
    Sink
        Nothing is opened before its ``start``.
    """
    sink = HistorySink(settings, lambda text: report(f"history: {text}"))
    return BackgroundSink(sink, "history", report, close_timeout_s=CLOSE_TIMEOUT_S)


class HistorySink:
    """Writes sessions, activities, notices and every minute's decisions into a database.

    An event, a notice, the start and the stats are stored when the call returns, and a power cut doesn't undo
    that. A call that raises has kept its line, and later calls write it.

    Parameters
    ----------
    settings : HistorySettings
    say : callable
        Told in one line of what is no error.
    clock : callable
        Seconds that only go on.
    """

    def __init__(
        self,
        settings: HistorySettings,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._say = say
        self._clock = clock
        self._writer: SessionWriter | None = None
        self._labels: tuple[str, ...] = ()
        self._zero_ms = 0
        self._hop_s = 1.0
        self._last_t_s: float | None = None
        self._minute: _Minute | None = None
        self._session: Session | None = None
        # When the clock was last set, and what has been decided since the start.
        self._since_s = 0.0
        self._decisions = self._skipped = 0
        self._clock_notice: Notice | None = None
        # What ended sessions have been told of these.
        self._told = {"decisions": 0, "skipped": 0}

    def start(self, session: Session) -> None:
        self._last_t_s = self._clock_notice = None
        self._decisions = self._skipped = 0
        self._told = {"decisions": 0, "skipped": 0}
        self._begin(session, 0.0)

    def _begin(self, session: Session, since_s: float) -> None:
        self._session, self._since_s = session, since_s
        self._labels, self._hop_s = session.labels, session.hop_s
        self._zero_ms = round(session.started.timestamp() * 1000)
        self._minute = None
        columns = {
            "started_ms": self._ms(since_s),
            "bundle": session.bundle,
            "bundle_version": session.bundle_version,
            "labels": json.dumps(session.labels),
            "source_name": _storable(session.source_name),
            "source": json.dumps(session.source, default=str),
            "channels": session.channels,
            "sample_rate_hz": session.sample_rate_hz,
            "window_ms": round(session.window_s * 1000),
            "hop_ms": round(session.hop_s * 1000),
        }
        self._writer = SessionWriter(self._settings, columns, self._say, clock=self._clock)
        self._writer.begin()

    def decision(self, decision: Decision) -> None:
        if self._clock_notice is not None:
            self._set_clock(self._clock_notice)
        minute_ms = self._ms(decision.t_s) // MINUTE_MS * MINUTE_MS
        before = self._minute
        if before is None or before.minute_ms != minute_ms:
            self._minute = _Minute(minute_ms)
        assert self._minute is not None
        skipped = self._skipped_before(decision.t_s)
        self._minute.add(decision, self._ms(decision.t_s), skipped)
        self._last_t_s = decision.t_s
        self._decisions += 1
        self._skipped += skipped
        if before is not None and before is not self._minute:
            self._write_minute(before)
        else:
            self._open_writer().flush()

    def event(self, event: Event) -> None:
        end_ms = None if event.end_s is None else self._ms(event.end_s)
        # What began by another clock was written by that clock, up to when it was set.
        start_ms = self._ms(max(event.start_s, self._since_s))
        self._open_writer().event(_storable(event.activity), start_ms, end_ms)

    def notice(self, notice: Notice) -> None:
        if notice.kind == "clock":
            self._set_clock(notice)
        details = json.dumps(notice.details, default=str)
        self._open_writer().notice(self._ms(notice.t_s), notice.kind, _storable(notice.text), details)

    def stats(self, stats: Stats) -> None:
        counts = {"decisions": stats.decisions, "skipped": stats.skipped}
        self._end(stats.duration_s, counts, overruns=stats.overruns, lost_ms=round(stats.lost_s * 1000))

    def _end(self, t_s: float, counts: dict[str, int], **losses: int) -> None:
        minute, self._minute = self._minute, None
        writer = self._open_writer()
        try:
            if minute is not None:
                self._write_minute(minute)
        finally:
            own = {name: max(0, count - self._told[name]) for name, count in counts.items()}
            self._told = counts
            writer.end(self._ms(t_s), **own, **losses)

    def _set_clock(self, notice: Notice) -> None:
        """Go on in a session of its own, whose times are by the clock as it is now."""
        assert self._session is not None
        # While nothing can be written, the lines that wait would be lost with the session.
        self._clock_notice = notice
        self._open_writer().flush(now=True)
        self._clock_notice = None
        counts = {"decisions": self._decisions, "skipped": self._skipped}
        self._end(notice.t_s, counts, overruns=0, lost_ms=0)
        self._begin(moved(self._session, notice), notice.t_s)

    def _ms(self, t_s: float) -> int:
        """Time of day of a moment of the session, by the clock as it was when it began."""
        return self._zero_ms + round(t_s * 1000)

    def _open_writer(self) -> SessionWriter:
        assert self._writer is not None, "start() comes first"
        return self._writer

    def _skipped_before(self, t_s: float) -> int:
        """How many decisions fell due since the last one, and weren't made."""
        if self._last_t_s is None:
            return 0
        return max(0, round((t_s - self._last_t_s) / self._hop_s) - 1)

    def _write_minute(self, minute: _Minute) -> None:
        self._open_writer().minute(
            minute.minute_ms,
            minute.last_ms,
            **minute.states,
            skipped=minute.skipped,
            permille=json.dumps(minute.permille(self._labels), separators=(",", ":")),
        )


@dataclass(slots=True)
class _Minute:
    """The decisions of one minute of the clock."""

    minute_ms: int
    last_ms: int = 0
    skipped: int = 0
    states: dict[str, int] = field(default_factory=lambda: {"ok": 0, "silent": 0, "no_input": 0})
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, decision: Decision, at_ms: int, skipped: int) -> None:
        self.last_ms = at_ms
        self.skipped += skipped
        self.states[decision.state] += 1
        for label, value in decision.posterior.items():
            self.sums[label] = self.sums.get(label, 0.0) + value

    def permille(self, labels: tuple[str, ...]) -> list[int]:
        """Mean posteriors of the decisions that had some, in thousandths; empty where none had."""
        count = self.states["ok"]
        return [round(1000 * self.sums.get(label, 0.0) / count) for label in labels] if count else []


def _storable(text: str) -> str:
    """Names of files need not be text; what is no letter becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
