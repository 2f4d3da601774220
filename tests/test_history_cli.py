"""``asc-edge history``: what it shows, and the tables that it writes."""

from __future__ import annotations

import csv
import io
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asc_edge.events import Event
from asc_edge.sinks.history import HistorySink
from asc_edge.store import HistorySettings
from command import asc_edge, assert_one_line_error
from history_lines import STARTED, fill, session, write_session

ENV = {"TZ": "UTC0"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "history.db"
    for day in range(3):
        write_session(
            path,
            [("cooking", 60.0, 360.5), ("working", 400.0, None)],
            started=STARTED + timedelta(days=day),
            duration_s=1000.0,
            minutes=3,
        )
    return path


# Catches: the wrong days, the first instead of the last, ends that look like ends.
def test_show(database: Path) -> None:
    done = asc_edge("history", "show", "--db", database, "--last", "3", env=ENV)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "the last 3 of 6 activities (--last 0 shows all)",
        "",
        "Tuesday 2026-03-03",
        "  08:06:40 - 08:16:40    10.0 min  working  (until listening ended)",
        "",
        "Wednesday 2026-03-04",
        "  08:01:00 - 08:06:00     5.0 min  cooking",
        "  08:06:40 - 08:16:40    10.0 min  working  (until listening ended)",
    ]
    done = asc_edge(
        *("history", "show", "--db", database, "--from", "2026-03-03", "--to", "2026-03-03"), env=ENV
    )
    assert done.stdout.count("cooking") == 1
    assert "Tuesday" in done.stdout
    assert asc_edge("history", "show", "--db", database, "--to", "2020-01-01").stdout == "no activities\n"


# Catches: an activity that goes on and is shown as ended.
def test_show_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink = HistorySink(HistorySettings(path=str(path)), print)
    sink.start(session())
    sink.event(Event("cooking", 60.0))
    assert "08:01:00 - goes on " in asc_edge("history", "show", "--db", path, env=ENV).stdout


# Catches: local times in a file, commas that break a row, columns in another order than their names.
def test_export_csv(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "events.csv"
    done = asc_edge("history", "export", file, "--db", database, env={"TZ": "CET-1"})
    assert (done.returncode, done.stdout) == (0, f"{file}: {file.stat().st_size} bytes\n")
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len(rows) == 6
    assert rows[0] == {
        "activity": "cooking",
        "start": "2026-03-02T08:01:00.000Z",
        "end": "2026-03-02T08:06:00.500Z",
        "duration_s": "300.5",
        "going_on": "0",
        "cut": "0",
        "session_id": "1",
    }
    done = asc_edge("history", "export", "-", "--table", "minutes", "--db", database, env=ENV)
    (first, *_) = list(csv.DictReader(io.StringIO(done.stdout)))
    assert (first["minute"], first["ok"], first["cooking"]) == ("2026-03-02T08:00:00.000Z", "1", "0.7")
    for table in ("notices", "sessions"):
        done = asc_edge("history", "export", "-", "--table", table, "--db", database)
        assert (done.returncode, done.stderr) == (0, "")


# Catches: times that are text, or of another zone.
def test_export_parquet(database: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "events.parquet"
    done = asc_edge("history", "export", file, "--db", database, env={"TZ": "CET-1"})
    assert (done.returncode, done.stderr) == (0, "")
    rows = parquet.read_table(file).to_pylist()
    assert len(rows) == 6
    assert rows[0]["start"] == datetime(2026, 3, 2, 8, 1, tzinfo=UTC)
    assert (rows[0]["activity"], rows[0]["duration_s"], rows[0]["cut"]) == ("cooking", 300.5, False)


def test_parquet_without_pyarrow(database: Path, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not here')")
    env = {"PYTHONPATH": str(tmp_path)}
    done = asc_edge("history", "export", tmp_path / "x.parquet", "--db", database, env=env)
    assert_one_line_error(done, 1, "pip install 'asc-edge[parquet]'")
    assert not (tmp_path / "x.parquet").exists()


# Catches: a check that calls a damaged file sound, or leaves one in ruins.
def test_check_and_vacuum(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    fill(path, events=3000)
    done = asc_edge("history", "check", "--db", path)
    assert done.stdout.splitlines()[:2] == ["sound", "1 sessions, 3000 events, 0 notices, 0 minutes"]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM events WHERE id > 10")
    before = path.stat().st_size
    assert asc_edge("history", "vacuum", "--db", path).returncode == 0
    assert path.stat().st_size < before / 2
    assert "10 events" in asc_edge("history", "check", "--db", path).stdout
    data = bytearray(path.read_bytes())
    data[-4096:] = b"\xff" * 4096
    path.write_bytes(data)
    done = asc_edge("history", "check", "--db", path)
    assert done.returncode == 1
    assert done.stdout.startswith("damaged: ") or "can't read" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["show", "--from", "yesterday"], 2, "'yesterday' is not a day"),
        (["show", "--from", "2026-03-03", "--to", "2026-03-01"], 2, "is after"),
        (["show", "--last", "-1"], 2, "below 0"),
        (["export", "x.txt"], 2, "must end in .csv or .parquet"),
        (["show", "--db", "none.db"], 1, "there is no history at none.db"),
        ([], 2, "ACTION"),
    ],
)
def test_used_wrongly(args: list[str], code: int, words: str, database: Path) -> None:
    db = ["--db", str(database)] if args and "--db" not in args else []
    assert_one_line_error(asc_edge("history", *args, *db), code, words)


_RUNNER = """
import sys
from asc_edge.cli import main
main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


# Catches: a look at the history that loads what listening needs.
@pytest.mark.parametrize("command", ["history show", "history export -", "report --day 2026-03-02"])
def test_nothing_heavy_is_loaded(command: str, database: Path, tmp_path: Path) -> None:
    args = [*command.split(), "--db", str(database)]
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER, *args], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "sqlite3" in loaded
    assert not loaded & {"numpy", "onnxruntime", "soundfile", "sounddevice", "PIL", "pyarrow"}


def test_help_has_examples() -> None:
    for args in (["history"], ["history", "show"], ["history", "export"], ["report"]):
        done = asc_edge(*args, "--help")
        assert done.returncode == 0
        assert f"examples:\n  asc-edge {args[0]}" in done.stdout
