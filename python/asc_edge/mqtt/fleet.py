"""All rooms that report to a broker, as its retained messages tell them. There is no server of ours in it."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from asc_edge.errors import BrokerError
from asc_edge.mqtt.connection import Broker, Connection, Received, Waker

__all__ = ["RoomStatus", "Roster", "collect", "follow"]

# After the last message; a broker sends all retained ones at once.
QUIET_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStatus:
    """What is known of one room.

    Attributes
    ----------
    node, room : str
    state : {"online", "stale", "offline"}
        ``stale``: connected, but without news for longer than it promised.
    activity : str
    since, last_seen : str
        ISO 8601, UTC; empty when unknown. The last word of the room itself: its clock is the node's.
    version, bundle : str
        Of asc-edge, and what it decides with.
    health : str
        ``ok``, or what is wrong with its microphones.
    skipped : int or None
        Decisions given up to keep up with the microphone.
    temperature_c : float or None
    """

    node: str
    room: str
    state: Literal["online", "stale", "offline"]
    activity: str = ""
    since: str = ""
    last_seen: str = ""
    version: str = ""
    bundle: str = ""
    health: str = ""
    skipped: int | None = None
    temperature_c: float | None = None


class Roster:
    """Rooms by what was heard of them.

    Parameters
    ----------
    topic_prefix : str
    """

    def __init__(self, topic_prefix: str) -> None:
        self._prefix = f"{topic_prefix}/"
        self._rooms: dict[tuple[str, str], dict[str, str]] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return f"{self._prefix}+/+/status", f"{self._prefix}+/+/availability"

    def take(self, message: Received) -> None:
        """Take a message in; an empty one forgets. What isn't a room's is passed over."""
        levels = message.topic.removeprefix(self._prefix).split("/")
        if not message.topic.startswith(self._prefix) or len(levels) != 3:
            return
        node, room, what = levels
        said = self._rooms.setdefault((node, room), {})
        if message.payload:
            said[what] = message.payload
        else:
            said.pop(what, None)
        if not said:
            del self._rooms[node, room]

    def rooms(self, now: datetime) -> list[RoomStatus]:
        """Every room, ordered by node and room."""
        return [_room(node, room, said, now) for (node, room), said in sorted(self._rooms.items())]


def collect(broker: Broker, wait_s: float, clock: Callable[[], float] = time.monotonic) -> Roster:
    """Read what a broker keeps of all rooms.

    Parameters
    ----------
    broker : Broker
    wait_s : float
        How long this may take at most, once connected.

    Raises
    ------
    BrokerError
    ConfigError
        When the password can't be read.
    """
    roster = Roster(broker.settings.topic_prefix)
    waker = Waker()
    try:
        connection = _connect(broker, roster, waker)
        last_s = clock()
        deadline_s = last_s + wait_s
        while (now_s := clock()) < min(deadline_s, last_s + QUIET_S):
            if _poll(connection, roster, min(0.1, deadline_s - now_s), waker, broker):
                last_s = clock()
        connection.close("read", goodbye=True)
    finally:
        waker.close()
    return roster


def follow(
    broker: Broker, interval_s: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[Roster]:
    """Read on for ever, and give the rooms at this interval.

    Raises
    ------
    BrokerError
        When the connection can't be made, or is lost.
    """
    roster = Roster(broker.settings.topic_prefix)
    waker = Waker()
    try:
        connection = _connect(broker, roster, waker)
        try:
            next_s = clock() + QUIET_S
            while True:
                while (left_s := next_s - clock()) > 0:
                    _poll(connection, roster, left_s, waker, broker)
                yield roster
                next_s = clock() + interval_s
        finally:
            connection.close("read", goodbye=True)
    finally:
        waker.close()


def _connect(broker: Broker, roster: Roster, waker: Waker) -> Connection:
    try:
        # Not a name that a runner could have: a broker knows only one of each.
        connection = broker.connect(f"asc-edge-fleet-{os.getpid()}-{secrets.token_hex(3)}")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BrokerError(
            f"no MQTT broker answers at {broker.settings.address}: {reason}; check --host and --port"
        ) from None
    while not connection.up:
        _poll(connection, roster, 0.1, waker, broker)
    for topic in roster.topics:
        connection.subscribe(topic)
    return connection


def _poll(connection: Connection, roster: Roster, timeout_s: float, waker: Waker, broker: Broker) -> bool:
    """Wait for messages and take them in; whether there were any."""
    connection.poll(timeout_s, waker)
    received, connection.received = connection.received, []
    for message in received:
        roster.take(message)
    if connection.closed:
        verb = "refuses" if connection.refused else "is gone"
        raise BrokerError(f"the MQTT broker at {broker.settings.address} {verb}: {connection.closed}")
    return bool(received)


def _room(node: str, room: str, said: dict[str, str], now: datetime) -> RoomStatus:
    try:
        fields = json.loads(said.get("status", "{}"))
    except ValueError:
        fields = {}
    if not isinstance(fields, dict):
        fields = {}
    seen = _moment(fields.get("time"))
    patience_s = _number(fields.get("expire_after_s"))
    state: Literal["online", "stale", "offline"] = "online"
    if said.get("availability") != "online":
        state = "offline"
    elif seen is None or patience_s is None or (now - seen).total_seconds() > patience_s:
        state = "stale"
    skipped = _number(fields.get("skipped"))
    return RoomStatus(
        node=node,
        room=room,
        state=state,
        activity=_text(fields.get("activity")),
        since=_text(fields.get("since")) if _moment(fields.get("since")) else "",
        last_seen=_text(fields.get("time")) if seen else "",
        version=_text(fields.get("version")),
        bundle=_text(fields.get("bundle")),
        health=_health(fields),
        skipped=None if skipped is None else int(skipped),
        temperature_c=_number(fields.get("temperature_c")),
    )


def _health(fields: dict[str, Any]) -> str:
    problem = _text(fields.get("problem"))
    microphones = fields.get("microphones")
    if problem or not isinstance(microphones, dict):
        return problem
    working, of = _number(microphones.get("working")), _number(microphones.get("of"))
    if working is None or of is None:
        return ""
    return "ok" if working == of else f"{working:.0f} of {of:.0f} microphones work"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return float(value) if number else None  # type: ignore[arg-type]


def _moment(value: object) -> datetime | None:
    """A time that says its zone."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
