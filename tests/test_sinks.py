"""What is written, line by line."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime

import pytest

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Session, Sink, Stats, make_sink
from asc_edge.sinks.console import Glyphs
from asc_edge.sinks.jsonl import JsonLinesSink

SESSION = Session("home", "1.2", ("cooking", "other"), "Küche.wav", {"kind": "file"}, 4, 16000, 10.0, 1.0)
HEARD = Decision(
    12.0, "cooking", {"cooking": 0.91, "other": 0.09}, "ok", ("ok", "ok", "dead", "clipped"), 14.2346, {}
)
SILENT = Decision(13.0, None, {}, "silent", ("ok",) * 4, 0.1, {})
STATS = Stats(decisions=2, skipped=1, overruns=0, lost_s=0.0, duration_s=13.0)


class _Stream(io.TextIOWrapper):
    """A text file that counts flushes, and may be a terminal."""

    def __init__(self, *, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self._terminal = terminal
        self.flushes = 0

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        self.flushes = getattr(self, "flushes", 0) + 1
        super().flush()

    def lines(self) -> list[str]:
        return self.buffer.getvalue().decode(self.encoding).splitlines()


def _play(sink: Sink) -> None:
    sink.start(SESSION)
    sink.decision(HEARD)
    sink.event(Event("cooking", 10.0))
    sink.decision(SILENT)
    sink.event(Event("cooking", 10.0, 13.0))
    sink.stats(STATS)


def test_json_lines_say_exactly_this() -> None:
    """Catches a renamed field: programs out there read these names."""
    stream = _Stream()
    _play(JsonLinesSink(stream, now=lambda: datetime(2026, 1, 31, 12, 0, 12, 345678, UTC)))
    time = "2026-01-31T12:00:12.345Z"
    assert [json.loads(line) for line in stream.lines()] == [
        {
            "type": "start",
            "time": time,
            "bundle": "home",
            "version": "1.2",
            "labels": ["cooking", "other"],
            "source": {"kind": "file"},
            "channels": 4,
            "sample_rate_hz": 16000,
            "window_s": 10.0,
            "hop_s": 1.0,
        },
        {
            "type": "decision",
            "t_s": 12.0,
            "time": time,
            "top": "cooking",
            "posterior": {"cooking": 0.91, "other": 0.09},
            "state": "ok",
            "channels": ["ok", "ok", "dead", "clipped"],
            "latency_ms": 14.235,
        },
        {"type": "event", "time": time, "activity": "cooking", "start_s": 10.0, "end_s": None},
        {
            "type": "decision",
            "t_s": 13.0,
            "time": time,
            "top": None,
            "posterior": {},
            "state": "silent",
            "channels": ["ok"] * 4,
            "latency_ms": 0.1,
        },
        {"type": "event", "time": time, "activity": "cooking", "start_s": 10.0, "end_s": 13.0},
        {
            "type": "stats",
            "time": time,
            "decisions": 2,
            "skipped": 1,
            "overruns": 0,
            "lost_s": 0.0,
            "duration_s": 13.0,
        },
    ]


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_every_line_is_flushed(form: str) -> None:
    """Catches output that a pipe sees only when 4096 bytes have come together."""
    stream = _Stream()
    _play(make_sink(form, stream))
    assert stream.flushes >= 6


def test_type_stands_first_in_every_line() -> None:
    stream = _Stream()
    _play(make_sink("jsonl", stream))
    assert all(line.startswith('{"type": "') for line in stream.lines())


def test_text_is_aligned() -> None:
    """Catches decisions whose columns move with the length of the label."""
    stream = _Stream()
    _play(make_sink("text", stream))
    heard, silent = (line for line in stream.lines() if re.match(r"\d\d:\d\d:\d\d ", line))
    assert heard == "00:00:12  cooking    91 %  █████████▏  ●●○▲   14.2 ms"
    assert silent == "00:00:13  silent                       ●●●●    0.1 ms"
    assert "          ▶ cooking began at 00:00:10" in stream.lines()
    assert "          ■ cooking ended at 00:00:13, after 3.0 s" in stream.lines()
    assert stream.lines()[-1] == "2 decisions, 1 skipped, 0 overruns in 13.0 s"


def test_fast_decisions_show_tenths() -> None:
    stream = _Stream()
    sink = make_sink("text", stream)
    sink.start(Session("b", "1", ("cooking",), "x", {}, 1, 16000, 1.0, 0.5))
    sink.decision(Decision(12.5, "cooking", {"cooking": 1.0}, "ok", ("ok",), 1.0))
    assert stream.lines()[-1].startswith("00:00:12.5  cooking ")


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Catches a UnicodeEncodeError in the locale of a fresh Raspberry Pi."""
    stream = _Stream(encoding="ascii")
    sink = make_sink("text", stream)
    sink.decision(HEARD)
    assert "#########" in stream.lines()[0]
    assert "oox!" in stream.lines()[0]


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_only_where_it_is_wanted(
    terminal: bool, variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = _Stream(terminal=terminal)
    _play(make_sink("text", stream))
    assert any("\x1b[" in line for line in stream.lines()) == coloured


@pytest.mark.parametrize(
    ("fraction", "bar"), [(0.0, ""), (1.0, "██████████"), (0.5, "█████"), (0.0625, "▋"), (7.0, "█" * 10)]
)
def test_bars(fraction: float, bar: str) -> None:
    assert Glyphs(_Stream()).bar(fraction) == bar.ljust(10)


@pytest.mark.parametrize(("duration_s", "explained"), [(9.9, True), (10.0, False), (0.0, False)])
def test_an_input_too_short_for_a_decision_says_so(duration_s: float, explained: bool) -> None:
    """Catches a clip that ends without a decision and without a word why."""
    stream = _Stream()
    sink = make_sink("text", stream)
    sink.start(SESSION)
    sink.stats(Stats(decisions=0, skipped=0, overruns=0, lost_s=0.0, duration_s=duration_s))
    assert ("which takes 10 s; asc-edge classify" in stream.lines()[-1]) == explained
