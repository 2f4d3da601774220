"""The MQTT sink at a real broker: what it says, and what happens when the broker goes, hangs and returns."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import asc_edge
from asc_edge.audio.sources import FileSource
from asc_edge.bundle import Bundle
from asc_edge.errors import ConfigError, MqttMissingError
from asc_edge.events import Event
from asc_edge.monitor import Monitor
from asc_edge.mqtt import MqttSettings
from asc_edge.pipeline import Pipeline
from asc_edge.sinks.mqtt import open_mqtt
from asc_edge.sinks.mqtt.sink import MqttSink
from command import environment
from mqtt_broker import Broker, Listener, require_mosquitto, until
from mqtt_session import STATS, decision, session

from tiny_system import band_noise

BASE = "asc-edge/pi/kitchen"
EVENT = f"{BASE}/event"
CLIENT = "asc-edge_pi--kitchen"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    require_mosquitto()
    made = Broker(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def listen(broker: Broker) -> Iterator[Callable[..., Listener]]:
    """Makes listeners, which are closed at the end."""
    made: list[Listener] = []

    def make(*topics: str, **options: Any) -> Listener:
        made.append(Listener(broker, *topics, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Runner:
    """A sink that is fed as a runner would."""

    def __init__(self, broker: Broker, **fields: Any) -> None:
        settings = {"host": "127.0.0.1", "port": broker.port, "node": "pi", "room": "kitchen", **fields}
        self.said: list[str] = []
        self.sink = MqttSink(MqttSettings(**settings), self.said.append)
        self.t_s = 5.0
        self.sink.start(session())

    def live(self, activity: str, seconds: float = 30.0) -> None:
        """An activity that begins and ends."""
        self.sink.event(Event(activity, self.t_s))
        self.sink.decision(decision(self.t_s + 1.0))
        self.sink.event(Event(activity, self.t_s, self.t_s + seconds))
        self.t_s += seconds + 10.0

    def stop(self) -> float:
        """End it; how long that took."""
        started = time.monotonic()
        self.sink.stats(STATS)
        return time.monotonic() - started


@pytest.fixture
def run(broker: Broker) -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(**fields: Any) -> Runner:
        made.append(Runner(broker, **fields))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def events_of(listener: Listener) -> list[tuple[str, str]]:
    """Event types and activities, each event once, in the order in which they came."""
    seen = {}
    for topic, payload, _ in listener.heard:
        if topic == EVENT:
            fields = json.loads(payload)
            seen.setdefault(fields["id"], (fields["event_type"], fields["activity"]))
    return list(seen.values())


# Catches: states nobody keeps, a goodbye that is not said, events that are kept and come again.
def test_a_session_from_start_to_end(
    broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    broker.start()
    live = listen("asc-edge/#")
    runner = run()
    until(lambda: live.states.get(f"{BASE}/availability") == "online")
    runner.sink.decision(decision(5.0))
    runner.sink.event(Event("cooking", 5.0))
    until(lambda: live.states.get(f"{BASE}/activity") == "cooking")
    until(lambda: events_of(live) == [("began", "cooking")])
    assert runner.stop() < 1.0
    until(lambda: live.states[f"{BASE}/availability"] == "offline")
    late = listen("#")
    until(lambda: f"{BASE}/status" in late.states)
    assert late.states[f"{BASE}/activity"] == "cooking"
    assert EVENT not in late.states
    status = json.loads(late.states[f"{BASE}/status"])
    assert (status["activity"], status["since"]) == ("cooking", "2026-03-01T12:00:05.000Z")
    assert (status["version"], status["bundle"]) == (asc_edge.__version__, "home 2.0.0")
    assert runner.said == []


# Catches: a runner that gives up when the broker is not there at boot, or blocks whoever feeds it.
def test_a_broker_that_comes_later(
    broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    runner = run()
    started = time.monotonic()
    for _ in range(50):
        runner.live("cooking")
    assert time.monotonic() - started < 1.0
    until(lambda: runner.said)
    broker.start()
    live = listen("asc-edge/#")
    until(lambda: live.states.get(f"{BASE}/availability") == "online", timeout_s=5)
    until(lambda: len(events_of(live)) == 100)
    assert [line.partition(" (")[0] for line in runner.said] == [
        f"mqtt: no connection to 127.0.0.1:{broker.port}",
        f"mqtt: connected to 127.0.0.1:{broker.port}",
    ]


# Catches: states of before the outage that overwrite newer ones, events that are lost or come twice, a line
# for every attempt, a broker that forgot everything and is not told again.
@pytest.mark.parametrize("forgets", [False, True], ids=["keeps", "forgets"])
def test_a_broker_that_is_killed_and_comes_back(
    forgets: bool, broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    broker.start()
    live = listen("#")
    runner = run()
    until(lambda: live.states.get(f"{BASE}/availability") == "online")
    runner.live("watching_tv")
    until(lambda: len(events_of(live)) == 2)
    broker.kill()
    for _ in range(20):
        runner.live("cooking")
    runner.sink.event(Event("absence", runner.t_s))
    until(lambda: runner.said)
    time.sleep(1.0)
    if forgets:
        broker.forget()
    broker.start()
    fresh = listen("#")
    until(lambda: fresh.states.get(f"{BASE}/activity") == "absence", timeout_s=5)
    until(lambda: fresh.states.get(f"{BASE}/availability") == "online", timeout_s=1)
    assert f"homeassistant/sensor/{CLIENT}/activity/config" in fresh.states
    until(lambda: len(events_of(fresh)) == 41 or len(events_of(live)) == 43)
    everybody = [json.loads(payload) for topic, payload, _ in live.heard + fresh.heard if topic == EVENT]
    assert len({fields["id"] for fields in everybody}) == 43
    times = [fields["end"] for fields in everybody if fields["event_type"] == "ended"]
    assert min(times) == "2026-03-01T12:00:35.000Z"
    assert len(runner.said) == 2, runner.said


# Catches: memory that grows while a broker hangs, a runner that hangs with it, and stale states after it.
def test_a_broker_that_hangs(
    broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    broker.start()
    live = listen("#")
    runner = run()
    until(lambda: live.states.get(f"{BASE}/availability") == "online")
    broker.freeze()
    started = time.monotonic()
    for number in range(3000):
        runner.live(f"activity {number}")
    assert time.monotonic() - started < 5.0
    assert runner.sink._outbox.events <= 1000 + 16
    runner.sink.event(Event("cooking", runner.t_s))
    broker.thaw()
    until(lambda: live.states.get(f"{BASE}/activity") == "cooking", timeout_s=5)
    until(lambda: events_of(live)[-1] == ("began", "cooking"))
    assert runner.said == []


# Catches: lines of a real session in an order, or with values, that the sink doesn't expect.
def test_a_monitor_tells_the_broker(
    broker: Broker, listen: Callable[..., Listener], tiny_bundle: Path, tmp_path: Path
) -> None:
    broker.start()
    live = listen("asc-edge/#")
    sound = np.concatenate([band_noise("low", 12.0), np.zeros(16000 * 12)])
    soundfile.write(tmp_path / "clip.wav", np.stack([sound, 0.5 * sound], axis=1), 16000)
    source = FileSource(str(tmp_path / "clip.wav"), realtime=False)
    said: list[str] = []
    settings = MqttSettings(host="127.0.0.1", port=broker.port, node="pi", room="kitchen")
    sink = open_mqtt(settings, said.append)
    Monitor(source, Pipeline(Bundle.open(tiny_bundle), channels=2), [sink]).run()
    until(lambda: events_of(live) == [("began", "low"), ("ended", "low")])
    until(lambda: live.states.get(f"{BASE}/availability") == "offline")
    assert (live.states[f"{BASE}/activity"], live.states[f"{BASE}/presence"]) == ("no_input", "None")
    assert said == []


# Catches: a broker that hangs for long and is never given up, wills that are spoken after its return.
def test_a_broker_that_hangs_for_long(
    broker: Broker,
    listen: Callable[..., Listener],
    run: Callable[..., Runner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asc_edge.mqtt.connection.KEEPALIVE_S", 1)
    broker.start()
    live = listen("#")
    runner = run()
    until(lambda: live.states.get(f"{BASE}/availability") == "online")
    broker.freeze()
    runner.live("watching_tv")
    until(lambda: runner.said)
    runner.sink.event(Event("cooking", runner.t_s))
    # Long enough for another attempt that hangs, too.
    time.sleep(1.0)
    broker.thaw()
    until(lambda: len(runner.said) == 2, timeout_s=5)
    until(lambda: live.states.get(f"{BASE}/activity") == "cooking", timeout_s=1)
    until(lambda: len(events_of(live)) == 3)
    time.sleep(1.0)
    assert live.states[f"{BASE}/availability"] == "online"
    assert "lost" in runner.said[0]
    assert "connected" in runner.said[1]


# Catches: an end that waits for a broker that never answers.
@pytest.mark.parametrize("state", ["absent", "frozen", "frozen from the start"])
def test_the_end_does_not_wait_for_a_broker(
    state: str, broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    if state != "absent":
        broker.start()
    if state == "frozen from the start":
        broker.freeze()
    runner = run()
    if state == "frozen":
        live = listen("#")
        until(lambda: live.states.get(f"{BASE}/availability") == "online")
        broker.freeze()
    runner.live("cooking")
    time.sleep(0.2)
    # Two and a half seconds for the last words, where there is a chance that they are heard.
    assert runner.stop() < 3.5
    assert runner.said[-1] == "mqtt: ended without the broker; 2 events were not delivered"
    assert threading.active_count() < 20


# Catches: an end that waits for a name server.
def test_the_end_does_not_wait_for_an_attempt(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def never(*_args: Any) -> Any:
        over.wait(30)
        raise OSError("unknown host")

    monkeypatch.setattr("asc_edge.mqtt.connection.Broker.connect", never)
    runner = Runner(broker)
    assert 3.5 < runner.stop() < 5.0
    over.set()


# Catches: a room that stays "online" when its runner is killed.
def test_the_will_is_heard_when_a_runner_is_killed(broker: Broker, listen: Callable[..., Listener]) -> None:
    broker.start()
    live = listen("#")
    program = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from mqtt_session import session
from asc_edge.mqtt import MqttSettings
from asc_edge.sinks.mqtt import open_mqtt
sink = open_mqtt(MqttSettings(host="127.0.0.1", port={broker.port}, node="pi", room="kitchen"), print)
sink.start(session())
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], env=environment()) as process:
        try:
            until(lambda: live.states.get(f"{BASE}/availability") == "online")
        finally:
            os.kill(process.pid, signal.SIGKILL)
    until(lambda: live.states[f"{BASE}/availability"] == "offline", timeout_s=5)


# Catches: the will of a dead connection that is spoken late, and makes a living runner unavailable for good.
def test_a_late_will_is_corrected(
    broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    broker.start()
    live = listen("#")
    run()
    until(lambda: live.states.get(f"{BASE}/availability") == "online")
    live.say(f"{BASE}/availability", "offline", retain=True)
    until(lambda: [p for t, p, _ in live.heard if t == f"{BASE}/availability"][-2:] == ["offline", "online"])


# Catches: a Home Assistant that has been started anew and waits for its entities.
def test_home_assistant_is_told_again_when_it_starts(
    broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    broker.start()
    live = listen("#")
    run()
    config = f"homeassistant/sensor/{CLIENT}/activity/config"
    until(lambda: live.states.get(f"{BASE}/availability") == "online")
    live.heard.clear()
    live.say("homeassistant/status", "offline")
    live.say("homeassistant/status", "online")
    until(lambda: (BASE + "/availability", "online", False) in live.heard)
    topics = [topic for topic, _, _ in live.heard]
    assert topics.index(config) < topics.index(f"{BASE}/activity") < topics.index(f"{BASE}/availability")
    assert topics.count(config) == 1


# Catches: entities of a bundle that is gone, which stay in Home Assistant; others' that are removed.
def test_entities_of_an_earlier_bundle_are_removed(
    broker: Broker, listen: Callable[..., Listener], run: Callable[..., Runner]
) -> None:
    broker.start()
    live = listen("#")
    old = f"homeassistant/sensor/{CLIENT}/posterior_bathing/config"
    other = "homeassistant/sensor/asc-edge_pi--bath/posterior_bathing/config"
    payload = json.dumps({"state_topic": f"{BASE}/posterior/bathing"})
    for topic, text in [(old, payload), (other, payload), (f"{BASE}/posterior/bathing", "3")]:
        live.say(topic, text, retain=True)
    run()
    until(lambda: live.states.get(old) == "" == live.states.get(f"{BASE}/posterior/bathing"))
    fresh = listen("#")
    until(lambda: f"{BASE}/availability" in fresh.states)
    time.sleep(0.2)
    assert other in fresh.states
    assert old not in fresh.states


def _password_file(folder: Path, password: str) -> str:
    path = folder / "password"
    path.write_text(password)
    path.chmod(0o600)
    return str(path)


# Catches: a password that is not sent, one that ends up in a message, a refusal told at every attempt.
def test_credentials(tmp_path: Path) -> None:
    require_mosquitto()
    accounts = tmp_path / "accounts"
    subprocess.run(
        ["mosquitto_passwd", "-c", "-b", accounts, "ann", "geheim"], check=True, capture_output=True
    )
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {accounts}")
    broker.start()
    live = Listener(broker, "asc-edge/#", username="ann", password="geheim")
    wrong = Runner(broker, username="ann", password_file=_password_file(tmp_path, "geheimnis"), room="bath")
    try:
        until(lambda: wrong.said)
        time.sleep(1.5)
        assert len(wrong.said) == 1
        assert f"127.0.0.1:{broker.port} refuses: " in wrong.said[0]
        assert "geheim" not in wrong.said[0]
        wrong.stop()
        right = Runner(broker, username="ann", password_file=_password_file(tmp_path, "geheim\n"))
        until(lambda: live.states.get(f"{BASE}/availability") == "online")
        right.stop()
        assert right.said == []
        assert "asc-edge/pi/bath/availability" not in live.states
    finally:
        live.close()
        broker.kill()


def _certificates(folder: Path) -> None:
    """A certificate authority, and a broker's certificate for 127.0.0.1 by it."""
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=home",
        "req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=broker",
        "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out broker.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


# paho-mqtt leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# Catches: TLS that isn't, a broker that is believed without anybody vouching for it, data left in buffers.
def test_tls(tmp_path: Path) -> None:
    require_mosquitto()
    _certificates(tmp_path)
    files = [
        f"{name} {tmp_path / file}" for name, file in [("certfile", "broker.pem"), ("keyfile", "broker.key")]
    ]
    broker = Broker(tmp_path, "allow_anonymous true", *files, f"cafile {tmp_path / 'ca.pem'}")
    broker.start()
    stranger = Runner(broker, tls=True)
    known = Runner(broker, tls=True, ca_file=str(tmp_path / "ca.pem"))
    try:
        until(lambda: stranger.said)
        assert "certificate verify failed" in stranger.said[0]
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            with pytest.raises(ssl.SSLError):
                stranger.sink._broker.connect("another")
        assert len(list(Path("/proc/self/fd").iterdir())) < before + 5
        until(lambda: known.sink._link.connection is not None and not len(known.sink._outbox))
        for _ in range(100):
            known.live("cooking")
        until(lambda: known.sink._outbox.events == 0)
        assert known.stop() < 1.0
        assert known.said == []
        plain = Runner(broker, room="plain")
        until(lambda: plain.said)
        plain.stop()
    finally:
        stranger.stop()
        broker.kill()


# Catches: a traceback instead of what to install, and a sink without a broker.
def test_what_is_missing_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="host is not set"):
        open_mqtt(MqttSettings(), print)
    monkeypatch.setitem(sys.modules, "paho.mqtt.enums", None)
    with pytest.raises(MqttMissingError, match=r"pip install 'asc-edge\[mqtt\]'"):
        open_mqtt(MqttSettings(host="broker"), print)
