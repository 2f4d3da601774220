"""MQTT: where the broker is, and one connection to it. What a room says there is up to ``sinks/mqtt``."""

from __future__ import annotations

from asc_edge.mqtt.settings import MqttSettings

__all__ = ["MqttSettings"]
