"""The sink that keeps the history: what it stores, and what it never loses."""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from asc_edge.errors import HistoryError
from asc_edge.events import Event
from asc_edge.sinks import Notice, Stats
from asc_edge.sinks.history import HistorySink, open_history
from asc_edge.store import HistorySettings
from asc_edge.store import writer as store_writer
from asc_edge.store.reader import HistoryReader
from command import environment
from history_lines import LABELS, STARTED, STARTED_MS, Clock, decision, session, stats, write_session

FAR_MS = 2**52
TESTS = Path(__file__).parent


def make(path: Path, clock: Callable[[], float] | None = None) -> tuple[HistorySink, list[str]]:
    said: list[str] = []
    return HistorySink(HistorySettings(path=str(path)), said.append, clock=clock or Clock()), said


# Catches: means over the wrong decisions, minutes that begin with the session instead of the clock's, a last
# minute that is forgotten, states and skipped ones that are counted wrongly.
def test_decisions_become_minutes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink, _ = make(path)
    sink.start(session(STARTED + timedelta(seconds=30)))
    for t_s in range(5, 30):
        sink.decision(decision(float(t_s), 0.8, 0.2, 0.0))
    for t_s in range(30, 40):
        sink.decision(decision(float(t_s), 0.2, 0.6, 0.2))
    sink.decision(decision(40.0, state="silent"))
    sink.decision(decision(50.0, state="no_input"))
    sink.decision(decision(95.0, state="silent"))
    sink.stats(stats(96.0))
    with HistoryReader(path) as reader:
        first, second, third = reader.minutes(0, FAR_MS)
    assert (first.minute_ms, first.ok, first.skipped) == (STARTED_MS, 25, 0)
    assert first.posterior == {"cooking": 0.8, "eating": 0.2, "working": 0.0}
    assert (second.minute_ms, second.ok, second.silent, second.no_input) == (STARTED_MS + 60_000, 10, 1, 1)
    assert second.posterior == {"cooking": 0.2, "eating": 0.6, "working": 0.2}
    assert second.skipped == 9
    assert (third.minute_ms, third.ok, third.silent, third.skipped) == (STARTED_MS + 120_000, 0, 1, 44)
    assert third.posterior == {}


# Catches: activities that are written twice, ends that are lost, times that are not started + t_s.
def test_events_notices_and_the_session(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink, said = make(path)
    sink.start(session())
    sink.event(Event("cooking", 10.5))
    sink.event(Event("cooking", 10.5, 20.25))
    # Its beginning was given up by a full queue.
    sink.event(Event("eating", 21.0, 25.0))
    sink.notice(Notice("gap", 30.0, "0.5 s of audio are missing", {"lost_s": 0.5}))
    sink.notice(Notice("gap", 30.0, "0.5 s of audio are missing", {"lost_s": 0.5}))
    sink.event(Event("working", 40.0))
    sink.stats(Stats(100, 2, 1, 0.5, 60.0))
    with HistoryReader(path) as reader:
        events = reader.events(0, FAR_MS)
        notices = reader.notices(0, FAR_MS)
        (run,) = reader.sessions(0, FAR_MS)
    at = [(event.activity, event.start_ms - STARTED_MS, event.end_ms - STARTED_MS) for event in events]
    assert at == [("cooking", 10_500, 20_250), ("eating", 21_000, 25_000), ("working", 40_000, 60_000)]
    assert [event.cut for event in events] == [False, False, True]
    assert not any(event.going_on for event in events)
    assert [(one.at_ms - STARTED_MS, one.kind, one.details) for one in notices] == [
        (30_000, "gap", {"lost_s": 0.5})
    ] * 2
    assert (run.started_ms, run.last_ms, run.state) == (STARTED_MS, STARTED_MS + 60_000, "ended")
    assert (run.labels, run.bundle, run.hop_ms) == (LABELS, "home", 1000)
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT decisions, skipped, overruns, lost_ms FROM sessions").fetchone()
    assert row == (100, 2, 1, 500)
    assert said == []


# Catches: lengths below zero, or two sessions in one, when somebody sets the clock.
def test_a_clock_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    for number, hours in enumerate((0, -5, 9)):
        sink, _ = make(path)
        sink.start(session(STARTED + timedelta(hours=hours)))
        # The wall clock is somewhere else altogether meanwhile; nobody asks it.
        monkeypatch.setattr("asc_edge.sinks.utc_now", lambda: datetime(1970, 1, 1, tzinfo=UTC))
        monkeypatch.setattr("time.time", lambda: 0.0)
        sink.event(Event("cooking", 100.0 + number))
        sink.event(Event("cooking", 100.0 + number, 200.0))
        # What can't be, a sink upstream might say all the same.
        sink.event(Event("working", 300.0, 299.0))
        sink.stats(stats(400.0))
    with HistoryReader(path) as reader:
        events = reader.events(0, FAR_MS)
        assert len(events) == 6
        assert all(event.end_ms >= event.start_ms for event in events)
        assert [run.state for run in reader.sessions(0, FAR_MS)] == ["ended"] * 3
        assert reader.check() == "ok"


# Catches: a name that is not text and stops every line after it.
def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink, _ = make(path)
    sink.start(session(source_name="evening\udcff.wav", source={"kind": "file", "path": "evening\udcff.wav"}))
    sink.event(Event("cooking", 1.0, 2.0))
    sink.stats(stats(3.0))
    with HistoryReader(path) as reader:
        assert reader.sessions(0, FAR_MS)[0].source_name == "evening?.wav"


# Catches: a listener that ends, or speaks with every line, where there is no place for the history.
@pytest.mark.parametrize("place", ["/proc/asc-edge/history.db", "FILE/history.db", "FOLDER"])
def test_no_place_for_it_is_one_line(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    path = place.replace("FILE", str(tmp_path / "file")).replace("FOLDER", str(tmp_path / "folder"))
    said: list[str] = []
    sink = open_history(HistorySettings(path=path), said.append)
    sink.start(session())
    for t_s in range(300):
        sink.decision(decision(float(t_s), 0.8, 0.2, 0.0))
    sink.event(Event("cooking", 10.0, 20.0))
    sink.stats(stats(300.0))
    first, last = said
    assert first.startswith(f"history: can't write {path}: ")
    assert "\n" not in first
    assert last.endswith("lines were never written")


# Catches: lines that are lost while the file can't be written, that grow without bound, or are written twice.
def test_what_waits_is_written_when_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "MAX_WAITING", 20)
    clock, said = Clock(), []
    path = tmp_path / "later" / "history.db"
    (tmp_path / "later").write_text("in the way")
    settings = HistorySettings(path=str(path))
    columns = {
        "started_ms": STARTED_MS,
        **dict.fromkeys(("bundle", "bundle_version", "source_name"), ""),
        **{"labels": "[]", "source": "{}"},
        **dict.fromkeys(("channels", "sample_rate_hz", "window_ms", "hop_ms"), 1),
    }
    writer = store_writer.SessionWriter(settings, columns, said.append, clock=clock, max_waiting=20)
    texts = set()
    for k in range(15):
        for call in (
            lambda k=k: writer.event("cooking", STARTED_MS + k * 60_000, STARTED_MS + k * 60_000 + 1),
            lambda k=k: writer.minute(
                *(STARTED_MS + k * 60_000, STARTED_MS + k * 60_000),
                **{"ok": k, "silent": 0, "no_input": 0, "skipped": 0, "permille": "[]"},
            ),
        ):
            with pytest.raises(HistoryError) as caught:
                call()
            texts.add(str(caught.value))
    assert len(texts) == 1
    (tmp_path / "later").unlink()
    # Not at once: nobody hammers a dead disk.
    with pytest.raises(HistoryError):
        writer.flush()
    clock.now_s += 10.0
    writer.flush()
    writer.end(STARTED_MS + 10**7, decisions=1, skipped=0, overruns=0, lost_ms=0)
    assert said == [f"{path} can be written again; 20 lines had waited, 10 were given up"]
    with HistoryReader(path) as reader:
        assert len(reader.events(0, FAR_MS)) == 15
        assert [minute.ok for minute in reader.minutes(0, FAR_MS)] == list(range(10, 15))


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A disk of 2 MiB without any space left; what it gives makes some again."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        # Only root may; the other way to be full is tried everywhere.
        pytest.skip("no disk may be mounted here")
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"\0" * 4096)
        yield ballast.unlink
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def small_files(folder: Path) -> Iterator[Callable[[], None]]:
    """No file may grow beyond 200 kB; what it gives lets them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Catches: a full disk that ends the listener, damages the file, is said with every line, loses an activity.
@pytest.mark.parametrize("full", [small_disk, small_files])
def test_a_full_disk(full: Callable[[Path], Any], tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with full(folder) as make_space:
        path, clock = folder / "history.db", Clock()
        sink, said = make(path, clock)
        errors = set()
        acknowledged = 0
        with suppress(HistoryError):
            sink.start(session())
        for k in range(2000):
            try:
                sink.event(Event("working", 10.0 + k, 10.5 + k))
                acknowledged += 1
            except HistoryError as error:
                errors.add(str(error))
        if acknowledged:
            with HistoryReader(path) as reader:
                assert len(reader.events(0, FAR_MS)) >= acknowledged
        assert len(errors) == 1
        assert acknowledged < 1900
        make_space()
        clock.now_s += 11.0
        sink.event(Event("eating", 3000.0, 3001.0))
        (line,) = said
        assert f"{path} can be written again" in line
        sink.stats(stats(3600.0))
        with HistoryReader(path) as reader:
            activities = [event.activity for event in reader.events(0, FAR_MS)]
            assert reader.check() == "ok"
    assert activities == [*["working"] * 2000, "eating"]


# Catches: an end that hides a failure nobody had been told of.
def test_lines_that_were_never_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("in the way")
    sink, _ = make(tmp_path / "x" / "history.db")
    with pytest.raises(HistoryError):
        sink.start(session())
    with pytest.raises(HistoryError):
        sink.event(Event("cooking", 1.0))
    with pytest.raises(HistoryError, match="3 lines were never written"):
        sink.stats(stats(2.0))


_WRITES_UNTIL_KILLED = """
import os, random, signal, sys, time
from datetime import timedelta
from history_lines import STARTED, decision, session
from asc_edge.events import Event
from asc_edge.sinks.background import BackgroundSink
from asc_edge.sinks.history import HistorySink
from asc_edge.store import HistorySettings

class Acknowledging(HistorySink):
    def event(self, event):
        super().event(event)
        os.write(pipe, b"%d\\n" % round(event.start_s))

path, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)
for number in range(rounds):
    reading, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        history = Acknowledging(HistorySettings(path=path), print)
        sink = BackgroundSink(history, "history", print, queue_length=10**6)
        sink.start(session(STARTED + timedelta(days=number)))
        for k in range(10**6):
            sink.event(Event("cooking", float(k)))
            sink.decision(decision(float(k), 0.8, 0.2, 0.0))
            sink.event(Event("cooking", float(k), k + 0.5))
            time.sleep(1e-4)
    os.close(pipe)
    time.sleep(dice.uniform(0.0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading) as stream:
        print(number, *sorted({int(line) for line in stream}), flush=True)
"""


# Catches: an activity that was acknowledged and is gone, and a file that a kill has damaged.
def test_no_acknowledged_activity_is_lost_by_a_kill(tmp_path: Path) -> None:
    path, rounds = tmp_path / "history.db", 40
    done = subprocess.run(
        [sys.executable, "-c", _WRITES_UNTIL_KILLED, str(path), str(rounds), str(random.randrange(10**6))],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment({"PYTHONPATH": str(TESTS)}),
    )
    acknowledged = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert len(acknowledged) == rounds
    # Most were killed in the middle of it.
    assert sum(len(line) > 2 for line in acknowledged) > rounds / 2
    # Before any writer comes along to mend anything.
    with HistoryReader(path) as reader:
        assert reader.check() == "ok"
        for number, *starts in acknowledged:
            day_ms = STARTED_MS + number * 86_400_000
            stored = {
                (event.start_ms - day_ms) // 1000 for event in reader.events(day_ms, day_ms + 80_000_000)
            }
            assert stored >= set(starts), number
    write_session(path, [], started=STARTED + timedelta(days=rounds))
    with HistoryReader(path) as reader:
        assert not any(event.going_on for event in reader.events(0, FAR_MS))
        assert {run.state for run in reader.sessions(0, FAR_MS)[:-1]} == {"cut off"}


# Catches: an activity of a killed process that lasts until today, or is gone.
def test_what_a_killed_process_left_open(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sink, _ = make(path)
    sink.start(session())
    sink.event(Event("cooking", 10.0))
    for t_s in range(11, 200):
        sink.decision(decision(float(t_s), 0.8, 0.2, 0.0))
    # The kernel lets go of a killed process's lock.
    sink._writer._close()  # type: ignore[union-attr]
    write_session(path, [], started=STARTED + timedelta(days=1))
    with HistoryReader(path) as reader:
        (event,) = reader.events(0, FAR_MS)
    # Whole minutes are written: the last is the one before the last.
    assert (event.end_ms - STARTED_MS, event.cut) == (179_000, True)


# Catches: a column that could hold a sound, or anything else that isn't what the page on privacy lists.
def test_there_is_no_place_for_audio(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write_session(path, [])
    with closing(sqlite3.connect(path)) as connection:
        found = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        kinds = {row[2] for table in found for row in connection.execute(f"PRAGMA table_info({table})")}
    assert kinds == {"INTEGER", "TEXT"}
    assert set(found) == {"sessions", "events", "notices", "minutes"}
    assert json.dumps(found["minutes"]) == json.dumps(
        ["minute_ms", "session_id", "ok", "silent", "no_input", "skipped", "permille"]
    )


# Catches: a night that is kept under the date at which a clock without a battery woke up; an activity that is
# counted twice, or lost, where the clock was set; negative durations where it was set back.
@pytest.mark.parametrize("moved_s", [5400.0, -5400.0])
def test_a_clock_that_is_set_begins_a_session_of_its_own(moved_s: float, tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    sink = HistorySink(HistorySettings(path=str(path)), print)
    sink.start(session())
    sink.decision(decision(5.0, 0.9, 0.05, 0.05))
    sink.event(Event("cooking", 5.0))
    sink.notice(Notice("clock", 60.0, "set", {"moved_s": moved_s}))
    sink.decision(decision(61.0, 0.9, 0.05, 0.05))
    sink.event(Event("cooking", 5.0, 100.0))
    sink.event(Event("eating", 101.0))
    sink.event(Event("eating", 101.0, 160.0))
    sink.stats(stats(200.0))
    with HistoryReader(path) as reader:
        events = sorted(reader.events(0, 1 << 50), key=lambda event: event.session_id)
        sessions = reader.sessions(0, 1 << 50)
        (notice,) = reader.notices(0, 1 << 50)
    by_then, after = STARTED_MS, STARTED_MS + round(1000 * moved_s)
    assert [(event.activity, event.start_ms, event.end_ms) for event in events] == [
        ("cooking", by_then + 5_000, by_then + 60_000),
        ("cooking", after + 60_000, after + 100_000),
        ("eating", after + 101_000, after + 160_000),
    ]
    assert [(one.started_ms, one.last_ms, one.state) for one in sessions] == [
        (by_then, by_then + 60_000, "ended"),
        (after + 60_000, after + 200_000, "ended"),
    ]
    assert notice.at_ms == after + 60_000
