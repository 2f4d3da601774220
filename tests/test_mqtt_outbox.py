"""What waits for the broker, and how long the link tries: no network, and a clock that is told the time."""

from __future__ import annotations

from asc_edge.mqtt.connection import Received
from asc_edge.sinks.mqtt.link import Link
from asc_edge.sinks.mqtt.outbox import IN_FLIGHT, Message, Outbox


def taken(outbox: Outbox) -> list[str]:
    """Take and send all that may go now."""
    payloads = []
    while (message := outbox.next()) is not None:
        outbox.sent(len(payloads) + 1, message)
        payloads.append(message.payload)
    return payloads


# Catches: states that pile up while nobody takes them, and an older one that is sent behind a newer.
def test_the_newest_state_wins() -> None:
    outbox = Outbox()
    for number in range(100_000):
        outbox.state("activity", str(number))
        outbox.state("presence", "ON")
    assert len(outbox) == 2
    assert taken(outbox) == ["99999", "ON"]
    outbox.state("presence", "ON")
    assert taken(outbox) == []


# Catches: an outage that fills the memory with events, or drops the newest, or doesn't count.
def test_events_are_bounded_and_the_oldest_makes_room() -> None:
    outbox = Outbox(events_kept=10)
    for number in range(25):
        outbox.event("event", str(number))
    assert (outbox.events, outbox.dropped) == (10, 15)
    assert outbox.next() == Message("event", "15", is_event=True, confirm=True)


# Catches: a slow broker that is sent everything at once.
def test_no_more_is_under_way_than_can_be_confirmed() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.event("event", str(number))
    assert len(taken(outbox)) == IN_FLIGHT
    outbox.confirmed(1)
    assert taken(outbox) == [str(IN_FLIGHT)]


# Catches: an event that is lost with its connection, sent twice after it was confirmed, or out of order.
def test_what_was_not_confirmed_is_sent_again_in_order() -> None:
    outbox = Outbox()
    outbox.state("activity", "cooking")
    outbox.state("availability", "online", confirm=True)
    for number in range(4):
        outbox.event("event", str(number))
    assert taken(outbox) == ["cooking", "online", "0", "1", "2", "3"]
    outbox.confirmed(3)
    outbox.lost()
    assert outbox.events == 3
    assert taken(outbox) == ["cooking", "online", "1", "2", "3"]


class Clock:
    """Time passes when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, timeout_s: float, *_others: object) -> list[object]:
        self.now_s += timeout_s
        return []


class Line:
    """A connection that comes up at the first poll, and is over when it is told so."""

    def __init__(self, clock: Clock, closed: str = "", *, refused: bool = False) -> None:
        self.up = False
        self.closed = ""
        self.refused = refused
        self.congested = False
        self.received: list[Received] = []
        self.acknowledged: list[int] = []
        self._clock = clock
        self._ends_with = closed

    def poll(self, timeout_s: float, _waker: object) -> None:
        self._clock.wait(timeout_s if self.up else 0.01)
        self.closed = self._ends_with
        self.up = not self.closed

    def end(self, reason: str) -> None:
        self._ends_with = reason


class Town:
    """A link, a clock, and a broker that is there or not."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        self.answer: Line | Exception | None = None
        self.attempts = 0
        self.link = Link(self._dial, "broker:1883", self.said.append, self.clock)  # type: ignore[arg-type]

    def _dial(self) -> Line:
        self.attempts += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or Line(self.clock)

    def live(self, seconds: float) -> int:
        """Let time pass; how often the connection came up."""
        until_s = self.clock.now_s + seconds
        ups = 0
        while self.clock.now_s < until_s:
            ups += self.link.step(1.0, self.clock)  # type: ignore[arg-type]
        return ups


# Catches: a line a second in the log for a night without a broker, and silence when it matters.
def test_an_hour_without_a_broker_is_two_lines() -> None:
    town = Town()
    assert town.live(100) == 1
    assert town.said == []
    assert town.link.connection is not None
    town.link.connection.end("connection lost")  # type: ignore[attr-defined]
    town.answer = OSError(111, "Connection refused")
    assert town.live(3600) == 0
    assert town.link.connection is None
    assert town.said == ["mqtt: connection lost to broker:1883 (connection lost); trying on"]
    # Not so often that it costs anything, and often enough to be back within five seconds.
    assert 3600 / 4 < town.attempts < 3600
    town.answer = None
    assert town.live(5) == 1
    town.live(100)
    assert town.said[1:] == ["mqtt: connected to broker:1883"]


# Catches: a first connection that fails and is never tried again, or is not told of.
def test_a_broker_that_is_not_there_yet() -> None:
    town = Town()
    town.answer = TimeoutError()
    town.live(60)
    assert town.said == ["mqtt: no connection to broker:1883 (TimeoutError); trying on"]
    town.answer = None
    assert town.live(5) == 1
    assert len(town.said) == 2


# Catches: a wrong password that is tried twice a second until the broker locks the door.
def test_who_is_refused_tries_slowly() -> None:
    town = Town()
    town.answer = Line(town.clock, "Not authorized", refused=True)
    town.live(3600)
    assert town.said == ["mqtt: broker:1883 refuses: Not authorized; trying again every 30 s"]
    assert 100 <= town.attempts <= 125
    town.answer = None
    town.live(31)
    assert town.said[1:] == ["mqtt: connected to broker:1883"]


# Catches: two runners of one room that throw each other out all day, with two lines each time.
def test_connections_that_never_last_are_told_of_once() -> None:
    town = Town()
    for _ in range(200):
        town.live(1)
        if town.link.connection is not None:
            town.link.connection.end("connection lost")  # type: ignore[attr-defined]
    assert [line for line in town.said if "another asc-edge" in line] == town.said[-1:]
    assert len(town.said) <= 6
    before = len(town.said)
    assert town.live(31) == 1
    town.live(20)
    assert town.said[before:] == ["mqtt: connected to broker:1883"]
