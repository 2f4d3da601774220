"""``unknown`` and presence, from a bundle's threshold to every place that a decision goes to."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asc_edge.bundle import write_bundle
from asc_edge.day_report.calendar import local
from asc_edge.day_report.page import to_html
from asc_edge.day_report.report import report_day
from asc_edge.store.reader import HistoryReader
from command import asc_edge, json_lines
from mqtt_broker import Broker, Listener, require_mosquitto, until

from tiny_system import band_noise, tiny_files, tiny_manifest

BASE = "asc-edge/node/kitchen"
LABELS = ["absence", "cooking", "working"]


def between_all(seconds: float) -> NDArray[np.float32]:
    """Noise that falls with frequency, and is no more like one label than like another."""
    count = round(seconds * 16000)
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(count))
    spectrum *= np.maximum(np.fft.rfftfreq(count, 1 / 16000), 60.0) ** -0.27
    signal = np.fft.irfft(spectrum, count)
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labels, and a threshold below which it is none of them."""
    path = tmp_path_factory.mktemp("bundle") / "strict.ascb"
    manifest = {**tiny_manifest(), "labels": LABELS, "labels_not_covered": []}
    write_bundle(path, {**manifest, "thresholds": {"unknown_below": 0.39}}, tiny_files())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody for 15 s, cooking for 20 s, and for 20 s something that the bundle doesn't know."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    pieces = [band_noise("low", 15.0), band_noise("mid", 20.0), between_all(20.0)]
    soundfile.write(path, np.concatenate(pieces), 16000, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    require_mosquitto()
    made = Broker(tmp_path_factory.mktemp("broker"))
    made.start()
    yield made
    made.kill()


def told(listener: Listener) -> list[tuple[str, str]]:
    events = [json.loads(payload) for topic, payload, _ in listener.heard if topic == f"{BASE}/event"]
    return [(event["event_type"], event["activity"]) for event in events]


# Catches: a threshold that is in the manifest and reaches nobody; "unknown" that an entity has no option for;
# presence that hides an activity, or is one, in any of the places.
def test_all_of_them_are_told_of_unknown_sounds_and_presence(
    broker: Broker, bundle: Path, clip: Path, tmp_path: Path
) -> None:
    database = tmp_path / "h.db"
    env = {"HOME": str(tmp_path), "ASC_EDGE_MQTT_NODE": "node", "ASC_EDGE_MQTT_ROOM": "kitchen", "TZ": "UTC"}
    listener = Listener(broker, "#")
    line = ["listen", "--input", clip, "--bundle", bundle, "--format", "jsonl", "--history", database]
    done = asc_edge(*line, "--mqtt", f"127.0.0.1:{broker.port}", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: listener.states.get(f"{BASE}/availability") == "offline", what="goodbye")
    states, events = dict(listener.states), told(listener)
    listener.close()

    expected = [
        *(("began", "absence"), ("ended", "absence"), ("began", "cooking"), ("began", "presence")),
        *(("ended", "cooking"), ("began", "unknown")),
    ]
    lines = [
        ("began" if one["end_s"] is None else "ended", one["activity"])
        for one in json_lines(done.stdout, "event")
    ]
    assert sorted(lines) == sorted(expected)
    assert [one for one in lines if one[1] != "presence"] == [one for one in expected if one[1] != "presence"]
    assert events == lines
    assert (states[f"{BASE}/activity"], states[f"{BASE}/presence"]) == ("unknown", "ON")
    status = json.loads(states[f"{BASE}/status"])
    assert (status["activity"], status["presence"]) == ("unknown", "ON")
    sensor = _config(states, "sensor", "activity")
    assert {*LABELS, "unknown", "undecided", "silent", "no_input"} == set(sensor["options"])
    presence = _config(states, "binary_sensor", "presence")
    assert (presence["state_topic"], presence["device_class"]) == (f"{BASE}/presence", "occupancy")

    shown = asc_edge("history", "show", "--db", database, env=env).stdout
    assert re.findall(r"min  (\w+)", shown)[:1] == ["absence"]
    assert sorted(re.findall(r"min  (\w+)", shown)) == ["absence", "cooking", "presence", "unknown"]
    tables = {
        table: list(
            csv.DictReader(
                io.StringIO(
                    asc_edge("history", "export", "-", "--table", table, "--db", database, env=env).stdout
                )
            )
        )
        for table in ("events", "presence")
    }
    assert [row["activity"] for row in tables["events"]] == ["absence", "cooking", "unknown"]
    assert len(tables["presence"]) == 1
    # A file is heard faster than it lasts: by the clock most of it is still to come.
    with HistoryReader(database) as reader:
        (run,) = reader.sessions(0, 2**52)
        text = to_html(report_day(reader, local(run.started_ms).date(), 2**52))
    assert "Most of the time went into cooking" in text
    assert "<dt>Somebody here</dt>" in text
    assert '<span class="key c9" aria-hidden="true"></span>Unknown' in text
    assert "</span>Presence" not in text


def _config(states: dict[str, str], component: str, key: str) -> dict[str, Any]:
    return json.loads(states[f"homeassistant/{component}/asc-edge_node--kitchen/{key}/config"])


# Catches: lines for people that leave out what the others are told.
def test_text_tells_of_them(bundle: Path, clip: Path) -> None:
    shown = asc_edge("listen", "--input", clip, "--bundle", bundle).stdout
    assert re.findall(r"(\w+) began at", shown).count("unknown") == 1
    assert re.findall(r"(\w+) began at", shown).count("presence") == 1


# Catches: a guess at a third that is told as an answer; the likeliest label or figures that are kept back.
def test_classify_does_not_guess(bundle: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", between_all(3.0), 16000)
    soundfile.write(tmp_path / "b.wav", band_noise("mid", 3.0), 16000)
    line = ["classify", tmp_path / "a.wav", tmp_path / "b.wav", "--bundle", bundle]
    rows = list(csv.DictReader(io.StringIO(asc_edge(*line, "--format", "csv").stdout)))
    likeliest = max(LABELS, key=lambda label: float(rows[0][label]))
    assert [(row["state"], row["top"]) for row in rows] == [("unknown", likeliest), ("ok", "cooking")]
    assert sum(float(rows[0][label]) for label in LABELS) == pytest.approx(1.0, abs=1e-5)
    clips = json_lines(asc_edge(*line, "--format", "jsonl").stdout)
    assert [(one["state"], one["top"]) for one in clips] == [("unknown", likeliest), ("ok", "cooking")]
    assert max(clips[0]["posterior"].values()) < 0.39
    shown = asc_edge(*line).stdout.splitlines()
    assert [line.split()[1] for line in shown] == ["unknown", "cooking"]
    assert shown[0].endswith(f"perhaps {likeliest}")
