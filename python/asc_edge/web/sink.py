"""The page as a sink: whatever it is told waits, for a moment, until the page's own thread takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asc_edge.events import Event
from asc_edge.glimpse import Glimpse
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats
from asc_edge.web.board import Board
from asc_edge.web.guard import Guard
from asc_edge.web.history import History
from asc_edge.web.server import Server
from asc_edge.web.settings import WebSettings, is_loopback, read_token, readable_by_others

__all__ = ["WebSink"]


class WebSink:
    """Serves the page from ``start`` until ``stats``; no call waits for anyone who looks.

    Parameters
    ----------
    settings, report, history, configuration
        See `asc_edge.web.open_web`.

    Attributes
    ----------
    url : str
        Where to look.
    """

    def __init__(
        self,
        settings: WebSettings,
        report: Callable[[str], None],
        *,
        history: History | None,
        configuration: Mapping[str, object],
        board: Board | None = None,
    ) -> None:
        token = read_token(settings.token_file) if settings.token_file else ""
        if token and readable_by_others(settings.token_file):
            report(f"web: every user can read {settings.token_file}: chmod 600 {settings.token_file}")
        guard = Guard(token, only_loopback=is_loopback(settings.host), port=settings.port)
        self._server = Server(
            (settings.host, settings.port), board or Board(configuration), guard, history, report
        )
        self.url = self._server.url

    def start(self, session: Session) -> None:
        self._server.put("start", session)
        self._server.start()

    def decision(self, decision: Decision) -> None:
        self._server.put("decision", decision)

    def event(self, event: Event) -> None:
        self._server.put("event", event)

    def notice(self, notice: Notice) -> None:
        self._server.put("notice", notice)

    def glimpse(self, glimpse: Glimpse) -> None:
        self._server.put("glimpse", glimpse)

    def stats(self, stats: Stats) -> None:
        self._server.put("stats", stats)
        self._server.stop()
