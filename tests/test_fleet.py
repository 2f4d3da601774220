"""``asc-edge fleet status``: what a broker keeps of many rooms, and what anybody may have written there."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from asc_edge.cli.fleet import table
from asc_edge.events import Event
from asc_edge.mqtt import MqttSettings
from asc_edge.mqtt.connection import Received
from asc_edge.mqtt.fleet import Roster
from asc_edge.sinks import Notice
from asc_edge.sinks.mqtt import open_mqtt
from command import COMMAND, asc_edge, assert_one_line_error, environment
from mqtt_broker import Broker, Listener, free_port, require_mosquitto, until
from mqtt_session import STATS, decision, session

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def status(age_s: float = 5.0, **fields: Any) -> str:
    return json.dumps(
        {
            "activity": "cooking",
            "since": "2026-03-01T11:00:00.000Z",
            "problem": "",
            "microphones": {"working": 4, "of": 4},
            "version": "0.1.0",
            "bundle": "home 2.0.0",
            "skipped": 0,
            "temperature_c": 51.0,
            "expire_after_s": 60,
            "time": (NOW - timedelta(seconds=age_s)).isoformat(),
            **fields,
        }
    )


def roster(*messages: tuple[str, str]) -> Roster:
    made = Roster("asc-edge")
    for topic, payload in messages:
        made.take(Received(topic, payload, True))
    return made


# Catches: a runner that hangs with its connection alive and looks well, one that is gone and looks alive.
@pytest.mark.parametrize(
    ("availability", "age_s", "state"),
    [
        ("online", 5.0, "online"),
        ("online", 61.0, "stale"),
        ("offline", 5.0, "offline"),
        ("", 5.0, "offline"),
        # Clocks of two machines differ.
        ("online", -30.0, "online"),
    ],
)
def test_states(availability: str, age_s: float, state: str) -> None:
    rooms = roster(
        ("asc-edge/pi/bath/status", status(age_s)), ("asc-edge/pi/bath/availability", availability)
    )
    assert [room.state for room in rooms.rooms(NOW)] == [state]


# Catches: a crash on what others wrote, control characters that reach the terminal.
@pytest.mark.parametrize(
    "payload",
    [
        "not json",
        "[]",
        "{}",
        '{"time": 5, "since": "now", "activity": {}, "microphones": {"working": "x"}, "skipped": 1e300}',
        '{"activity": "\\u001b[31mred", "problem": "a\\nb", "time": "2026-03-01T12:00:00"}',
        '{"skipped": NaN, "expire_after_s": Infinity, "temperature_c": true}',
    ],
)
def test_what_anybody_may_have_written(payload: str) -> None:
    rooms = roster(
        ("asc-edge/pi/ba\x1bth/status", payload),
        ("asc-edge/pi/ba\x1bth/availability", "online"),
        ("asc-edge/status", status()),
        ("other/pi/bath/status", status()),
    ).rooms(NOW)
    assert [room.state for room in rooms] == ["stale"]
    lines = table(rooms, NOW)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


# Catches: rooms that were removed and stay in the list.
def test_an_emptied_topic_is_forgotten() -> None:
    rooms = roster(("asc-edge/pi/bath/status", status()), ("asc-edge/pi/bath/status", ""))
    assert rooms.rooms(NOW) == []


# Catches: health that hides a dead microphone, columns that don't line up.
def test_the_table() -> None:
    rooms = roster(
        ("asc-edge/pi/bath/status", status(microphones={"working": 3, "of": 4})),
        ("asc-edge/pi/bath/availability", "online"),
        ("asc-edge/other/a long name/status", status(200000.0, problem="the microphone is gone")),
        ("asc-edge/third/home/availability", "online"),
    ).rooms(NOW)
    lines = table(rooms, NOW)
    assert [line[: lines[0].index("STATE")].split("  ")[0] for line in lines] == [
        "NODE",
        "other",
        "pi",
        "third",
    ]
    assert lines[1].endswith("2 d ago    0.1.0    the microphone is gone")
    assert lines[2].endswith("5 s ago    0.1.0    3 of 4 microphones work")
    column = lines[0].index("STATE")
    assert [line[column:].split()[0] for line in lines[1:]] == ["offline", "online", "stale"]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    require_mosquitto()
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


def fleet(broker: Broker, *args: str) -> subprocess.CompletedProcess[str]:
    return asc_edge("fleet", "status", "--host", "127.0.0.1", "--port", str(broker.port), *args)


# Catches: rooms of several nodes that hide each other, one that ended or lost its microphone and looks well.
def test_a_fleet_at_a_broker(broker: Broker, tmp_path: Path) -> None:
    assert f"no room reports at 127.0.0.1:{broker.port} under asc-edge/" in fleet(broker).stdout
    names = [("attic", "office"), ("cellar", "office"), ("cellar", "workshop"), ("cellar", "sauna")]
    sinks = []
    for node, room in names:
        settings = MqttSettings(host="127.0.0.1", port=broker.port, node=node, room=room)
        sinks.append(open_mqtt(settings, print))
        sinks[-1].start(session())
        sinks[-1].decision(decision(5.0))
    sinks[0].event(Event("cooking", 5.0))
    sinks[2].stats(STATS)
    sinks[3].notice(Notice("input_lost", 9.0, "the microphone is gone"))
    live = Listener(broker, "asc-edge/#")
    try:
        until(lambda: live.states.get("asc-edge/attic/office/activity") == "cooking")
        until(lambda: live.states.get("asc-edge/cellar/workshop/availability") == "offline")
        until(lambda: live.states.get("asc-edge/cellar/sauna/problem") == "ON")
        done = fleet(broker, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        rooms = json.loads(done.stdout)
        assert [(room["node"], room["room"], room["state"], room["activity"]) for room in rooms] == [
            ("attic", "office", "online", "cooking"),
            ("cellar", "office", "online", "undecided"),
            ("cellar", "sauna", "online", "no_input"),
            ("cellar", "workshop", "offline", "undecided"),
        ]
        assert rooms[0]["since"] == "2026-03-01T12:00:05.000Z"
        assert [room["health"] for room in rooms] == ["ok", "ok", "the microphone is gone", "ok"]
        config = tmp_path / "config.toml"
        config.write_text(f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n')
        lines = asc_edge("fleet", "status", "--config", config).stdout.splitlines()
        told = {"ASC_EDGE_MQTT_HOST": "127.0.0.1", "ASC_EDGE_MQTT_PORT": str(broker.port)}
        assert asc_edge("fleet", "status", env=told).stdout.splitlines()[0] == lines[0]
        assert lines[0].split("  ")[0] == "NODE"
        assert [line.split()[:3] for line in lines[1:]] == [
            [room["node"], room["room"], room["state"]] for room in rooms
        ]
    finally:
        live.close()
        for sink in sinks:
            sink.stats(STATS)


# Catches: a watch that shows nothing new, or ends with a traceback.
def test_watch(broker: Broker) -> None:
    live = Listener(broker)
    live.say("asc-edge/pi/bath/status", status(), retain=True)
    command = [*COMMAND, "fleet", "status", "--host", "127.0.0.1", "--port", str(broker.port)]
    with subprocess.Popen(
        [*command, "--watch", "--json"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert [room["state"] for room in json.loads(process.stdout.readline())] == ["offline"]
            live.say("asc-edge/pi/bath/availability", "online", retain=True)
            assert [room["state"] for room in json.loads(process.stdout.readline())] == ["stale"]
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == ""
            assert process.stderr.read() == ""
            assert process.wait(10) == 0
        finally:
            process.kill()
            live.close()


# Catches: a wait without an end, and errors that don't say what to do.
def test_errors(tmp_path: Path) -> None:
    port = str(free_port())
    done = asc_edge("fleet", "status", "--host", "127.0.0.1", "--port", port)
    assert_one_line_error(done, 1, f"no MQTT broker answers at 127.0.0.1:{port}: Connection refused")
    (tmp_path / "typo.toml").write_text('[mqtt]\nhots = "127.0.0.1"\n')
    (tmp_path / "other.toml").write_text("[listen]\n")
    for args, words in [
        (["--config", tmp_path / "none.toml"], "no such file"),
        (["--config", tmp_path / "typo.toml"], "typo.toml:2: unknown key mqtt.hots; did you mean host?"),
        (["--config", tmp_path / "other.toml"], "other.toml has no table [mqtt]"),
        (["--host", "x", "--port", "0"], "port 0"),
        ([], "there is no configuration; say where the broker is"),
        (["--config", "x", "--tls"], "--tls goes with --host"),
        (["--host", "x", "--password-file", "y"], "needs a username"),
    ]:
        assert_one_line_error(asc_edge("fleet", "status", *args), 2, words)


# Catches: something else behind that port, which never answers.
def test_a_broker_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        started = time.monotonic()
        done = asc_edge("fleet", "status", "--host", "127.0.0.1", "--port", port)
        assert_one_line_error(done, 1, "is gone: no answer")
        assert time.monotonic() - started < 10.0


# Catches: a refusal that looks like an empty fleet.
def test_a_broker_that_refuses(tmp_path: Path) -> None:
    require_mosquitto()
    broker = Broker(tmp_path, "allow_anonymous false")
    broker.start()
    try:
        assert_one_line_error(fleet(broker), 1, "refuses: Not authorized")
    finally:
        broker.kill()
