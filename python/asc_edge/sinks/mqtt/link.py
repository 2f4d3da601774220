"""Keeps a connection to the broker: tries again for ever, and says so once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asc_edge.errors import ConfigError
from asc_edge.mqtt.connection import Received, Waker

__all__ = ["Line", "Link"]

# A broker that is back is found within this and one attempt.
FIRST_RETRY_S, RETRY_S = 0.5, 2.0
# Who refuses us won't change its mind soon, and may count attempts.
REFUSED_RETRY_S = 30.0
# A connection that lasts no longer, so often in a row, is somebody else's fault.
STABLE_S, SHORT_ONES = 10.0, 3


class Line(Protocol):
    """What the link needs of a :class:`asc_edge.mqtt.connection.Connection`."""

    up: bool
    closed: str
    refused: bool
    received: list[Received]
    acknowledged: list[int]

    @property
    def congested(self) -> bool: ...

    def subscribe(self, topic: str) -> None: ...

    def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> int: ...

    def poll(self, timeout_s: float, waker: Waker) -> None: ...

    def close(self, reason: str, *, goodbye: bool = False) -> None: ...


class Link:
    """Dials, waits and dials again, in the thread that calls :meth:`step`.

    Parameters
    ----------
    dial : callable
        Begins a connection, or raises OSError, UnicodeError or ConfigError.
    where : str
        The broker, for messages.
    report : callable
        Told once when there is no connection, and once when it is back. Of an outage that turns into a
        refusal it is told again, since only people can end that.
    clock : callable
    """

    def __init__(
        self,
        dial: Callable[[], Line],
        where: str,
        report: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._dial = dial
        self._where = where
        self._report = report
        self._clock = clock
        self._connection: Line | None = None
        self._up_since_s: float | None = None
        self._next_try_s = clock()
        self._failures = 0
        self._said: set[str] = set()
        self._short = 0

    @property
    def connection(self) -> Line | None:
        """The connection, when it is up."""
        return self._connection if self._connection is not None and self._connection.up else None

    def step(self, patience_s: float, waker: Waker) -> bool:
        """Do what is due, or wait for something to do, at most so many seconds or until the waker says so.

        Returns
        -------
        bool
            Whether the connection has just come up.
        """
        if self._connection is None:
            wait_s = self._next_try_s - self._clock()
            if wait_s > 0:
                waker.wait(min(wait_s, patience_s))
                return False
            try:
                self._connection = self._dial()
            except (OSError, UnicodeError, ConfigError) as error:
                self._failed(getattr(error, "strerror", None) or str(error) or type(error).__name__)
                return False
        self._connection.poll(patience_s, waker)
        if self._connection.closed:
            self._failed(self._connection.closed, refused=self._connection.refused)
            return False
        if self._up_since_s is None and self._connection.up:
            self._came_up()
            return True
        if self._up_since_s is not None and self._clock() - self._up_since_s >= STABLE_S:
            self._holds()
        return False

    def drop(self, reason: str, *, goodbye: bool = False) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close(reason, goodbye=goodbye)

    def _came_up(self) -> None:
        self._up_since_s = self._clock()
        self._failures = 0
        if self._short < SHORT_ONES:
            self._say_back()

    def _holds(self) -> None:
        self._short = 0
        self._say_back()

    def _say_back(self) -> None:
        if self._said:
            self._said.clear()
            self._report(f"mqtt: connected to {self._where}")

    def _failed(self, reason: str, *, refused: bool = False) -> None:
        up_since_s, self._up_since_s = self._up_since_s, None
        self._connection = None
        if up_since_s is not None:
            self._short = self._short + 1 if self._clock() - up_since_s < STABLE_S else 0
        delay_s = FIRST_RETRY_S if self._failures == 0 else RETRY_S
        self._failures += 1
        if refused or self._short >= SHORT_ONES:
            delay_s = REFUSED_RETRY_S
        self._next_try_s = self._clock() + delay_s
        if refused:
            self._say("refused", f"{self._where} refuses: {reason}; trying again every {delay_s:g} s")
        elif self._short >= SHORT_ONES:
            self._say(
                "short",
                f"{self._where} drops every connection within seconds ({reason}); "
                "is another asc-edge running for this room? trying on",
            )
        elif not self._said:
            lost = "connection lost to" if up_since_s is not None else "no connection to"
            self._say("lost", f"{lost} {self._where} ({reason}); trying on")

    def _say(self, kind: str, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._report(f"mqtt: {text}")
