"""A room's activity at an MQTT broker, with Home Assistant's discovery: see docs/home-assistant.md."""

from __future__ import annotations

from collections.abc import Callable

from asc_edge.mqtt.settings import MqttSettings
from asc_edge.sinks import Sink

__all__ = ["open_mqtt"]


def open_mqtt(settings: MqttSettings, report: Callable[[str], None]) -> Sink:
    """A sink that publishes at a broker. It need not be there yet; the sink tries until it is.

    Parameters
    ----------
    settings : MqttSettings
        With ``host`` set.
    report : callable
        Told in one line when the broker can't be reached, and when it is back, from the sink's own thread.

    Raises
    ------
    MqttMissingError
        Without paho-mqtt 2.
    ConfigError
        For settings, a password file or a file of certificates that can't work.
    """
    from asc_edge.sinks.mqtt.sink import MqttSink

    return MqttSink(settings, report)
