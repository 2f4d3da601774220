"""What Home Assistant is told, so that it makes a device with its entities by itself.

One retained message for each entity, as the documentation of its MQTT integration describes them ("MQTT
discovery", single component). https://www.home-assistant.io/integrations/mqtt/
"""

from __future__ import annotations

import json
import math

from asc_edge.events import SILENT, UNKNOWN
from asc_edge.mqtt.settings import MqttSettings, identifier
from asc_edge.sinks import Session
from asc_edge.version import __version__

__all__ = ["EVENT_TYPES", "NO_ACTIVITY", "activities", "discovery", "expire_after_s", "heartbeat_s"]

# What stands for an activity while none goes on, or none that has a label.
NO_ACTIVITY = ("undecided", UNKNOWN, SILENT, "no_input")
EVENT_TYPES = ("began", "ended")

_DIAGNOSTIC = {"entity_category": "diagnostic"}


def expire_after_s(settings: MqttSettings, session: Session) -> int:
    """Whole seconds without news after which a state is unknown; never less than four decisions take."""
    return math.ceil(max(settings.expire_after_s, 4.0 * session.hop_s))


def heartbeat_s(settings: MqttSettings, session: Session) -> float:
    """Every state is sent again after so many seconds, even when it is what it was."""
    return expire_after_s(settings, session) / 3.0


def activities(session: Session) -> tuple[str, ...]:
    """Everything that the activity's state can be."""
    return tuple(dict.fromkeys([*session.labels, *NO_ACTIVITY]))


def discovery(
    settings: MqttSettings, session: Session, *, model: str, temperature: bool
) -> dict[str, dict[str, object]]:
    """Discovery payloads by topic.

    Parameters
    ----------
    settings : MqttSettings
    session : Session
    model : str
        Name of the board or processor.
    temperature : bool
        Whether this machine tells its temperature.
    """
    if not settings.discovery_prefix:
        return {}
    entities = {**_main_entities(settings, session), **_diagnostics(settings, session)}
    if not temperature:
        del entities["sensor", "temperature"]
    for label in session.labels:
        entities["sensor", f"posterior_{identifier(label)}"] = _posterior(settings, session, label)
    device = {
        "identifiers": [settings.device_id],
        "name": f"asc-edge {settings.room or settings.node_name}",
        "manufacturer": "asc-edge",
        "model": model,
        "sw_version": __version__,
        **({"suggested_area": settings.room} if settings.room else {}),
    }
    return {
        f"{settings.discovery_prefix}/{component}/{settings.device_id}/{key}/config": {
            **fields,
            "unique_id": f"{settings.device_id}_{key}",
            "device": device,
            "origin": {"name": "asc-edge", "sw_version": __version__},
            "availability": [{"topic": f"{settings.base_topic}/availability"}],
            "qos": 1,
        }
        for (component, key), fields in entities.items()
    }


def as_json(fields: object) -> str:
    """A payload: short, but with its letters as they are."""
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _main_entities(settings: MqttSettings, session: Session) -> dict[tuple[str, str], dict[str, object]]:
    base = settings.base_topic
    expires = {"expire_after": expire_after_s(settings, session)}
    return {
        ("sensor", "activity"): {
            "name": "Activity",
            "device_class": "enum",
            "options": list(activities(session)),
            "state_topic": f"{base}/activity",
            "json_attributes_topic": f"{base}/activity/attributes",
            "icon": "mdi:home-sound-in-outline",
            **expires,
        },
        ("binary_sensor", "presence"): {
            "name": "Presence",
            "device_class": "occupancy",
            "state_topic": f"{base}/presence",
            **expires,
        },
        ("event", "event"): {
            "name": "Last event",
            "event_types": list(EVENT_TYPES),
            "state_topic": f"{base}/event",
            "icon": "mdi:calendar-clock",
        },
    }


def _diagnostics(settings: MqttSettings, session: Session) -> dict[tuple[str, str], dict[str, object]]:
    base = settings.base_topic
    expires = {"expire_after": expire_after_s(settings, session)}
    return {
        ("binary_sensor", "problem"): {
            "name": "Microphone problem",
            "device_class": "problem",
            "state_topic": f"{base}/problem",
            "json_attributes_topic": f"{base}/problem/attributes",
            **_DIAGNOSTIC,
            **expires,
        },
        ("sensor", "microphones"): {
            "name": "Working microphones",
            "state_topic": f"{base}/microphones",
            "json_attributes_topic": f"{base}/microphones/attributes",
            "state_class": "measurement",
            "icon": "mdi:microphone",
            **_DIAGNOSTIC,
            **expires,
        },
        ("sensor", "skipped"): {
            "name": "Decisions skipped",
            "state_topic": f"{base}/skipped",
            "state_class": "total_increasing",
            "icon": "mdi:debug-step-over",
            **_DIAGNOSTIC,
            **expires,
        },
        ("sensor", "temperature"): {
            "name": "Processor temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "suggested_display_precision": 0,
            "state_topic": f"{base}/temperature",
            **_DIAGNOSTIC,
            **expires,
        },
    }


def _posterior(settings: MqttSettings, session: Session, label: str) -> dict[str, object]:
    return {
        "name": f"Probability of {label.replace('_', ' ')}",
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "state_topic": f"{settings.base_topic}/posterior/{identifier(label)}",
        "icon": "mdi:percent",
        # One for every activity: for those who want to look closer.
        "enabled_by_default": False,
        **_DIAGNOSTIC,
        "expire_after": expire_after_s(settings, session),
    }
