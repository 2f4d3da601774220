"""Runs in the Python of a Home Assistant (ASC_EDGE_HA_PYTHON), never in ours.

``schema`` reads discovery payloads by topic from standard input, lets Home Assistant's schemas judge each and
prints what they refuse and which keys they don't know. ``live PORT FOLDER`` is Home Assistant itself with its
MQTT integration at a broker; every line that it prints is the states of all entities.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path

# What a release of 2024.3 doesn't know yet. Documented for the MQTT sensor since 2024.11.
LATER = {"options"}
ENTRY_ID = "1" * 32


def schema() -> None:
    problems = []
    for topic, payload in json.load(sys.stdin).items():
        component = topic.split("/")[1]
        module = importlib.import_module(f"homeassistant.components.mqtt.{component}")
        try:
            taken = module.DISCOVERY_SCHEMA(dict(payload))
        except Exception as error:
            problems.append(f"{topic}: {error}")
            continue
        # Its outermost level drops in silence what it doesn't know.
        problems += [f"{topic}: unknown {key}" for key in payload.keys() - taken.keys() - LATER]
    print(json.dumps(problems))


async def live(port: int, folder: Path) -> None:
    from homeassistant import bootstrap, config_entries, core, loader
    from homeassistant.helpers import entity_registry

    (folder / ".storage").mkdir()
    (folder / "configuration.yaml").touch()
    entry = {
        "entry_id": ENTRY_ID,
        "version": 1,
        "minor_version": 1,
        "domain": "mqtt",
        "title": "mqtt",
        "data": {"broker": "127.0.0.1", "port": port, "discovery": True},
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
    }
    stored = {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}
    (folder / ".storage" / "core.config_entries").write_text(json.dumps(stored))
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    # Only its setup dialogue wants them, and they would open a port.
    hass.config.components.update({"http", "file_upload"})
    assert await hass.config_entries.async_setup(ENTRY_ID)
    await hass.async_start()
    while True:
        registry = entity_registry.async_get(hass).entities.values()
        everything = hass.states.async_all()
        states = {state.entity_id: {"state": state.state, **state.attributes} for state in everything}
        disabled = [entry.entity_id for entry in registry if entry.disabled]
        print(json.dumps({"states": states, "disabled": disabled}, default=str), flush=True)
        await asyncio.sleep(0.25)


if sys.argv[1] == "schema":
    schema()
else:
    asyncio.run(live(int(sys.argv[2]), Path(sys.argv[3])))
