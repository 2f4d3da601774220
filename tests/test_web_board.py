"""What the page is told, without any server: times, days, health, secrets."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from asc_edge.errors import ConfigError
from asc_edge.events import Event
from asc_edge.sinks import Notice, Stats
from asc_edge.web import WebSettings
from asc_edge.web.board import HIDDEN, HIGH_DB, LOW_DB, Board, without_secrets
from asc_edge.web.history import Day, PastActivity, SessionEvents, combined
from asc_edge.web.settings import is_loopback, read_token
from web_pages import a_decision, a_glimpse, a_session, wall

BERLIN = ZoneInfo("Europe/Berlin")
NOON = wall("2026-03-10T11:00:00")


def _board(now: datetime = NOON, **options: Any) -> Board:
    heat = {"temperature_c": 51.4, "throttling": []}
    return Board({}, now=lambda: now, zone=BERLIN, heat=lambda: heat, **options)


def test_times_are_the_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Catches an activity shown at the hour of another time zone, or at the session's seconds.
    board = _board()
    board.take("start", a_session(NOON))
    name, fields = board.take("event", Event("cooking", 60.0))
    assert name == "activity"
    assert fields["activity"] == {"activity": "cooking", "since": "2026-03-10T12:01:00+01:00"}
    assert board.state()["activity"]["activity"] == "cooking"
    assert board.take("event", Event("cooking", 60.0, 120.0))[1]["activity"] is None
    timeline = board.timeline(board.today(), [])
    assert [(one["start"][11:16], one["end"][11:16]) for one in timeline["events"]] == [("12:01", "12:02")]


def test_a_clock_that_is_set_moves_what_goes_on() -> None:
    # Catches an activity since an hour that was never, and one that is listed twice.
    board = _board(NOON + timedelta(hours=3))
    board.take("start", a_session(NOON))
    board.take("event", Event("cooking", 60.0))
    board.take("notice", Notice("clock", 90.0, "set", {"moved_s": 7200.0}))
    assert board.state()["activity"] == {"activity": "cooking", "since": "2026-03-10T14:01:00+01:00"}
    board.take("event", Event("cooking", 60.0, 120.0))
    timeline = board.timeline(board.today(), [])
    assert [(one["start"][11:16], one["end"][11:16]) for one in timeline["events"]] == [("14:01", "14:02")]


def test_an_end_does_not_end_what_began_after_it() -> None:
    # Catches a hero that goes blank: a decision may end one activity and begin the next.
    board = _board()
    board.take("start", a_session(NOON))
    board.take("event", Event("cooking", 0.0))
    board.take("event", Event("cooking", 0.0, 9.0))
    board.take("event", Event("working", 9.0))
    assert board.state()["activity"]["activity"] == "working"
    assert [one["activity"] for one in board.timeline(board.today(), [])["events"]] == ["cooking", "working"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_days_are_as_long_as_the_clocks_make_them(day: str, hours: int) -> None:
    # Catches ticks and bars that are an hour off on two days of the year.
    asked = Day(date.fromisoformat(day), BERLIN)
    timeline = asked.timeline([], NOON)
    start, end = (datetime.fromisoformat(str(timeline[key])) for key in ("start", "end"))
    assert end - start == timedelta(hours=hours)
    assert [tick["time"][11:13] for tick in timeline["ticks"]] == [tick["text"] for tick in timeline["ticks"]]
    whole = PastActivity("working", start - timedelta(days=1), end + timedelta(days=1))
    assert asked.timeline([whole], end)["totals"] == [{"activity": "working", "seconds": 3600.0 * hours}]
    whole = PastActivity("working", start - timedelta(days=1), end + timedelta(days=1))
    assert asked.timeline([whole], end)["totals"] == [{"activity": "working", "seconds": 3600.0 * hours}]
    first, second = (datetime.fromisoformat(tick["time"]) for tick in timeline["ticks"][:2])
    assert second - first == timedelta(hours=hours - 21)


def test_activities_are_cut_at_midnight() -> None:
    # Catches a bar that sticks out of the day, and 26 hours of cooking.
    night = PastActivity("cooking", wall("2026-03-09T22:00:00"), wall("2026-03-10T01:00:00"))
    timeline = Day(date(2026, 3, 10), BERLIN).timeline([night], NOON)
    (event,) = timeline["events"]
    assert (event["start"], event["seconds"]) == ("2026-03-10T00:00:00+01:00", 7200.0)
    assert timeline["totals"] == [{"activity": "cooking", "seconds": 7200.0}]


def test_history_and_session_are_told_apart() -> None:
    # Catches activities that are counted twice: the store keeps this session's, too.
    session = SessionEvents(NOON)
    session.add(Event("working", 30.0))
    before = PastActivity("cooking", NOON - timedelta(hours=2), NOON - timedelta(hours=1))
    torn = PastActivity("eating", NOON - timedelta(minutes=50), None)
    stored = PastActivity("working", NOON + timedelta(seconds=30), None)
    day = Day(date(2026, 3, 10), BERLIN)
    events = combined([before, torn, stored], session, day.start, day.end)
    timeline = day.timeline(events, NOON + timedelta(minutes=5))
    assert [(one["activity"], one["going_on"], one["seconds"]) for one in timeline["events"]] == [
        ("cooking", False, 3600.0),
        ("eating", False, 0.0),
        ("working", True, 270.0),
    ]


def test_the_memory_of_a_session_is_bounded() -> None:
    # Catches memory that grows for months; what it forgets is asked of the history again.
    session = SessionEvents(NOON, max_events=3)
    for number in range(5):
        session.add(Event("working", 10.0 * number, 10.0 * number + 5))
    assert len(session.events_between(NOON, NOON + timedelta(days=1))) == 3
    assert session.since == NOON + timedelta(seconds=20)


def test_health_counts_what_went_wrong() -> None:
    # Catches a loss that nobody is told of.
    board = _board()
    board.take("start", a_session(NOON))
    assert board.health()["input"] == "starting"
    for latency_ms in (2.0, 4.0, 30.0):
        board.take("decision", a_decision(5.0, latency_ms=latency_ms))
    board.take("glimpse", a_glimpse(6.0))
    board.take("notice", Notice("gap", 7.0, "0.5 s of audio are missing", {"gap_s": 0.5}))
    name, fields = board.take("notice", Notice("input_lost", 8.0, "the microphone is gone"))
    assert (name, fields["health"]["input"]) == ("notice", "lost")
    health = board.health()
    assert health["latency_ms"] == {"last": 30.0, "median": 4.0, "max": 30.0}
    assert (health["gaps"], health["lost_s"], health["inputs_lost"]) == (1, 0.5, 1)
    assert (health["temperature_c"], health["decisions"], health["since_decision_s"]) == (51.4, 3, 0.0)
    assert [notice["time"][11:19] for notice in health["notices"]] == ["12:00:07", "12:00:08"]
    board.take("notice", Notice("input_back", 20.0, "the microphone is back"))
    assert board.health()["input"] == "ok"
    board.take("stats", Stats(decisions=3, skipped=2, overruns=4, lost_s=1.5, duration_s=9.0))
    health = board.health()
    assert (health["input"], health["skipped"], health["gaps"], health["lost_s"]) == ("ended", 2, 4, 1.5)


def test_the_picture_survives_the_journey_and_lasts_a_minute() -> None:
    # Catches swapped axes and signs, and sound that is kept for longer than is promised.
    board = _board()
    board.take("start", a_session(NOON))
    glimpse = a_glimpse(1.0, columns=3, bands=4)
    name, fields = board.take("glimpse", glimpse)
    assert name == "glimpse"
    cells = np.frombuffer(base64.b64decode(fields["cells"][1]), np.uint8).reshape(3, 4).T
    np.testing.assert_allclose(
        LOW_DB + cells * (HIGH_DB - LOW_DB) / 255,
        glimpse.cells_db[1],
        atol=0.5 * (HIGH_DB - LOW_DB) / 255 + 1e-3,
    )
    assert fields["channels"][1] == {"status": "dead", "level_db": -160.0}
    for t_s in range(2, 200):
        board.take("glimpse", a_glimpse(float(t_s)))
    kept = board.snapshot()["picture"]
    assert kept[0]["end_s"] == 139.0
    assert kept[-1]["end_s"] == 199.0


def test_secrets_are_never_shown() -> None:
    # Catches a password on a page that the whole home may look at.
    shown = without_secrets(
        {
            "mqtt": {
                "host": "broker",
                "password": "hunter2",
                "url": "mqtt://me:hunter2@broker/x",
                "key": "k",
            },
            "web": {"token_file": "/etc/asc-edge/token", "access_token": "abc"},
            "lists": [{"client_secret": "s"}, "http://me@there"],
            "empty": {"password": ""},
        }
    )
    assert shown == {
        "mqtt": {"host": "broker", "password": HIDDEN, "url": "mqtt://broker/x", "key": HIDDEN},
        "web": {"token_file": "/etc/asc-edge/token", "access_token": HIDDEN},
        "lists": [{"client_secret": HIDDEN}, "http://there"],
        "empty": {"password": ""},
    }


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("web.host", {"host": ""}),
        ("web.host", {"host": "kitchen pi"}),
        ("web.port", {"port": 70000}),
        ("web.port", {"port": True}),
        ("web.port", {"port": "8420"}),
        ("web.token_file", {"token_file": 7}),
        ("web.token_file", {"host": "0.0.0.0"}),
        ("web.token_file", {"host": "192.168.1.5"}),
        ("web.token_file", {"host": "::"}),
    ],
)
def test_settings_that_can_not_work_name_their_field(field: str, values: dict[str, Any]) -> None:
    # Catches a home that is open to the whole street, and errors that leave one guessing.
    with pytest.raises(ConfigError, match=rf"^{field} ") as caught:
        WebSettings(**values)
    assert "\n" not in str(caught.value)
    if values.get("host") in ("0.0.0.0", "::"):
        assert "/dev/urandom" in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback(f"{host}.example.org")


def test_a_token_is_the_first_line_and_not_short(tmp_path: Any) -> None:
    # Catches a token with its line end, and an empty file that lets in everybody.
    path = tmp_path / "token"
    path.write_text("  0123456789abcdef \nsecond\n")
    assert read_token(str(path)) == "0123456789abcdef"
    path.write_text("\n")
    with pytest.raises(ConfigError, match=r"web\.token_file .* holds 0 characters"):
        read_token(str(path))
    with pytest.raises(ConfigError, match=r"web\.token_file .* can't be read: No such file"):
        read_token(str(tmp_path / "nowhere"))


def test_presence_is_told_beside_the_activity() -> None:
    # Catches "Presence" as what goes on, an activity that it hides or that is listed twice behind it.
    board = _board()
    board.take("start", a_session(NOON))
    assert board.state()["presence"] is None
    board.take("event", Event("cooking", 0.0))
    fields = board.take("event", Event("presence", 5.0))[1]
    assert fields["activity"]["activity"] == "cooking"
    assert fields["presence"] == {"somebody": True, "since": "2026-03-10T12:00:05+01:00"}
    board.take("event", Event("cooking", 0.0, 60.0))
    assert board.state()["activity"] is None
    board.take("event", Event("unknown", 60.0))
    board.take("notice", Notice("clock", 70.0, "set", {"moved_s": 3600.0}))
    assert board.state()["presence"] == {"somebody": True, "since": "2026-03-10T13:00:05+01:00"}
    board.take("event", Event("presence", 5.0, 90.0))
    state = board.state()
    assert (state["activity"]["activity"], state["presence"]["somebody"]) == ("unknown", False)
    assert state["presence"]["since"] == "2026-03-10T13:01:30+01:00"
    events = board.timeline(board.today(), [])["events"]
    assert [one["activity"] for one in events] == ["cooking", "unknown"]
