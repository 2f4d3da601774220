"""``listen`` with all of its sinks at once: one process, a real broker, a real database, a real page."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge.events import Event
from asc_edge.sinks.history import open_history
from asc_edge.store import HistorySettings
from asc_edge.web.stored import StoredHistory
from command import COMMAND, asc_edge, environment, json_lines
from history_lines import STARTED, decision, session, stats
from mqtt_broker import Broker, Listener, free_port, until
from privacy_scan import audio_found

from tiny_system import band_noise


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds of four channels: low, then mid, then high noise."""
    rng = np.random.default_rng(3)
    mono = np.concatenate([band_noise(band, 13.4) for band in ("low", "mid", "high")])
    four = np.stack([mono * gain for gain in (1.0, 0.9, 0.8, 0.7)], axis=1)
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    noise = 1e-3 * rng.standard_normal(four.shape)
    soundfile.write(path, (four + noise).astype(np.float32), 16000, subtype="PCM_16")
    return path


# Catches: sinks that get in each other's way, events that one has and another hasn't, audio in a file of any.
def test_history_broker_and_report_say_the_same(
    broker: Broker, clip: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    database, home = tmp_path / "h.db", {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    listener = Listener(broker, "asc-edge/#")
    line = ["listen", "--input", clip, "--bundle", tiny_bundle, "--format", "jsonl"]
    where = ["--history", database, "--mqtt", f"127.0.0.1:{broker.port}", "--web", f"127.0.0.1:{free_port()}"]
    done = asc_edge(
        *line, *where, env={**home, "ASC_EDGE_MQTT_NODE": "node", "ASC_EDGE_MQTT_ROOM": "kitchen"}
    )
    assert done.returncode == 0, done.stderr
    assert [
        text for text in done.stderr.splitlines() if not text.startswith("asc-edge: the page is at")
    ] == []
    ended = [line for line in json_lines(done.stdout, "event") if line["end_s"] is not None]
    assert {line["activity"] for line in ended} == {"low", "mid"}
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT activity, start_ms, end_ms FROM events ORDER BY start_ms"
        ).fetchall()
    assert [row[0] for row in rows] == ["low", "mid", "high"]
    lengths = [round((row[2] - row[1]) / 1000, 1) for row in rows[:2]]
    assert lengths == [round(line["end_s"] - line["start_s"], 1) for line in ended]
    until(lambda: any("offline" in str(message) for message in listener.states.values()), what="goodbye")
    listener.close()
    report = tmp_path / "day.html"
    assert asc_edge("report", "--db", database, "--out", report, env=home).returncode == 0
    assert "mid" in report.read_text()
    played, _ = soundfile.read(clip, dtype="int16")
    assert audio_found([tmp_path], played) == []


# Catches: a page that hears nothing of what listen decides, or a process that a page keeps from ending.
def test_the_page_is_served_while_it_listens(clip: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [*COMMAND, "listen", "--input", str(clip), "--speed", "realtime", "--bundle", str(tiny_bundle)]
    options = ["--format", "none", "--web", f"127.0.0.1:{port}"]
    env = environment({"HOME": str(tmp_path)})
    with subprocess.Popen([*command, *options], env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert f"127.0.0.1:{port}" in process.stderr.readline()

            def low_is_heard() -> bool:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=5) as answer:
                    return '"low"' in json.dumps(json.load(answer))

            until(low_is_heard, 20.0, "the first decision")
        finally:
            process.terminate()
            assert process.wait(10) == 0


# Catches: days that the page shows shifted, activities that go on as ended, a lost database as an error.
def test_the_page_reads_the_history(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    stored = StoredHistory(path)
    day = (STARTED - timedelta(hours=8), STARTED + timedelta(hours=16))
    assert stored.events_between(*day) == []
    sink = open_history(HistorySettings(path=str(path)), lambda line: print(line, file=sys.stderr))
    sink.start(session())
    sink.event(Event("cooking", 10.0))
    sink.event(Event("cooking", 10.0, 70.0))
    sink.event(Event("eating", 80.0))
    sink.decision(decision(90.0, 0.1, 0.8, 0.1))
    until(lambda: len(stored.events_between(*day)) == 2, what="both activities")
    cooking, eating = stored.events_between(*day)
    assert (cooking.activity, cooking.start, cooking.end) == (
        "cooking",
        STARTED + timedelta(seconds=10),
        STARTED + timedelta(seconds=70),
    )
    assert (eating.activity, eating.end) == ("eating", None)
    assert cooking.start.tzinfo == UTC
    sink.stats(stats(100.0))
    assert stored.events_between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)) == []
