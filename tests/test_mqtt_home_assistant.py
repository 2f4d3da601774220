"""What Home Assistant makes of us: by its documentation, by its schemas, and by itself at a real broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asc_edge.events import Event
from asc_edge.mqtt import MqttSettings
from asc_edge.sinks.mqtt import open_mqtt
from asc_edge.sinks.mqtt.discovery import discovery
from mqtt_broker import Broker, require_mosquitto, until
from mqtt_session import STATS, decision, session

SCRIPT = Path(__file__).with_name("home_assistant.py")
SETTINGS = MqttSettings(host="127.0.0.1", node="pi", room="Küche", expire_after_s=10)

# https://www.home-assistant.io/integrations/mqtt/#discovery-options and the pages of the three platforms:
# what is documented and of use to a sensor.
_COMMON = {
    *("availability", "device", "enabled_by_default", "entity_category", "icon", "json_attributes_topic"),
    *("name", "origin", "qos", "state_topic", "unique_id", "device_class"),
}
_DOCUMENTED = {
    "sensor": _COMMON
    | {"expire_after", "options", "state_class", "suggested_display_precision", "unit_of_measurement"},
    "binary_sensor": _COMMON | {"expire_after", "payload_on", "payload_off", "off_delay"},
    "event": _COMMON | {"event_types"},
}
_DEVICE = {
    *("configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id"),
    *("name", "serial_number", "suggested_area", "sw_version", "via_device"),
}


def payloads() -> dict[str, dict[str, Any]]:
    return discovery(SETTINGS, session(), model="Raspberry Pi 5", temperature=True)


# Catches: a key that Home Assistant drops in silence, an enum without options, two entities with one
# identity, a state that never expires, a topic it doesn't look at.
def test_payloads_are_as_documented() -> None:
    made = payloads()
    assert len(made) == 7 + len(session().labels)
    for topic, payload in made.items():
        prefix, component, node, key, last = topic.split("/")
        assert (prefix, last) == ("homeassistant", "config")
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", node + key)
        assert payload.keys() <= _DOCUMENTED[component]
        assert payload["device"].keys() <= _DEVICE
        assert payload["origin"].keys() <= {"name", "sw_version", "support_url"}
        assert payload["device"]["identifiers"]
        assert ("options" in payload) == (payload.get("device_class") == "enum")
        assert not (
            payload.get("device_class") == "enum" and {"state_class", "unit_of_measurement"} & payload.keys()
        )
        assert ("expire_after" in payload) == (component != "event")
        assert payload["state_topic"].startswith("asc-edge/pi/Küche/")
        json.dumps(payload, allow_nan=False)
    for field in ("unique_id", "state_topic"):
        assert len({payload[field] for payload in made.values()}) == len(made)
    assert len({json.dumps(payload["device"]) for payload in made.values()}) == 1
    assert discovery(MqttSettings(discovery_prefix=""), session(), model="", temperature=True) == {}


@pytest.fixture
def home_assistant() -> str:
    """Python of a Home Assistant; tools/ha_validation.sh makes one and runs these tests with it."""
    python = os.environ.get("ASC_EDGE_HA_PYTHON")
    if not python:
        pytest.skip("no Home Assistant: tools/ha_validation.sh installs one and runs this")
    return python


# Catches: what the documentation's readers got wrong.
def test_home_assistants_schemas_take_them(home_assistant: str) -> None:
    def refused(made: dict[str, Any]) -> list[str]:
        done = subprocess.run(
            [home_assistant, SCRIPT, "schema"],
            input=json.dumps(made),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    made = payloads()
    assert refused(made) == []
    topic = next(iter(made))
    # It can refuse: a test that can't fail shows nothing.
    assert refused({topic: {**made[topic], "nmae": "x"}}) == [f"{topic}: unknown nmae"]
    assert "device_class" in refused({topic: {**made[topic], "device_class": "x"}})[0]


class HomeAssistant:
    """A Home Assistant at a broker.

    Attributes
    ----------
    states : dict
        State and attributes by entity.
    disabled : list of str
    """

    def __init__(self, python: str, port: int, folder: Path) -> None:
        folder.mkdir()
        self.states: dict[str, dict[str, Any]] = {}
        self.disabled: list[str] = []
        command = [python, SCRIPT, "live", str(port), folder]
        with (folder / "errors").open("w") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self.states, self.disabled = told["states"], told["disabled"]

    def state(self, entity: str) -> str:
        return str(self.states.get(entity, {}).get("state"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    require_mosquitto()
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


# Catches: a device that looks right on paper: entities that don't appear, states that Home Assistant doesn't
# take, a runner that hangs and looks alive, one that ends and looks alive.
@pytest.mark.slow
def test_home_assistant_itself(home_assistant: str, broker: Broker, tmp_path: Path) -> None:
    settings = MqttSettings(host="127.0.0.1", port=broker.port, node="pi", room="kitchen", expire_after_s=10)
    said: list[str] = []
    sink = open_mqtt(settings, said.append)
    sink.start(session())
    home = HomeAssistant(home_assistant, broker.port, tmp_path / "ha")
    activity = "sensor.asc_edge_kitchen_activity"
    problem = "binary_sensor.asc_edge_kitchen_microphone_problem"
    try:
        until(lambda: home.state(activity) == "undecided", timeout_s=60)
        sink.decision(decision(5.0, channels=("ok", "dead", "ok", "ok")))
        sink.event(Event("cooking", 5.0))
        until(lambda: home.state(activity) == "cooking")
        assert home.states[activity]["since"] == "2026-03-01T12:00:05.000Z"
        until(lambda: home.state("binary_sensor.asc_edge_kitchen_presence") == "on")
        until(lambda: home.state("sensor.asc_edge_kitchen_working_microphones") == "3")
        assert home.state(problem) == "off"
        event = home.states["event.asc_edge_kitchen_last_event"]
        assert (event["event_type"], event["activity"]) == ("began", "cooking")
        assert len(home.disabled) == len(session().labels)
        # The runner hangs, and its connection lives on.
        until(lambda: home.state(activity) == home.state(problem) == "unavailable", timeout_s=15)
        sink.decision(decision(30.0))
        until(lambda: (home.state(activity), home.state(problem)) == ("cooking", "off"))
    finally:
        sink.stats(STATS)
        try:
            until(lambda: home.state(activity) == "unavailable")
        finally:
            home.close()
    assert said == []
