"""What tests of the history feed it with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Session, Stats
from asc_edge.sinks.history import HistorySink
from asc_edge.store import HistorySettings

STARTED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STARTED_MS = round(STARTED.timestamp() * 1000)
LABELS = ("cooking", "eating", "working")


def session(started: datetime = STARTED, **changes: object) -> Session:
    """A session of a bundle with three labels that decides every second."""
    fields: dict[str, object] = {
        "bundle": "home",
        "bundle_version": "2",
        "labels": LABELS,
        "source_name": "microphone",
        "source": {"kind": "device"},
        "channels": 4,
        "sample_rate_hz": 16000,
        "window_s": 5.0,
        "hop_s": 1.0,
        "started": started,
    }
    return Session(**{**fields, **changes})  # type: ignore[arg-type]


def decision(t_s: float, *means: float, state: str = "ok") -> Decision:
    """A decision with these posteriors; without any, of a state that has none."""
    posterior = dict(zip(LABELS, means, strict=True)) if means else {}
    top = max(posterior, key=posterior.__getitem__) if posterior else None
    return Decision(t_s, top, posterior, state, ("ok",), 1.0)  # type: ignore[arg-type]


def stats(duration_s: float) -> Stats:
    return Stats(round(duration_s), 0, 0, 0.0, duration_s)


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def fill(path: Path, *, events: int = 0, minutes: int = 0) -> None:
    """A history with so many rows from ``STARTED`` on, quicker than by a sink, which waits for the disk."""
    write_session(path, [])
    permille = "[" + ",".join(["111"] * 9) + "]"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO events (session_id, activity, start_ms, end_ms) VALUES (1, 'cooking', ?, ?)",
            ((STARTED_MS + 1000 * k, STARTED_MS + 1000 * k + 500) for k in range(events)),
        )
        connection.executemany(
            "INSERT INTO minutes VALUES (?, 1, 60, 0, 0, 0, ?)",
            ((STARTED_MS + 60_000 * k, permille) for k in range(minutes)),
        )


def write_session(
    path: Path,
    events: Iterable[tuple[str, float, float | None]],
    *,
    started: datetime = STARTED,
    duration_s: float = 3600.0,
    minutes: int = 0,
    settings: HistorySettings | None = None,
    **changes: object,
) -> None:
    """A whole session with these activities (name, start, end), and so many minutes of decisions."""
    said: list[str] = []
    sink = HistorySink(settings or HistorySettings(path=str(path)), said.append)
    sink.start(session(started, **changes))
    for minute in range(minutes):
        sink.decision(decision(60.0 * minute, 0.7, 0.2, 0.1))
    for name, start_s, end_s in events:
        sink.event(Event(name, start_s, end_s))
    sink.stats(stats(duration_s))
    assert said == []
