"""What the server answers: the page's files, JSON, and the stream of events."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from tornado.httputil import split_host_and_port
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

from asc_edge.colour import colour_names, colour_table
from asc_edge.version import __version__
from asc_edge.web.board import Board
from asc_edge.web.guard import COOKIE_DAYS, HEADERS, Guard
from asc_edge.web.history import PastActivity
from asc_edge.web.hub import MAX_VIEWERS, Hub, Viewer, server_sent_event

__all__ = ["Services", "application"]

STATIC = Path(__file__).parent / "static"
# The system's own table may say anything, and a browser that is told not to guess believes it.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
STILL_HERE_S = 15.0
# Each wrong token costs whoever guesses this much time.
WRONG_TOKEN_S = 0.5


@dataclass(frozen=True)
class Services:
    """What the answers are made of."""

    board: Board
    hub: Hub
    guard: Guard
    past: Callable[[datetime, datetime], Awaitable[list[PastActivity]]]
    say: Callable[[Exception], None]


class _Answer(RequestHandler):
    """Headers, checks and errors of every answer."""

    open_to_all = False

    @property
    def services(self) -> Services:
        return cast(Services, self.settings["services"])

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        guard = self.services.guard
        host, _ = split_host_and_port(self.request.host.lower())
        if not guard.knows_host(host):
            raise HTTPError(HTTPStatus.FORBIDDEN, reason="This name is not the device's")
        if self.request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and (
            self.request.path.startswith("/api/")
        ):
            raise HTTPError(HTTPStatus.FORBIDDEN, reason="Other pages may not ask")
        if not self.open_to_all and not self.may_look():
            raise HTTPError(HTTPStatus.UNAUTHORIZED)

    def may_look(self) -> bool:
        """Whether this request may see the home."""
        guard = self.services.guard
        authorization = self.request.headers.get("Authorization", "")
        return guard.lets_in(authorization, self.get_cookie(guard.cookie_name, "") or "")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        if status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", "10")
        self.finish({"error": self._reason})

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, Exception) and not isinstance(value, HTTPError):
            self.services.say(value)

    def give(self, fields: dict[str, Any] | list[Any]) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(fields, allow_nan=False))


class _Missing(_Answer):
    open_to_all = True

    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(HTTPStatus.NOT_FOUND)


class _File(StaticFileHandler, _Answer):
    """The page itself, in which there is nothing to hide: it must be there to ask for the token."""

    open_to_all = True

    def set_extra_headers(self, path: str) -> None:
        # Kept, but asked for anew each time: a new release's page must not meet an old script.
        self.set_header("Cache-Control", "no-cache")

    def get_content_type(self) -> str:
        assert self.absolute_path is not None
        return _TYPES.get(Path(self.absolute_path).suffix, "application/octet-stream")


class _Door(_Answer):
    """Whether a token is needed; and giving it."""

    open_to_all = True

    def get(self) -> None:
        self.give(
            {
                "version": __version__,
                "token_needed": self.services.guard.wants_token,
                "signed_in": self.may_look(),
            }
        )

    async def post(self) -> None:
        guard = self.services.guard
        # Forms of other pages can't send this type.
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise HTTPError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            token = json.loads(self.request.body)["token"]
        except (ValueError, TypeError, KeyError):
            raise HTTPError(HTTPStatus.BAD_REQUEST) from None
        if not isinstance(token, str) or not guard.knows_token(token.strip()):
            await asyncio.sleep(WRONG_TOKEN_S)
            raise HTTPError(HTTPStatus.UNAUTHORIZED, reason="This is not the token")
        self.set_cookie(
            guard.cookie_name, guard.cookie, expires_days=COOKIE_DAYS, httponly=True, samesite="Strict"
        )
        self.give({"signed_in": True})

    def delete(self) -> None:
        self.clear_cookie(self.services.guard.cookie_name, httponly=True, samesite="Strict")
        self.give({"signed_in": not self.services.guard.wants_token})


class _State(_Answer):
    def get(self) -> None:
        self.give(self.services.board.state())


class _Health(_Answer):
    def get(self) -> None:
        hub = self.services.hub
        self.give({**self.services.board.health(), "viewers": len(hub), "viewers_let_go": hub.let_go})


class _Configuration(_Answer):
    def get(self) -> None:
        self.give(self.services.board.configuration())


class _Colours(_Answer):
    """Colour tables as bytes, red, green and blue of the lowest first, in base 64."""

    open_to_all = True

    def get(self) -> None:
        self.give({name: base64.b64encode(colour_table(name).tobytes()).decode() for name in colour_names()})


class _Timeline(_Answer):
    """Today, or the day that is asked for."""

    async def get(self) -> None:
        board = self.services.board
        asked = self.get_query_argument("day", "")
        try:
            day = board.day(date.fromisoformat(asked)) if asked else board.today()
            start, end = day.start, day.end
        except (ValueError, OverflowError):
            raise HTTPError(HTTPStatus.BAD_REQUEST, reason="Give a day as YYYY-MM-DD") from None
        self.give(board.timeline(day, await self.services.past(start, end)))


class _Events(_Answer):
    """Everything that happens, as it happens."""

    _viewer: Viewer | None = None

    async def get(self) -> None:
        board, hub = self.services.board, self.services.hub
        if hub.full:
            raise HTTPError(
                HTTPStatus.SERVICE_UNAVAILABLE, reason=f"{MAX_VIEWERS} pages are looking on already"
            )
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        viewer = self._viewer = Viewer(self._cut)
        viewer.give(server_sent_event("hello", board.snapshot()))
        hub.join(viewer)
        try:
            while (text := await viewer.next(STILL_HERE_S)) is not None:
                self.write(text)
                await self.flush()
        except StreamClosedError:
            pass
        finally:
            hub.leave(viewer)

    def on_connection_close(self) -> None:
        if self._viewer is not None:
            self._viewer.finish()

    def _cut(self) -> None:
        stream = getattr(self.request.connection, "stream", None)
        if stream is not None:
            stream.close()


def application(services: Services) -> Application:
    """All that is answered, and where."""
    return Application(
        [
            ("/api/session", _Door),
            ("/api/state", _State),
            ("/api/timeline", _Timeline),
            ("/api/history", _Timeline),
            ("/api/health", _Health),
            ("/api/configuration", _Configuration),
            ("/api/colours", _Colours),
            ("/api/events", _Events),
            (r"/()", _File, {"path": STATIC, "default_filename": "index.html"}),
            # The colours that other pages have, too.
            (r"/(activities\.css)", _File, {"path": STATIC.parent.parent}),
            (r"/([a-z]+\.(?:js|css|svg))", _File, {"path": STATIC}),
        ],
        default_handler_class=_Missing,
        # No line for each request: who looked when is nobody's business, and a Pi's card wears out.
        log_function=lambda handler: None,
        services=services,
    )
