"""What the broker should know and doesn't yet. Never more than so much, however long the broker is away."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Message", "Outbox"]

EVENTS_KEPT = 1000
# Sent, and not yet confirmed. A broker that is slow holds up the rest.
IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish. A state is kept by the broker (retained); an event is not, and must arrive."""

    topic: str
    payload: str
    is_event: bool = False
    confirm: bool = False


class Outbox:
    """States, of which the newest is all that counts, and events, of which each does.

    Parameters
    ----------
    events_kept : int
        How many events may wait; then the oldest makes room.

    Attributes
    ----------
    dropped : int
        Events that made room.
    """

    def __init__(self, events_kept: int = EVENTS_KEPT) -> None:
        self.dropped = 0
        self._events_kept = events_kept
        self._states: dict[str, str] = {}
        # Topics whose state the broker doesn't have, in the order in which it gets them.
        self._due: dict[str, None] = {}
        self._confirm: set[str] = set()
        self._events: deque[Message] = deque()
        self._in_flight: dict[int, Message] = {}

    def __len__(self) -> int:
        return len(self._due) + len(self._events) + len(self._in_flight)

    @property
    def events(self) -> int:
        """Events that have not arrived for all we know."""
        return len(self._events) + sum(message.is_event for message in self._in_flight.values())

    def state(self, topic: str, payload: str, *, confirm: bool = False) -> None:
        """Set a topic's state; nothing is sent when it is what it was."""
        if self._states.get(topic) != payload:
            self._states[topic] = payload
            self._due[topic] = None
        if confirm:
            self._confirm.add(topic)

    def event(self, topic: str, payload: str) -> None:
        """Add an event."""
        self._events.append(Message(topic, payload, is_event=True, confirm=True))
        self._shorten()

    def refresh(self, topics: list[str] | None = None) -> None:
        """Send these states again, or all of them in the order in which they first were set."""
        for topic in self._states if topics is None else topics:
            if topic in self._states:
                self._due[topic] = None

    def next(self) -> Message | None:
        """Take the next message; states first."""
        if self._due:
            topic = next(iter(self._due))
            del self._due[topic]
            return Message(topic, self._states[topic], confirm=topic in self._confirm)
        if self._events and len(self._in_flight) < IN_FLIGHT:
            return self._events.popleft()
        return None

    def sent(self, number: int, message: Message) -> None:
        """The message has gone; where it must be confirmed, keep it until then."""
        if message.confirm:
            self._in_flight[number] = message

    def confirmed(self, number: int) -> None:
        self._in_flight.pop(number, None)

    def lost(self) -> None:
        """The connection is gone: what was not confirmed must be sent again, and every state, too.

        The broker may have got an event whose confirmation was lost: then it comes twice, with the same id.
        """
        again = [message for message in self._in_flight.values() if message.is_event]
        self._in_flight.clear()
        self._events.extendleft(reversed(again))
        self._shorten()
        self._due.clear()
        self.refresh()

    def _shorten(self) -> None:
        while len(self._events) > self._events_kept:
            self._events.popleft()
            self.dropped += 1
