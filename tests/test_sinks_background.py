"""A sink's own thread: what it may lose, what it may not, and that nobody waits for it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats
from asc_edge.sinks.background import BackgroundSink

SESSION = Session("b", "1", ("a",), "s", {}, 1, 16000, 1.0, 1.0)
STATS = Stats(1, 0, 0, 0.0, 1.0)


def decision(t_s: float) -> Decision:
    return Decision(t_s, "a", {"a": 1.0}, "ok", ("ok",), 0.1)


class Slow:
    """Keeps what it gets, but only while the gate is open; fails where it is told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.got: list[tuple[str, Any]] = []
        self.fails = 0

    def _take(self, kind: str, line: Any) -> None:
        self.gate.wait(30)
        if self.fails:
            self.fails -= 1
            raise OSError("the disk is full")
        self.got.append((kind, line))

    def start(self, line: Session) -> None:
        self._take("start", line)

    def decision(self, line: Decision) -> None:
        self._take("decision", line)

    def event(self, line: Event) -> None:
        self._take("event", line)

    def notice(self, line: Notice) -> None:
        self._take("notice", line)

    def stats(self, line: Stats) -> None:
        self._take("stats", line)


# Catches: a listener that waits for its sinks, an unbounded queue, the newest given up for the oldest.
def test_the_oldest_decisions_make_room_and_nobody_waits() -> None:
    slow, said = Slow(), []
    sink = BackgroundSink(slow, "slow", said.append, queue_length=5)
    sink.start(SESSION)
    sink.event(Event("a", 1.0))
    started = time.monotonic()
    for t_s in range(100):
        sink.decision(decision(float(t_s)))
    assert time.monotonic() - started < 1.0
    slow.gate.set()
    sink.stats(STATS)
    assert slow.got[0] == ("start", SESSION)
    assert slow.got[-1] == ("stats", STATS)
    assert ("event", Event("a", 1.0)) in slow.got
    kept = [line.t_s for kind, line in slow.got if kind == "decision"]
    assert kept == sorted(kept)
    assert kept[-1] == 99.0
    assert sink.dropped == 100 - len(kept) > 90
    assert said == []


# Catches: a thread that dies of one error, an error that is said a thousand times, or never.
def test_errors_are_said_once_and_survived() -> None:
    slow, said = Slow(), []
    slow.gate.set()
    sink = BackgroundSink(slow, "history", said.append)
    sink.start(SESSION)
    while not slow.got:
        time.sleep(0.001)
    slow.fails = 3
    for t_s in range(5):
        sink.decision(decision(float(t_s)))
    sink.stats(STATS)
    assert said == ["history: the disk is full"]
    assert [line.t_s for kind, line in slow.got if kind == "decision"] == [3.0, 4.0]


# Catches: an end that waits forever for a sink that hangs.
def test_a_sink_that_hangs_does_not_hold_up_the_end() -> None:
    slow, said = Slow(), []
    sink = BackgroundSink(slow, "broker", said.append, close_timeout_s=0.2)
    sink.start(SESSION)
    sink.decision(decision(1.0))
    started = time.monotonic()
    sink.stats(STATS)
    assert 0.15 < time.monotonic() - started < 5.0
    assert said == ["broker: did not end in 0.2 s; 2 lines are lost"]
    slow.gate.set()


@pytest.mark.parametrize("length", [2, 3])
def test_the_start_is_never_given_up(length: int) -> None:
    slow = Slow()
    sink = BackgroundSink(slow, "slow", print, queue_length=length)
    sink.start(SESSION)
    for t_s in range(10):
        sink.event(Event("a", float(t_s)))
    slow.gate.set()
    sink.stats(STATS)
    assert slow.got[0] == ("start", SESSION)
    assert slow.got[-1] == ("stats", STATS)
