"""Talks to systemd: that the service is ready, that it is alive, and what it is doing (``sd_notify``)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

__all__ = ["Notifier"]


class Notifier:
    """Sends ``sd_notify``'s messages. Without a service manager that asked for them it does nothing.

    Parameters
    ----------
    environ : mapping of str to str
        ``NOTIFY_SOCKET`` is a path, or an abstract name behind an ``@``; ``WATCHDOG_USEC`` and
        ``WATCHDOG_PID`` say how often a sign of life is wanted, and of whom.
    clock : callable
        Monotonic seconds; replaceable, so that tests need not wait.

    Notes
    -----
    There is no thread in here. A sign of life is sent from the place that lives, and at no other time:
    whoever hangs sends none, and is started anew.
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock = clock
        self._every_s = _watchdog_s(environ) / 4
        self._next_s = clock()
        self._ready = False
        self._status = ""

    @property
    def is_wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def alive(self) -> None:
        """A sign of life, at most four in the time that the watchdog allows."""
        now_s = self._clock()
        if self._every_s > 0 and now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._send("WATCHDOG=1")

    def ready(self) -> None:
        """The service does what it is there for; only the first call is sent."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """One line about what goes on now; sent when it is another one."""
        text = " ".join(text.split())
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(self._address)
                # The manager may be busy: then it hears the next one. The audio doesn't wait for it.
                sender.setblocking(False)
                sender.sendall(message.encode())
        except OSError:
            # A service manager that is being replaced itself is no reason to stop listening.
            pass


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Seconds between signs of life; 0 where none are wanted of this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return max(0.0, int(environ.get("WATCHDOG_USEC", "0")) / 1e6)
    except ValueError:
        return 0.0
