"""The history's file: its place, its versions, its size, and what is left of a damaged one."""

from __future__ import annotations

import random
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from asc_edge.errors import ConfigError, HistoryError
from asc_edge.events import Event
from asc_edge.sinks.history import HistorySink
from asc_edge.store import HistorySettings, default_path, schema
from asc_edge.store.database import Database
from asc_edge.store.reader import HistoryReader
from history_lines import STARTED, STARTED_MS, Clock, fill, session, stats, write_session

FAR_MS = 2**52
DAY_MS = 86_400_000

# A file as the first version wrote it. Never to be brought up to date by hand.
VERSION_1 = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE sessions (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, started_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL CHECK (last_ms >= started_ms),
    ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1, 2)), bundle TEXT NOT NULL,
    bundle_version TEXT NOT NULL, labels TEXT NOT NULL, source_name TEXT NOT NULL, source TEXT NOT NULL,
    channels INTEGER NOT NULL, sample_rate_hz INTEGER NOT NULL, window_ms INTEGER NOT NULL,
    hop_ms INTEGER NOT NULL, decisions INTEGER, skipped INTEGER, overruns INTEGER, lost_ms INTEGER) STRICT;
CREATE TABLE events (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL, activity TEXT NOT NULL,
    start_ms INTEGER NOT NULL, end_ms INTEGER CHECK (end_ms >= start_ms),
    cut INTEGER NOT NULL DEFAULT 0 CHECK (cut IN (0, 1)), UNIQUE (session_id, start_ms, activity)) STRICT;
CREATE INDEX events_by_end ON events (end_ms);
CREATE TABLE notices (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL, seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, details TEXT NOT NULL,
    UNIQUE (session_id, seq)) STRICT;
CREATE INDEX notices_by_time ON notices (at_ms);
CREATE TABLE minutes (minute_ms INTEGER NOT NULL, session_id INTEGER NOT NULL, ok INTEGER NOT NULL,
    silent INTEGER NOT NULL, no_input INTEGER NOT NULL, skipped INTEGER NOT NULL, permille TEXT NOT NULL,
    PRIMARY KEY (minute_ms, session_id)) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1095975749;
PRAGMA user_version = 1;
INSERT INTO sessions VALUES (1, 'a', 1000, 200000, 1, 'home', '1', '["cooking", "eating"]', 'microphone',
    '{"kind": "device"}', 4, 16000, 5000, 1000, 190, 0, 0, 0);
INSERT INTO sessions VALUES (2, 'b', 300000, 460000, 0, 'home', '1', '["cooking", "eating"]', 'microphone',
    '{"kind": "device"}', 4, 16000, 5000, 1000, NULL, NULL, NULL, NULL);
INSERT INTO events VALUES (1, 1, 'cooking', 10000, 100000, 0);
INSERT INTO events VALUES (2, 2, 'eating', 400000, NULL, 0);
INSERT INTO notices VALUES (1, 1, 1, 5000, 'gap', '0.2 s of audio are missing', '{"lost_s": 0.2}');
INSERT INTO minutes VALUES (60000, 1, 58, 1, 1, 0, '[700,300]');
"""


def version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in schema.TABLES
        }


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            " ".join(row[0].replace("(", " ( ").replace(")", " ) ").split())
            for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")
        ]


def quick_check(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA quick_check").fetchone()[0])


# Catches: a place that the service may not write, a relative path that XDG forbids.
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/asc-edge", "XDG_STATE_HOME": "/x"}, "/var/lib/asc-edge/history.db"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a/history.db"),
        ({"XDG_STATE_HOME": "/x"}, "/x/asc-edge/history.db"),
        ({"XDG_STATE_HOME": "x"}, "HOME/.local/state/asc-edge/history.db"),
        ({}, "HOME/.local/state/asc-edge/history.db"),
    ],
)
def test_the_default_place(environment: dict[str, str], expected: str) -> None:
    assert str(default_path(environment)) == expected.replace("HOME", str(Path.home()))


# Catches: a limit that deletes everything, or nothing ever; an error that doesn't name the field.
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("keep_days", 0),
        ("keep_days", -1.0),
        ("keep_days", float("nan")),
        ("keep_days", "30"),
        ("keep_days", True),
        ("max_mb", 0.5),
        ("max_mb", float("inf")),
        ("path", 3),
        ("path", "a\0b"),
    ],
)
def test_settings_that_cannot_work(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"history {field} is ") as caught:
        HistorySettings(**{field: value})  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


# Catches: a history that everybody on the machine can read.
def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history.db"
    sink = HistorySink(HistorySettings(path=str(path)), print)
    sink.start(session())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    sink.stats(stats(1.0))


# Catches: a schema that was changed without a migration, a migration that loses rows.
def test_a_file_of_version_1_becomes_one_of_today(tmp_path: Path) -> None:
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    version_1(old)
    before = everything(old)
    write_session(old, [("cooking", 1.0, 2.0)])
    write_session(fresh, [])
    assert tables(old) == tables(fresh)
    after = everything(old)
    for table in schema.TABLES:
        kept = [row[: len(before[table][0])] for row in after[table]][: len(before[table])]
        if table not in ("sessions", "events"):
            assert kept == before[table]
    # What the second session left open when it was killed ends where it was last heard of.
    with HistoryReader(old) as reader:
        first, second = reader.events(0, FAR_MS)[:2]
        assert (first.activity, first.start_ms, first.end_ms, first.cut) == ("cooking", 10000, 100000, False)
        assert (second.activity, second.start_ms, second.end_ms, second.cut) == (
            "eating",
            400000,
            460000,
            True,
        )
        assert [one.state for one in reader.sessions(0, FAR_MS)] == ["ended", "cut off", "ended"]
        assert next(reader.minutes(0, FAR_MS)).posterior == {"cooking": 0.7, "eating": 0.3}


# Catches: half a migration that stays when it fails, one that is done twice.
def test_a_migration_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    version_1(path)
    before = everything(path)
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, ("ALTER TABLE events ADD COLUMN room TEXT", "NO SQL"))
    )
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        Database(path, print)
    assert everything(path) == before
    good = ("ALTER TABLE events ADD COLUMN room TEXT", "UPDATE events SET room = 'kitchen'")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:-1], good))
    for _ in range(2):
        Database(path, print).close()
    assert [row[-1] for row in everything(path)["events"]] == ["kitchen", "kitchen"]


# Catches: a newer file, or another program's, that is written into or moved away.
@pytest.mark.parametrize(
    ("script", "words"),
    [
        (VERSION_1 + "PRAGMA user_version = 99;", "has version 99"),
        ("CREATE TABLE photos (id INTEGER);", "another program's"),
    ],
)
def test_files_that_are_not_for_us(script: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=words):
        Database(path, print)
    with pytest.raises(HistoryError):
        HistoryReader(path)
    assert path.read_bytes()[100:] == before[100:]
    assert not list(tmp_path.glob("*.damaged*"))


# Catches: two listeners that close each other's activities.
def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    first = Database(path, print)
    with pytest.raises(HistoryError, match="written by another asc-edge"):
        Database(path, print)
    first.close()
    Database(path, print).close()


def months(path: Path, days: int) -> None:
    """A session a day, each with an activity and some minutes."""
    for day in range(days):
        started = STARTED + timedelta(days=day)
        write_session(path, [("cooking", 60.0, 600.0)], started=started, minutes=30)


# Catches: rows that are kept too long, or deleted too early; limits on the wrong end.
def test_what_is_too_old_goes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    months(path, 20)
    now = STARTED + timedelta(days=20)
    write_session(path, [], started=now, settings=HistorySettings(path=str(path), keep_days=7.0))
    oldest = round(now.timestamp() * 1000) - 7 * DAY_MS
    with HistoryReader(path) as reader:
        events = reader.events(0, FAR_MS)
        assert len(events) == 7
        assert all(event.end_ms >= oldest for event in events)
        assert min(minute.minute_ms for minute in reader.minutes(0, FAR_MS)) >= oldest
        assert len(reader.sessions(0, FAR_MS)) == 8


# Catches: a clock that stands in 2036 for a moment and takes the whole history with it.
def test_a_clock_that_leaps_deletes_nothing(tmp_path: Path) -> None:
    path, clock = tmp_path / "history.db", Clock()
    months(path, 3)
    sink = HistorySink(HistorySettings(path=str(path)), print, clock=clock)
    sink.start(session(STARTED + timedelta(days=3650)))
    sink.event(Event("cooking", 60.0, 70.0))
    with HistoryReader(path) as reader:
        assert len(reader.events(0, FAR_MS)) == 4
    # By the next day somebody has set it, or it is right.
    clock.now_s += 90_000.0
    sink.event(Event("cooking", 90_000.0, 90_010.0))
    sink.stats(stats(90_020.0))
    with HistoryReader(path) as reader:
        assert len(reader.events(0, FAR_MS)) == 2


# Catches: a limit on rows that never gives the space back, one that deletes the newest or everything.
def test_the_file_really_shrinks(tmp_path: Path) -> None:
    path, clock = tmp_path / "history.db", Clock()
    fill(path, minutes=60_000)
    large = path.stat().st_size
    assert large > 3_000_000
    later = STARTED + timedelta(minutes=60_000)
    sink = HistorySink(HistorySettings(path=str(path), max_mb=1.0), print, clock=clock)
    sink.start(session(later))
    for minute in range(30):
        clock.now_s += 61.0
        sink.event(Event("cooking", 60.0 * minute, 60.0 * minute + 30))
    sink.stats(stats(3600.0))
    assert 500_000 < path.stat().st_size < 1_000_000
    assert not Path(f"{path}-wal").exists()
    with HistoryReader(path) as reader:
        assert len(reader.events(0, FAR_MS)) == 30
        newest = max(minute.minute_ms for minute in reader.minutes(0, FAR_MS))
    assert newest == STARTED_MS + 60_000 * 59_999
    assert quick_check(path) == "ok"


def _truncate(data: bytearray, dice: random.Random) -> None:
    del data[len(data) * 2 // 3 :]


def _flip(data: bytearray, dice: random.Random) -> None:
    # Pages in the middle, as a dying card would.
    for page in dice.sample(range(3, len(data) // 4096), 5):
        data[page * 4096 : page * 4096 + 200] = dice.randbytes(200)


def _no_header(data: bytearray, dice: random.Random) -> None:
    data[:100] = dice.randbytes(100)


# Catches: a service that never starts again, a damaged file that is deleted, rows that were readable and are
# not taken over, nonsense that is.
@pytest.mark.parametrize("damage", [_truncate, _flip, _no_header])
def test_a_damaged_file_is_moved_aside(damage: object, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    fill(path, events=3000, minutes=300)
    before = everything(path)
    data = bytearray(path.read_bytes())
    damage(data, random.Random(1))  # type: ignore[operator]
    path.write_bytes(data)
    assert_replaced(path, bytes(data), before, salvaged=damage is not _no_header)


def assert_replaced(
    path: Path, data: bytes, before: dict[str, list[tuple[object, ...]]], *, salvaged: bool
) -> None:
    said: list[str] = []
    sink = HistorySink(HistorySettings(path=str(path)), said.append)
    sink.start(session(STARTED + timedelta(hours=2)))
    sink.event(Event("working", 1.0))
    sink.stats(stats(10.0))
    (aside,) = [one for one in path.parent.glob("*.damaged-*") if one.suffix != ".lock"]
    assert aside.read_bytes() == data
    (line,) = said
    assert aside.name in line
    assert quick_check(path) == "ok"
    after = everything(path)
    old = [row for row in after["events"] if row[2] == "cooking"]
    assert {row[1:] for row in old} <= {row[1:] for row in before["events"]}
    assert [row[2] for row in after["events"]].count("working") == 1
    assert (len(old) > 500) is salvaged
    assert len(after["minutes"]) <= len(before["minutes"])


# Catches: a damage that turns up while it runs and stops the history until the next start.
def test_damage_while_it_runs(tmp_path: Path) -> None:
    path, clock, said = tmp_path / "history.db", Clock(), []
    # More than SQLite holds in memory: what it needs again it must read again.
    fill(path, events=3000, minutes=60_000)
    sink = HistorySink(HistorySettings(path=str(path)), said.append, clock=clock)
    sink.start(session(STARTED + timedelta(hours=2)))
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    with path.open("r+b") as stream:
        stream.write(data)
    failed = 0
    for k in range(10):
        clock.now_s += 11.0
        try:
            sink.event(Event("working", float(k), k + 0.5))
        except HistoryError:
            failed += 1
    sink.stats(stats(20.0))
    assert 1 <= failed < 9
    assert any("damaged" in line for line in said)
    with HistoryReader(path) as reader:
        assert sum(event.activity == "working" for event in reader.events(0, FAR_MS)) == 10


# Catches: somebody who deletes the file to be rid of it, and a history that goes into nowhere from then on.
def test_a_file_that_was_deleted_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink = HistorySink(HistorySettings(path=str(path)), print)
    sink.start(session())
    sink.event(Event("cooking", 1.0, 2.0))
    path.unlink()
    sink.event(Event("working", 3.0, 4.0))
    sink.stats(stats(10.0))
    with HistoryReader(path) as reader:
        assert [event.activity for event in reader.events(0, FAR_MS)] == ["working"]
        assert len(reader.sessions(0, FAR_MS)) == 1


# Catches: a reader that says a traceback where there is nothing to read, or makes a file by looking for it.
def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="there is no history at"):
        HistoryReader(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "junk.db").write_bytes(b"junk" * 5000)
    with pytest.raises(HistoryError, match="can't read"):
        HistoryReader(tmp_path / "junk.db")


# Catches: a reader that sees nothing of what is being written, or stops the writer.
def test_it_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink = HistorySink(HistorySettings(path=str(path)), print)
    sink.start(session())
    with HistoryReader(path) as reader:
        sink.event(Event("cooking", 10.0))
        sink.event(Event("cooking", 10.0, 30.0))
        sink.event(Event("working", 40.0))
        first, second = reader.events(STARTED_MS, FAR_MS)
    assert (first.start_ms, first.end_ms, first.going_on) == (STARTED_MS + 10_000, STARTED_MS + 30_000, False)
    assert (second.start_ms, second.end_ms, second.going_on) == (
        STARTED_MS + 40_000,
        STARTED_MS + 40_000,
        True,
    )
    sink.stats(stats(60.0))
