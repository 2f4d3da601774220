"""The page's server: what is answered, and that nobody who looks holds anything up."""

from __future__ import annotations

import socket
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from asc_edge.bundle import Bundle
from asc_edge.errors import WebError
from asc_edge.events import Event
from asc_edge.monitor import Monitor
from asc_edge.pipeline import Pipeline
from asc_edge.sinks import utc_now
from asc_edge.web import WebSettings, open_web
from asc_edge.web.board import Board
from asc_edge.web.guard import Guard
from asc_edge.web.history import PastActivity
from asc_edge.web.hub import MAX_VIEWERS, QUEUE_LENGTH
from asc_edge.web.server import QUEUE_LENGTH as WAITING
from asc_edge.web.server import Server
from test_monitor import ScriptedSource
from web_pages import STATS, EventStream, a_decision, a_glimpse, a_session, ask, port_of, served

from tiny_system import LABELS as BANDS
from tiny_system import band_noise


def test_what_is_told_is_answered_and_streamed() -> None:
    # Catches endpoints and streams that disagree, and a page that starts empty beside a running session.
    with served(configuration={"mqtt": {"password": "hunter2"}}) as sink:
        sink.decision(a_decision(5.0))
        sink.event(Event("cooking", 5.0))
        sink.glimpse(a_glimpse(5.0))
        stream = EventStream(sink)
        assert stream.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        hello = stream.until("hello")
        assert hello["session"]["source"] == "scripted kitchen"
        assert (hello["input"], hello["activity"]["activity"]) == ("ok", "cooking")
        assert len(hello["picture"]) == 1
        sink.decision(a_decision(6.0, "working"))
        assert stream.until("decision")["top"] == "working"
        assert ask(sink, "/api/state")[2]["decision"]["top"] == "working"
        assert ask(sink, "/api/timeline")[2]["events"][0]["activity"] == "cooking"
        health = ask(sink, "/api/health")[2]
        assert (health["decisions"], health["viewers"], health["input"]) == (2, 1, "ok")
        assert ask(sink, "/api/configuration")[2] == {"mqtt": {"password": "(hidden)"}}
        assert len(ask(sink, "/api/colours")[2]["magma"]) == 1024
        stream.close()


def test_a_taken_port_is_one_line() -> None:
    # Catches a stack of calls, and a session that begins without the page that was asked for.
    with served() as sink, pytest.raises(WebError) as caught:
        open_web(WebSettings(port=port_of(sink)), print)
    assert str(caught.value).startswith(
        f"the web page can't have 127.0.0.1 port {port_of(sink)}: address already"
    )
    assert "\n" not in str(caught.value)


def test_without_tornado_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tornado", None)
    with pytest.raises(WebError, match=r"pip install 'asc-edge\[web\]'"):
        open_web(WebSettings(), print)


class Past:
    """A history with one activity a day, which remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime, str]] = []
        self.broken = False

    def events_between(self, start: datetime, end: datetime) -> list[PastActivity]:
        self.asked.append((start, end, threading.current_thread().name))
        if self.broken:
            raise OSError("the card is worn out")
        return [PastActivity("working", start, end)]


def test_other_days_come_from_the_history() -> None:
    # Catches a database that is read in the thread that serves, where it would hold up everybody.
    past = Past()
    with served(history=past) as sink:
        day = ask(sink, "/api/history?day=2026-01-31")[2]
        assert (day["day"], day["today"], day["totals"][0]) == (
            "2026-01-31",
            False,
            {"activity": "working", "seconds": 86400.0},
        )
        for odd in ("yesterday", "2026-13-01", "9999-12-31", "0001-01-01"):
            assert ask(sink, f"/api/history?day={odd}")[0] in (200, 400)
    start, end, thread = past.asked[0]
    assert start.utcoffset() is not None
    assert (end - start).total_seconds() == 86400
    assert thread.startswith("web history")


def test_a_broken_history_leaves_the_rest_alone() -> None:
    past = Past()
    past.broken = True
    complaints: list[str] = []
    sink = open_web(WebSettings(port=0), complaints.append, history=past)
    sink.start(a_session())
    sink.event(Event("cooking", 0.0))
    for _ in range(2):
        assert ask(sink, "/api/timeline")[2]["events"][0]["activity"] == "cooking"
    sink.stats(STATS)
    assert complaints == ["web: the card is worn out"]


def test_a_viewer_that_never_reads_is_let_go() -> None:
    # Catches memory that fills up for a page on a sleeping phone, and audio that waits for it.
    with served() as sink, socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port_of(sink)))
        raw.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reader = EventStream(sink)
        reader.until("hello")
        longest = 0.0
        for number in range(40 * QUEUE_LENGTH):
            before = time.perf_counter()
            sink.glimpse(a_glimpse(float(number), columns=200, bands=64))
            longest = max(longest, time.perf_counter() - before)
            # The other one keeps up.
            assert reader.until("glimpse")["end_s"] == number
            if number % 20 == 0 and ask(sink, "/api/health")[2]["viewers_let_go"]:
                break
        health = ask(sink, "/api/health")[2]
        assert (health["viewers"], health["viewers_let_go"]) == (1, 1)
        reader.close()
    assert longest < 0.2


def test_viewers_are_bounded() -> None:
    # Catches a home network that takes the microphone's processor away.
    with served() as sink:
        streams = [EventStream(sink) for _ in range(MAX_VIEWERS)]
        for stream in streams:
            stream.until("hello")
        refused = EventStream(sink)
        assert (refused.answer.status, refused.answer.headers["Retry-After"]) == (503, "10")
        sink.decision(a_decision(5.0))
        for stream in streams:
            assert stream.until("decision")["t_s"] == 5.0
        streams.pop().close()
        refused.close()
        # The place is free as soon as the server has noticed.
        deadline = time.monotonic() + 5
        while ask(sink, "/api/health")[2]["viewers"] == MAX_VIEWERS and time.monotonic() < deadline:
            pass
        again = EventStream(sink)
        assert again.answer.status == 200
        for stream in (*streams, again):
            stream.close()


def test_the_end_is_told_and_quick() -> None:
    # Catches an end that waits for those who look, the one who never reads included.
    sink = open_web(WebSettings(port=0), print)
    sink.start(a_session())
    port = port_of(sink)
    streams = [EventStream(sink) for _ in range(3)]
    for stream in streams:
        stream.until("hello")
    idle, raw = (socket.create_connection(("127.0.0.1", port)) for _ in range(2))
    raw.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert raw.recv(15).startswith(b"HTTP/1.1 200")
    start = time.monotonic()
    sink.stats(STATS)
    assert time.monotonic() - start < 2.0
    for stream in streams:
        assert stream.until("end")["health"]["input"] == "ended"
        assert stream.next() == ("", None)
        stream.close()
    # The end of the stream is said, and the connection not just cut off.
    raw.settimeout(5)
    said = b""
    while piece := raw.recv(65536):
        said += piece
    raw.close()
    assert said.endswith(b"0\r\n\r\n")
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]


def test_a_page_that_was_never_started_lets_its_port_go() -> None:
    # Catches a port that stays taken when the microphone could not be opened.
    sink = open_web(WebSettings(port=0), print)
    sink.stats(STATS)
    open_web(WebSettings(port=port_of(sink)), print).stats(STATS)


def test_a_server_that_hangs_costs_no_memory() -> None:
    # Catches a queue that grows while the page's thread is stuck, and one that forgets the session.
    guard = Guard("", only_loopback=True, port=0)
    server = Server(("127.0.0.1", 0), Board({}), guard, None, print)
    server.put("start", a_session())
    for number in range(WAITING + 100):
        server.put("decision", a_decision(float(number)))
    assert server.dropped == 101
    server.start()
    state = ask(server, "/api/state")[2]
    server.stop()
    assert state["session"]["bundle"] == "tiny"
    assert state["decision"]["t_s"] == WAITING + 99


def test_what_cannot_be_read_is_reported_once_and_forgotten() -> None:
    # Catches a page that is gone for good after one line that it could not show.
    complaints: list[str] = []
    sink = open_web(WebSettings(port=0), complaints.append)
    sink.start(a_session())
    for _ in range(2):
        sink.decision(None)
    sink.decision(a_decision(7.0))
    assert ask(sink, "/api/state")[2]["decision"]["t_s"] == 7.0
    sink.stats(STATS)
    (complaint,) = complaints
    assert complaint.startswith("web: ")


def test_a_monitor_feeds_it(tiny_bundle: Path) -> None:
    # Catches a page that is never given the sound that it should show.
    samples = band_noise("mid", 6.0)
    stereo = samples[:, None].repeat(2, axis=1)
    source = ScriptedSource([stereo[start : start + 1600] for start in range(0, len(stereo), 1600)])
    sink = open_web(WebSettings(port=0), print)
    seen: dict[str, Any] = {}

    class Last:
        """After the page in the order of sinks: looks at what it has, before the end."""

        def start(self, session: Any) -> None:
            pass

        decision = event = notice = start

        def stats(self, stats: Any) -> None:
            seen.update(ask(sink, "/api/state")[2])
            stream = EventStream(sink)
            seen["picture"] = stream.until("hello")["picture"]
            stream.close()

    Monitor(source, Pipeline(Bundle.open(tiny_bundle), channels=2), [Last(), sink]).run()
    assert seen["session"]["labels"] == list(BANDS)
    assert seen["activity"]["activity"] == "mid"
    assert seen["decision"]["top"] == "mid"
    assert [channel["status"] for channel in seen["channels"]] == ["ok", "ok"]
    assert len(seen["picture"]) == 11
    assert datetime.fromisoformat(seen["session"]["started"]) <= utc_now()
