"""JSON Lines: one object a line, ``type`` first, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TextIO

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats, utc_now
from asc_edge.text import iso_utc


class JsonLinesSink:
    """Writes ``start``, ``decision``, ``event``, ``notice`` and ``stats`` objects.

    Parameters
    ----------
    stream : text file
    now : callable
        The wall clock; replaceable, so that tests know the time.
    """

    def __init__(self, stream: TextIO, now: Callable[[], datetime] = utc_now) -> None:
        self._stream = stream
        self._now = now

    def start(self, session: Session) -> None:
        self._write(
            {
                "type": "start",
                "time": self._time(),
                "bundle": session.bundle,
                "version": session.bundle_version,
                "labels": list(session.labels),
                "source": session.source,
                "channels": session.channels,
                "sample_rate_hz": session.sample_rate_hz,
                "window_s": session.window_s,
                "hop_s": session.hop_s,
            }
        )

    def decision(self, decision: Decision) -> None:
        self._write({"type": "decision", **decision_fields(decision, self._time())})

    def event(self, event: Event) -> None:
        self._write({"type": "event", "time": self._time(), **asdict(event)})

    def notice(self, notice: Notice) -> None:
        self._write({"type": "notice", "time": self._time(), **asdict(notice)})

    def stats(self, stats: Stats) -> None:
        self._write({"type": "stats", "time": self._time(), **asdict(stats)})

    def _time(self) -> str:
        return iso_utc(self._now())

    def _write(self, fields: Mapping[str, object]) -> None:
        self._stream.write(json_line(fields))
        self._stream.flush()


def decision_fields(decision: Decision, time: str) -> dict[str, object]:
    """A decision as the JSON object says it, ``time`` being when it was made."""
    return {
        "t_s": round(decision.t_s, 6),
        "time": time,
        "top": decision.top,
        "posterior": rounded(decision.posterior),
        "state": decision.state,
        "channels": list(decision.channels),
        "latency_ms": round(decision.latency_ms, 3),
    }


def rounded(posterior: Mapping[str, float]) -> dict[str, float]:
    """Posteriors to the six digits that mean something."""
    return {label: round(value, 6) for label, value in posterior.items()}


def json_line(fields: object) -> str:
    """One line of strict JSON in plain ASCII, whatever the terminal's encoding."""
    return json.dumps(fields, allow_nan=False) + "\n"
