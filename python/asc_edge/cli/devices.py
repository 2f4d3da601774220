"""``asc-edge devices``: what can be heard here."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command

if TYPE_CHECKING:
    from asc_edge.audio.channel_presets import ChannelPreset
    from asc_edge.audio.devices import InputDevice

_EXAMPLES = """\
  asc-edge devices
  asc-edge devices --json
  asc-edge listen --device ID          with an ID from the list, which stays true after a reboot
"""


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "devices", "List the microphones of this machine.", _EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from asc_edge.audio.channel_presets import suggest_preset
    from asc_edge.audio.devices import list_devices

    devices = list_devices()
    presets = [suggest_preset(device) for device in devices]
    if args.json:
        import json

        names = [None if preset is None else preset.name for preset in presets]
        listed = [{**asdict(device), "preset": name} for device, name in zip(devices, names, strict=True)]
        print(json.dumps(listed, indent=2))
    elif devices:
        print("\n".join(_table(devices)))
        for device, preset in zip(devices, presets, strict=True):
            if preset is not None:
                print(f"\n{_advice(device, preset)}")
    else:
        print("no microphone found; plug one in, or try: asc-edge listen --demo")
    return 0


def _table(devices: list[InputDevice]) -> list[str]:
    rows = [("", "index", "channels", "rate", "id", "name")]
    rows += [
        (
            "*" if device.is_default else "",
            str(device.index),
            str(device.channels),
            f"{device.default_rate_hz} Hz",
            device.stable_id,
            f"{device.name} ({device.host_api})",
        )
        for device in devices
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def _advice(device: InputDevice, preset: ChannelPreset) -> str:
    """Which channels of a known array to listen to."""
    note = f" ({preset.note})" if preset.note else ""
    return (
        f"{device.index} is {preset.title}; preset {preset.name}{note}:\n"
        f"  asc-edge listen --device {device.stable_id} --channels {preset.channels_text}"
    )
