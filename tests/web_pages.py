"""A page that is served, and what a session tells it, by hand."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.glimpse import Glimpse
from asc_edge.pipeline import Decision
from asc_edge.sinks import Session, Stats, utc_now
from asc_edge.web import WebSettings, open_web
from asc_edge.web.server import Server
from asc_edge.web.sink import WebSink

LABELS = ("cooking", "other", "working")
TOKEN = "rather-a-long-token-for-tests"
STATS = Stats(decisions=1, skipped=0, overruns=0, lost_s=0.0, duration_s=6.0)


def a_session(started: datetime | None = None, **changes: Any) -> Session:
    values: dict[str, Any] = {
        "bundle": "tiny",
        "bundle_version": "1",
        "labels": LABELS,
        "source_name": "scripted kitchen",
        "source": {"kind": "script"},
        "channels": 2,
        "sample_rate_hz": 16000,
        "window_s": 5.0,
        "hop_s": 1.0,
        "started": started or utc_now(),
    }
    return Session(**{**values, **changes})


def a_decision(t_s: float, top: str = "cooking", **changes: Any) -> Decision:
    posterior = {label: 0.8 if label == top else 0.1 for label in LABELS}
    values: dict[str, Any] = {
        "t_s": t_s,
        "top": top,
        "posterior": posterior,
        "state": "ok",
        "channels": ("ok", "dead"),
        "latency_ms": 3.0,
    }
    return Decision(**{**values, **changes})


def a_glimpse(t_s: float, columns: int = 10, bands: int = 8) -> Glimpse:
    rng = np.random.default_rng(round(t_s))
    cells = rng.uniform(-90.0, -30.0, (2, bands, columns)).astype(np.float32)
    return Glimpse(
        t_s=t_s,
        level_db=(-42.0, -160.0),
        status=("ok", "dead"),
        cells_db=cells,
        end_s=t_s,
        column_s=0.1,
        bands_hz=tuple(float(hz) for hz in np.geomspace(60, 7000, bands)),
        skipped=0,
    )


@contextmanager
def served(
    token_file: Path | None = None, *, start: bool = True, port: int = 0, **options: Any
) -> Iterator[WebSink]:
    """A page on this machine; its session has begun, and ends with the block."""
    complaints: list[str] = []
    settings = WebSettings(port=port, token_file=str(token_file or ""))
    sink = open_web(settings, complaints.append, **options)
    try:
        if start:
            sink.start(a_session())
        yield sink
    finally:
        sink.stats(STATS)
    assert complaints == []


def port_of(sink: WebSink | Server) -> int:
    return int(sink.url.rstrip("/").rpartition(":")[2])


def ask(
    sink: WebSink | Server, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of an answer; JSON is read."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    fields = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, fields, json.loads(text) if "json" in fields.get("content-type", "") else text


class EventStream:
    """Reads events as a browser would, without coming back by itself."""

    def __init__(self, sink: WebSink, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=10)
        self._connection.request("GET", "/api/events", headers=headers)
        self.answer = self._connection.getresponse()

    def next(self) -> tuple[str, Any]:
        """Name and data of the next event; an empty name at the end."""
        name = ""
        while line := self.answer.readline().decode():
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                return name, json.loads(line[6:])
        return "", None

    def until(self, wanted: str) -> Any:
        """Data of the next event of this name."""
        while True:
            name, fields = self.next()
            assert name, f"the stream ended before {wanted}"
            if name == wanted:
                return fields

    def close(self) -> None:
        self._connection.close()


def wall(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
