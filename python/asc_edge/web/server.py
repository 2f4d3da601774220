"""The page's HTTP server, in a thread of its own, and the short queue between it and the audio."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from asc_edge.errors import WebError
from asc_edge.web.board import Board
from asc_edge.web.guard import Guard
from asc_edge.web.handlers import Services, application
from asc_edge.web.history import History, PastActivity
from asc_edge.web.hub import Hub

__all__ = ["Server"]

# What may wait for this thread: some minutes of decisions. The oldest makes room.
QUEUE_LENGTH = 600
MAX_CONNECTIONS = 64
HEALTH_EVERY_S = 5.0
# After this those who still read are cut off.
GOODBYE_S = 1.0
CLOSE_TIMEOUT_S = 2.0

# What strangers send that is no HTTP is not worth a line; our own errors are reported.
logging.getLogger("tornado").addHandler(logging.NullHandler())


class _BoundedServer(HTTPServer):
    """Refuses connections over a bound: each one costs a file descriptor that the microphone may need."""

    def handle_stream(self, stream: IOStream, address: tuple[object, ...]) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            stream.close()
            return
        super().handle_stream(stream, address)


class Server:
    """Serves until it is stopped.

    Parameters
    ----------
    address : tuple of str and int
        Host and port. Taken at once, so that a taken address is an error before anything is heard.
    board : Board
    guard : Guard
    history : History or None
    report : callable
        Told of what goes wrong.

    Attributes
    ----------
    url : str
    dropped : int
        Lines that made room before this thread could take them.

    Raises
    ------
    WebError
        When the address can't be taken.
    """

    def __init__(
        self,
        address: tuple[str, int],
        board: Board,
        guard: Guard,
        history: History | None,
        report: Callable[[str], None],
    ) -> None:
        host, port = address
        self._socket = _bound(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}/"
        self._board = board
        self._history = history
        self._report = report
        self._hub = Hub()
        # One at a time is what a history is promised.
        self._reader = ThreadPoolExecutor(1, "web history")
        self._application = application(Services(board, self._hub, guard, self._past, self._say))
        self._waiting: deque[tuple[str, object]] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._over = False
        self._last_error = ""
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def put(self, kind: str, line: object) -> None:
        """Leave a line for the page; never waits."""
        with self._lock:
            if len(self._waiting) >= QUEUE_LENGTH:
                # Never the start, without which nothing that follows can be understood.
                del self._waiting[1 if self._waiting[0][0] == "start" else 0]
                self.dropped += 1
            self._waiting.append((kind, line))
        self._wake()

    def stop(self) -> None:
        """Tell those who look on that it is over, and end within two seconds."""
        self._over = True
        self._wake()
        if self._thread.ident is None:
            self._let_go()
        else:
            self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            self._report(f"web: did not end in {CLOSE_TIMEOUT_S:g} s")

    def _wake(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._woken.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._say(error)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._socket.close()
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        server = _BoundedServer(
            self._application,
            max_header_size=16384,
            max_body_size=4096,
            idle_connection_timeout=30.0,
            body_timeout=10.0,
        )
        server.add_socket(self._socket)
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._woken.set()
        try:
            await self._work()
        finally:
            with self._lock:
                self._loop = None
        self._take_all()
        self._hub.close()
        server.stop()
        try:
            async with asyncio.timeout(GOODBYE_S):
                while self._hub:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        try:
            async with asyncio.timeout(GOODBYE_S / 4):
                await server.close_all_connections()
        except TimeoutError:
            pass

    async def _work(self) -> None:
        """Tell what is put, and every few seconds how everything is."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._over:
            if loop.time() >= due_s:
                due_s = loop.time() + HEALTH_EVERY_S
                self._tell_health()
            try:
                async with asyncio.timeout_at(due_s):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            self._take_all()

    def _tell_health(self) -> None:
        try:
            self._hub.publish("health", self._board.health())
        except Exception as error:
            self._say(error)

    def _take_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                kind, line = self._waiting.popleft()
            try:
                name, fields = self._board.take(kind, line)
                self._hub.publish(name, fields)
            except Exception as error:  # the page may be wrong for a second, but not for good
                self._say(error)

    async def _past(self, start: datetime, end: datetime) -> list[PastActivity]:
        """What the history knows; nothing where there is none, or where it fails."""
        if self._history is None:
            return []
        try:
            return list(
                await asyncio.get_running_loop().run_in_executor(
                    self._reader, self._history.events_between, start, end
                )
            )
        except Exception as error:
            self._say(error)
            return []

    def _say(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self._last_error:
            self._last_error = text
            self._report(f"web: {text}")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except OSError as error:
        # The number says more than the words, to which Python adds the address once more.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else str(error)
        raise WebError(
            f"the web page can't have {host} port {port}: {reason.lower()}; "
            "end what serves there, or choose another web.port"
        ) from None
    bound.setblocking(False)
    return bound
