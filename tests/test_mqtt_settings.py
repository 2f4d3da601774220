"""Settings of MQTT: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asc_edge.config import load_config
from asc_edge.errors import ConfigError
from asc_edge.mqtt import MqttSettings
from asc_edge.mqtt.connection import Broker
from asc_edge.mqtt.settings import identifier


# Catches: a setting that fails only hours later at the broker, and a message that doesn't name it.
@pytest.mark.parametrize(
    "fields",
    [
        {"host": "http://broker"},
        {"host": "a b"},
        {"port": 0},
        {"port": 70000},
        {"port": "1883"},
        {"port": True},
        {"tls": "yes"},
        {"ca_file": "ca.pem"},
        {"password_file": "secret"},
        {"node": "a/b"},
        {"room": "kitchen+"},
        {"room": " kitchen"},
        {"room": "a\nb"},
        {"topic_prefix": ""},
        {"topic_prefix": "a//b"},
        {"topic_prefix": "a/#"},
        {"discovery_prefix": "/ha"},
        {"expire_after_s": 1.0},
        {"expire_after_s": float("nan")},
        {"expire_after_s": float("inf")},
    ],
    ids=str,
)
def test_what_can_not_work_is_refused_by_name(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        MqttSettings(**fields)
    assert next(iter(fields)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# Catches: a typo in a file that is silently ignored, and TLS spoken to the port that doesn't.
def test_a_table_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[mqtt]\nhost = "broker"\ntls = true\nroom = "living room"\n')
    settings = load_config(path, {}).section("mqtt")
    assert (settings.port, settings.room_name, settings.address) == (8883, "living room", "broker:8883")
    assert MqttSettings.from_table({"tls": True, "port": 1884}).port == 1884
    with pytest.raises(ConfigError, match="no setting 'hots'"):
        MqttSettings.from_table({"hots": "x"})


# Catches: a password that everybody on the machine can read, and a newline that becomes a part of it.
def test_a_password_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "password"
    settings = MqttSettings(host="broker", username="ann", password_file=str(path))
    with pytest.raises(ConfigError, match="No such file"):
        Broker(settings)
    path.write_text("geheim \n")
    path.chmod(0o604)
    with pytest.raises(ConfigError, match=f"password_file {path} is open to everybody; chmod 600") as caught:
        Broker(settings)
    assert "geheim" not in str(caught.value)
    path.chmod(0o640)
    Broker(settings)
    assert settings.password() == "geheim "
    assert "geheim" not in repr(settings)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        Broker(settings)


# Catches: certificates that are missed only at the first connection, at night.
def test_a_file_of_certificates_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    settings = MqttSettings(host="broker", tls=True, ca_file=str(path))
    with pytest.raises(ConfigError, match="can't read ca_file"):
        Broker(settings)
    path.write_text("not a certificate")
    with pytest.raises(ConfigError, match="no certificate"):
        Broker(settings)


# Catches: two rooms that become one device in Home Assistant, and identifiers that it refuses.
def test_identifiers_differ_where_names_do() -> None:
    names = ["Küche", "Kuche", "K che", "k_che", "küche", "客厅", "厨房", "a.b", "a_b", "ä", "."]
    made = [identifier(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(one and all(c.isascii() and (c.isalnum() or c in "_-") for c in one) for one in made)


# Catches: two runners of one machine, or one room of two machines, that share topics or a client id.
def test_topics_tell_rooms_and_nodes_apart() -> None:
    settings = [MqttSettings(node=node, room=room) for node in ("a", "b") for room in ("", "x")]
    assert len({one.base_topic for one in settings}) == len({one.device_id for one in settings}) == 4
    assert settings[0].base_topic == "asc-edge/a/home"
    assert MqttSettings().node_name
