"""Those who look on, each with a short queue: who doesn't keep up is let go, and nobody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from asc_edge.web.board import Fields

__all__ = ["Hub", "Viewer", "server_sent_event"]

MAX_VIEWERS = 16
# About ten seconds of what happens: a sleepy network is forgiven, a page that never reads is not.
QUEUE_LENGTH = 32
# How long a browser waits before it comes back, in ms.
RETRY_MS = 2000


def server_sent_event(name: str, fields: Fields) -> bytes:
    """One event of a ``text/event-stream`` (WHATWG HTML, server-sent events)."""
    data = json.dumps(fields, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\nretry: {RETRY_MS}\ndata: {data}\n\n".encode()


class Viewer:
    """One who looks on.

    Parameters
    ----------
    cut : callable
        Closes the connection, whatever still waits in it.
    """

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut = cut
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_LENGTH)

    def give(self, text: bytes) -> bool:
        """Queue an event; False where there is no room, which is the end of it."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self._cut()
            return False
        return True

    def finish(self) -> None:
        """Let it read what waits, and then end."""
        try:
            self._queue.put_nowait(None)
        except asyncio.QueueFull:
            self._cut()

    async def next(self, timeout_s: float) -> bytes | None:
        """The next event; None at the end, and a comment when nothing has happened for so long."""
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_s)
        except TimeoutError:
            return b": still here\n\n"


class Hub:
    """All who look on; used by the server's thread alone.

    Attributes
    ----------
    let_go : int
        How many were too slow.
    """

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._closed = False
        self.let_go = 0

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def full(self) -> bool:
        """Whether nobody else may join."""
        return self._closed or len(self._viewers) >= MAX_VIEWERS

    def join(self, viewer: Viewer) -> None:
        """Tell this one, too, from now on."""
        self._viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Tell this one no more."""
        self._viewers.discard(viewer)

    def publish(self, name: str, fields: Fields) -> None:
        """Tell all."""
        if not self._viewers:
            return
        text = server_sent_event(name, fields)
        slow = {viewer for viewer in self._viewers if not viewer.give(text)}
        self._viewers -= slow
        self.let_go += len(slow)

    def close(self) -> None:
        """End all, after what waits for them; nobody may join any more."""
        self._closed = True
        for viewer in self._viewers:
            viewer.finish()
