"""A day and a week as pages and pictures: minutes, gaps, what is usual, and days of 23 and 25 hours."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from asc_edge.day_report.calendar import clock_changes, day_span, local, wall_hour
from asc_edge.day_report.facts import Day, collect_day
from asc_edge.day_report.figures import two_letters
from asc_edge.day_report.page import to_html
from asc_edge.day_report.report import Report, report_day, report_week
from asc_edge.events import Event
from asc_edge.sinks import Notice
from asc_edge.sinks.history import HistorySink
from asc_edge.store import HistorySettings
from asc_edge.store.reader import HistoryReader
from command import asc_edge, assert_one_line_error
from history_lines import session, stats, write_session

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
FAR_MS = 2**52
MONDAY = date(2026, 3, 2)
# Central Europe by its rule alone, so that no data base of time zones is needed.
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(autouse=True)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Berlin's clock, or that of the test's parameter."""
    monkeypatch.setenv("TZ", getattr(request, "param", BERLIN))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(day: date, hour: float) -> datetime:
    """So many hours after the local midnight of a day."""
    return datetime.fromtimestamp(day_span(day).start_ms / 1000 + hour * 3600, UTC)


def write_day(path: Path, day: date, cooking_min: float, *, hours: float = 24.0) -> None:
    """A whole day with cooking from 10:00 on."""
    write_session(
        path,
        [("cooking", 10 * 3600.0, 10 * 3600 + 60 * cooking_min)] if cooking_min else [],
        started=at(day, 0),
        duration_s=min(hours * 3600, day_span(day).length_ms / 1000),
    )


def collected(path: Path, day: date = MONDAY, now_ms: int = FAR_MS) -> Day:
    with HistoryReader(path) as reader:
        return collect_day(reader, day, now_ms)


def reported(path: Path, day: date = MONDAY, now_ms: int = FAR_MS) -> Report:
    with HistoryReader(path) as reader:
        return report_day(reader, day, now_ms)


# Catches: days that begin in UTC, activities across midnight that count twice or not at all.
def test_an_activity_across_midnight(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write_session(path, [("working", 3600.0, 3 * 3600.0)], started=at(MONDAY, 22), duration_s=4 * 3600.0)
    first, second = collected(path), collected(path, MONDAY + timedelta(days=1))
    assert first.totals_ms() == {"working": HOUR_MS}
    assert second.totals_ms() == {"working": HOUR_MS}
    assert (first.listened_ms, second.listened_ms) == (2 * HOUR_MS, 2 * HOUR_MS)
    assert f"{local(second.parts[0].span.start_ms):%H:%M}" == "00:00"


# Catches: gaps that look like quiet hours, a lost microphone that counts as listening.
def test_gaps_are_gaps(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink = HistorySink(HistorySettings(path=str(path)), print)
    sink.start(session(at(MONDAY, 6)))
    sink.notice(Notice("input_lost", 2 * 3600.0, "gone"))
    sink.notice(Notice("input_lost", 2.1 * 3600, "still gone"))
    sink.notice(Notice("input_back", 3 * 3600.0, "back"))
    sink.event(Event("cooking", 4 * 3600.0, 5 * 3600.0))
    sink.stats(stats(6 * 3600.0))
    day = collected(path)
    start = day.span.start_ms
    assert [(gap.start_ms - start, gap.end_ms - start) for gap in day.lost] == [(8 * HOUR_MS, 9 * HOUR_MS)]
    off = [(gap.start_ms - start, gap.end_ms - start) for gap in day.off]
    assert off == [(0, 6 * HOUR_MS), (12 * HOUR_MS, 24 * HOUR_MS)]
    assert day.listened_ms == 5 * HOUR_MS
    html = to_html(reported(path))
    assert "Microphone lost" in html
    assert "08:00 – 09:00" in html
    assert "12:00 – 24:00" in html


# Catches: 24 hours on a day that has 23 or 25, and minutes that are counted by the face of the clock.
@pytest.mark.parametrize(
    ("day", "hours", "hour_after", "change"),
    [(date(2026, 3, 29), 23, 5, 60), (date(2026, 10, 25), 25, 3, -60), (MONDAY, 24, 4, None)],
)
def test_days_when_the_clocks_are_set(
    day: date, hours: int, hour_after: int, change: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "history.db"
    # From one hour after midnight, four hours long, across the change.
    write_session(path, [("cooking", 3600.0, 5 * 3600.0)], started=at(day, 0), duration_s=hours * 3600.0)
    found = collected(path, day)
    assert found.span.length_ms == hours * HOUR_MS
    assert found.totals_ms() == {"cooking": 4 * HOUR_MS}
    assert found.off == []
    assert local(found.span.start_ms + 4 * HOUR_MS).hour == hour_after
    assert [minutes for _, minutes in clock_changes(found.span)] == ([change] if change else [])
    html = to_html(reported(path, day))
    assert f"100 % of {hours} h 00 min" in html
    assert ("clocks forward" in html, "clocks back" in html) == (change == 60, change == -60)


# Catches: a ribbon of a week that runs backwards in the hour that comes twice.
@pytest.mark.parametrize("zone", [BERLIN, "LHST-10:30LHDT-11,M10.1.0,M4.1.0", "UTC0"], indirect=True)
def test_the_face_of_the_clock_never_goes_back() -> None:
    for day in (date(2026, 10, 25), date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 4), MONDAY):
        span = day_span(day)
        faces = [wall_hour(ms) for ms in range(span.start_ms, span.end_ms, MINUTE_MS)]
        assert faces == sorted(faces)
        assert 0.0 == faces[0] < faces[-1] < 24.0
        assert wall_hour(span.end_ms - 1000) > 23.99


# Catches: a mean instead of a median, weekends among weekdays, days that were hardly heard, too few days.
def test_what_is_usual(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    today = MONDAY + timedelta(days=28)
    minutes = iter([10, 20, 30, 400])
    for back in range(28, 0, -1):
        day = today - timedelta(days=back)
        if day.weekday() >= 5:
            write_day(path, day, 200)
        elif (number := next(minutes, None)) is not None:
            write_day(path, day, number)
        elif day.weekday() == 4:
            write_day(path, day, 55, hours=11.0)
    write_day(path, today, 60)
    assert reported(path, today).usual is None
    assert "What is usual is known when 5" in to_html(reported(path, today))
    write_day(path, today - timedelta(days=5), 40)
    report = reported(path, today)
    assert report.usual is not None
    assert (report.usual.days, report.usual.kind) == (5, "weekdays")
    assert report.usual.totals_ms == {"cooking": 30 * MINUTE_MS}
    assert report.usual.changes_ms() == {"cooking": 30 * MINUTE_MS}
    html = to_html(report)
    assert "30 min more" in html
    assert "the median of 5 weekdays" in html


# Catches: half a day that is compared with whole ones, and hours to come that count as gaps.
def test_a_day_that_is_not_over(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for back in range(1, 8):
        write_day(path, MONDAY - timedelta(days=back), 120)
    write_day(path, MONDAY, 30)
    now_ms = day_span(MONDAY).start_ms + 11 * HOUR_MS
    report = reported(path, MONDAY, now_ms)
    assert report.usual is not None
    assert report.usual.totals_ms == {"cooking": 60 * MINUTE_MS}
    assert report.days[0].off == []
    assert report.days[0].listened_ms == 11 * HOUR_MS
    assert "of 11 h 00 min so far" in to_html(report)


# Catches: minutes that count twice when a clock was set back between two sessions.
def test_sessions_that_overlap(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write_session(path, [("working", 0.0, 3600.0)], started=at(MONDAY, 10))
    write_session(path, [("cooking", 0.0, 600.0)], started=at(MONDAY, 10.5))
    day = collected(path)
    assert day.totals_ms() == {"working": 50 * MINUTE_MS, "cooking": 10 * MINUTE_MS}
    assert [part.activity for part in day.parts] == ["working", "cooking", "working"]
    assert day.listened_ms == 90 * MINUTE_MS


# Catches: a week that is not compared because of one day, or compared with days it doesn't have.
def test_a_week(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for back in range(1, 29):
        write_day(path, MONDAY - timedelta(days=back), 20)
    for number in range(6):
        write_day(path, MONDAY + timedelta(days=number), 30)
    with HistoryReader(path) as reader:
        report = report_week(reader, MONDAY, FAR_MS)
    assert report.totals_ms == {"cooking": 180 * MINUTE_MS}
    assert report.usual is not None
    assert report.usual.totals_ms == {"cooking": 120 * MINUTE_MS}
    html = to_html(report)
    assert "for the 6 days that were listened to" in html
    assert "1 h 00 min more" in html
    assert report.title == "Week 10 of 2026: 2 March – 8 March"


def test_signs_of_two_letters_differ() -> None:
    signs = two_letters(["cooking", "cleaning", "coffee", "watching_tv", "working", "x"])
    assert len(set(signs.values())) == 6
    assert signs["cooking"] == "Co"


@pytest.fixture
def full_page(tmp_path: Path) -> str:
    path = tmp_path / "history.db"
    for back in range(14, 0, -1):
        write_day(path, MONDAY - timedelta(days=back), 20)
    evil = "<script>alert('x')</script>&\"'"
    write_session(
        path,
        [("cooking", 600.0, 4000.0), (evil, 5000.0, 6000.0), ("eating", 7000.0, 7030.0)],
        started=at(MONDAY, 8),
        duration_s=16 * 3600.0,
    )
    return to_html(reported(path))


# Catches: a page that fetches, runs, or lets a label write HTML; a picture without words or a table.
def test_the_page_is_whole_and_safe(full_page: str) -> None:
    assert "<script" not in full_page
    assert not re.search(r"(?:src|href|url|@import)\s*[=(]?\s*[\"']?\s*(?:https?:|//|data:)", full_page)
    assert not re.search(r"<(?:img|link|iframe|object|embed)\b", full_page)
    assert "default-src 'none'" in full_page
    assert "prefers-color-scheme: dark" in full_page
    drawings = re.findall(r"<svg.*?</svg>", full_page, re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        named = re.search(r'aria-labelledby="(\S+) (\S+)"', drawing)
        assert named
        for name in named.groups():
            assert re.search(rf'id="{name}">[^<]+<', drawing)
    names = re.findall(r'\bid="([^"]+)"', full_page)
    assert len(names) == len(set(names))
    assert full_page.count("<table") >= 2


# Catches: what only a browser sees: wrong markup, a fetch, words that don't fit, colours that can't be told
# from the ground in the light or in the dark.
def test_a_browser_shows_it(full_page: str, tmp_path: Path) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if sync_playwright is None or not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("no browser without: apt install chromium; pip install playwright")
        pytest.skip("no browser")
    file = tmp_path / "day.html"
    file.write_text(full_page)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        grounds = set()
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme)
            asked, said = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda line, said=said: said.append(line.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.goto(file.as_uri())
            assert asked == [file.as_uri()]
            assert said == []
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert page.evaluate(_LOWEST_CONTRAST) >= 3.0
            assert page.evaluate(_OUTSIDE) == []
            page.close()
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()
    assert len(grounds) == 2


# By WCAG 2.2 (1.4.11), of every colour of an activity on the card it lies on.
_LOWEST_CONTRAST = """() => {
  const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const card = light(getComputedStyle(document.querySelector('figure')).backgroundColor);
  const of = index => {
    const probe = document.createElement('i');
    probe.className = 'c' + index;
    document.body.append(probe);
    const other = light(getComputedStyle(probe).backgroundColor);
    probe.remove();
    return (Math.max(card, other) + 0.05) / (Math.min(card, other) + 0.05);
  };
  return Math.min(...[...Array(14).keys()].map(of));
}"""
_OUTSIDE = """() => [...document.querySelectorAll('svg text')].filter(text => {
  const inner = text.getBoundingClientRect(), outer = text.closest('svg').getBoundingClientRect();
  return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
}).map(text => text.textContent)"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "history.db"
    write_day(path, MONDAY, 30)
    return path


# Catches: a command that writes elsewhere, a picture that is none.
def test_the_command(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    done = asc_edge("report", "--day", str(MONDAY), "--db", database, "--out", out, env={"TZ": BERLIN})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    assert "Monday, 2 March 2026" in out.read_text()
    png = tmp_path / "week.png"
    done = asc_edge("report", "--week", "2026-W10", "--db", database, "--out", png, env={"TZ": BERLIN})
    assert (done.returncode, done.stderr) == (0, "")
    from PIL import Image

    with Image.open(png) as picture:
        picture.load()
        assert picture.size[0] == 2240
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


# Catches: tracebacks and wrong exit codes.
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--day", "2026-02-30"], 2, "'2026-02-30' is not a day"),
        (["--day", "20260302"], 2, "is not a day"),
        (["--week", "2026-W54"], 2, "is not a week"),
        (["--out", "day.pdf"], 2, "must end in .html or .png"),
        (["--day", "2999-01-01"], 1, "has not begun yet"),
        (["--db", "none.db"], 1, "there is no history at none.db"),
        (["--day", "2026-03-02", "--week", "2026-W10"], 2, "not allowed with"),
    ],
)
def test_used_wrongly(args: list[str], code: int, words: str, database: Path) -> None:
    db = [] if "--db" in args else ["--db", str(database)]
    assert_one_line_error(asc_edge("report", *args, *db), code, words)


# Catches: an optional package that is needed by everybody, or missed with a traceback.
def test_without_pillow(database: Path, tmp_path: Path) -> None:
    (tmp_path / "PIL.py").write_text("raise ImportError('not here')")
    env = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = asc_edge(*("report", "--day", str(MONDAY), "--db", database, "--out", tmp_path / "x.png"), env=env)
    assert_one_line_error(done, 1, "a PNG needs Pillow (pip install 'asc-edge[report]')")
    assert not (tmp_path / "x.png").exists()


# Catches: presence that cuts activities to pieces or counts as one (a day with twice its minutes), and a day
# of which an empty home or sounds without a name are said to have taken the most.
def test_presence_lies_beside_activities(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write_session(
        path,
        [
            ("absence", 0.0, 20000.0),
            ("presence", 21000.0, 40000.0),
            ("cooking", 20000.0, 24000.0),
            ("unknown", 24000.0, 39000.0),
            ("presence", 60000.0, None),
        ],
        started=at(MONDAY, 0),
        duration_s=64000.0,
        labels=("absence", "cooking"),
    )
    report = reported(path)
    (day,) = report.days
    assert [part.activity for part in day.parts] == ["absence", "cooking", "unknown"]
    assert day.totals_ms() == {"absence": 20_000_000, "cooking": 4_000_000, "unknown": 15_000_000}
    assert day.present_ms == 23_000_000
    assert report.lead == "Most of the time went into cooking: 1 h 07 min."
    tiles = {term: value for term, value, _ in report.tiles}
    assert (tiles["Activities"], tiles["Somebody here"]) == ("1 h 07 min", "6 h 23 min")
    assert tiles["Longest at a stretch"] == "1 h 07 min"
    drawn = to_html(report)
    assert "somebody here, 05:50 – 11:06 (5 h 17 min)" in drawn
    # Of a bundle that can't tell, nothing is said.
    write_day(path, MONDAY + timedelta(days=1), 30)
    assert "omebody here" not in to_html(reported(path, MONDAY + timedelta(days=1)))
