"""The log of a service: in which form it is written, and how many lines an outage is worth."""

from __future__ import annotations

import io
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asc_edge.events import Event
from asc_edge.sinks import Notice, Session, Stats
from asc_edge.sinks.journal import JournalSink, Log, choose_form

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SESSION = Session("home", "2", ("a",), "the array", {"kind": "device"}, 4, 16000, 5.0, 1.0, STARTED)


class Journal:
    """Listens at a socket as systemd-journald does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def entries(self) -> list[dict[str, str]]:
        """What has come, by field."""
        found = []
        while True:
            try:
                data = self.socket.recv(65536).decode()
            except BlockingIOError:
                return found
            assert data.endswith("\n")
            pairs = [line.split("=", 1) for line in data.splitlines()]
            assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", key) for key, _ in pairs)
            found.append(dict(pairs))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "j")
    yield journal
    journal.socket.close()


# Catches: JSON for a journal that isn't there, after standard error was led into a file.
def test_the_form_is_that_of_where_standard_error_ends(tmp_path: Path) -> None:
    socket_path, none = tmp_path / "socket", tmp_path / "none"
    socket_path.touch()
    with (tmp_path / "stream").open("w") as stream, (tmp_path / "other").open("w") as other:
        status = os.fstat(stream.fileno())
        here = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}", "NOTIFY_SOCKET": "/x"}
        assert choose_form("auto", here, stream, socket_path) == "journal"
        assert choose_form("auto", here, stream, none) == "prefix"
        assert choose_form("auto", here, other, socket_path) == "plain"
        assert choose_form("auto", here, io.StringIO(), socket_path) == "plain"
        assert choose_form("auto", {"NOTIFY_SOCKET": "/x"}, stream, socket_path) == "prefix"
        assert choose_form("auto", {}, stream, socket_path) == "plain"
        for wanted in ("journal", "prefix", "plain"):
            assert choose_form(wanted, here, stream, none) == wanted


# Catches: a field that breaks the protocol: a newline in it would begin another one.
def test_the_journal_gets_fields(journal: Journal) -> None:
    stream = io.StringIO()
    log = Log("journal", stream, journal.path)
    log.warning("line one\nPRIORITY=0", kind="x", source="a\nb")
    log.info("tüte")
    assert journal.entries() == [
        {
            "MESSAGE": "line one PRIORITY=0",
            "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": "asc-edge",
            "ASC_EDGE_KIND": "x",
            "ASC_EDGE_SOURCE": "a b",
        },
        {"MESSAGE": "tüte", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "asc-edge"},
    ]
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("form", "head"), [("prefix", "<4>"), ("plain", "asc-edge: ")])
def test_lines_for_others(form: str, head: str) -> None:
    stream = io.StringIO()
    Log(form, stream).warning("the \x1b[31mdisk\nis full")
    assert stream.getvalue() == f"{head}the ?[31mdisk is full\n"


def test_a_log_that_can_not_be_written_stops_nobody(tmp_path: Path) -> None:
    """Catches a listener that ends because the journal does."""
    stream = io.StringIO()
    Log("journal", stream, tmp_path / "none").warning("x")
    assert stream.getvalue() == "<4>x\n"
    stream.close()
    Log("plain", stream).warning("x")


# Catches: a line for each of a hundred tries to open a microphone that is gone, and none when it is back.
def test_one_line_when_lost_and_one_when_back(journal: Journal) -> None:
    sink = JournalSink(Log("journal", io.StringIO(), journal.path))
    sink.start(SESSION)
    for t_s in (1.0, 2.0, 3.0):
        sink.notice(Notice("input_lost", t_s, f"gone at {t_s}", {"id": "usb", "bad key!": 1, "text": "t"}))
    for t_s in (4.0, 5.0):
        sink.notice(Notice("input_back", t_s, f"back at {t_s}"))
    sink.notice(Notice("input_lost", 6.0, "gone again"))
    sink.notice(Notice("channels", 7.0, "channel 2 is dead"))
    sink.notice(Notice("channels", 8.0, "channel 3 is dead"))
    sink.stats(Stats(5, 0, 0, 0.0, 9.0))
    entries = journal.entries()
    assert [one["MESSAGE"] for one in entries] == [
        "listening to the array with home 2",
        *("gone at 1.0", "back at 4.0", "gone again", "channel 2 is dead", "channel 3 is dead"),
        "stopped: 5 decisions, 0 skipped, 0 overruns",
    ]
    assert entries[1]["ASC_EDGE_KIND"] == "input_lost"
    assert (entries[1]["ASC_EDGE_ID"], entries[1]["ASC_EDGE_TEXT"]) == ("usb", "t")
    assert [one["PRIORITY"] for one in entries] == ["6", "4", "4", "4", "4", "4", "6"]


# Catches: the news that a microphone is back swallowed, where it had been waited for before the start.
def test_back_without_lost_is_told() -> None:
    stream = io.StringIO()
    sink = JournalSink(Log("plain", stream))
    sink.notice(Notice("input_back", 0.0, "here it is"))
    assert stream.getvalue() == "asc-edge: here it is\n"


# Catches: a diary of the home that nobody asked for.
def test_activities_only_where_asked_for(journal: Journal) -> None:
    events = [Event("cooking", 60.0), Event("cooking", 60.0, 90.0)]
    for activities in (False, True):
        sink = JournalSink(Log("journal", io.StringIO(), journal.path), activities=activities)
        sink.start(SESSION)
        for event in events:
            sink.event(event)
    entries = journal.entries()
    assert [one["ASC_EDGE_KIND"] for one in entries] == ["start", "start", "event", "event"]
    assert entries[2]["ASC_EDGE_ACTIVITY"] == "cooking"
    times = [datetime.fromisoformat(one["ASC_EDGE_TIME"]) for one in entries[2:]]
    assert [(time - STARTED).total_seconds() for time in times] == [60.0, 90.0]
    assert "cooking ended at " in entries[3]["MESSAGE"]
