"""``asc-edge fleet``: what goes on in all rooms that report to one MQTT broker."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command, add_config_option, positive_number
from asc_edge.errors import UsageError
from asc_edge.text import rough_span

if TYPE_CHECKING:
    from asc_edge.mqtt.fleet import RoomStatus
    from asc_edge.mqtt.settings import MqttSettings

_SUMMARY = "See what goes on in all rooms that report to one MQTT broker."
_STATUS = "List nodes and rooms with their activity and health, read from the broker's retained messages."
_EXAMPLES = """\
  asc-edge fleet status --host homeassistant.local
  asc-edge fleet status --host broker --username ann --password-file ~/.mqtt --tls
  asc-edge fleet status                              the configuration's broker
  asc-edge fleet status --config /etc/asc-edge/config.toml --json
  asc-edge fleet status --host broker --watch
"""
_WATCH_INTERVAL_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "fleet", _SUMMARY, _EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = add_command(actions, "status", _STATUS, _EXAMPLES)
    where = status.add_mutually_exclusive_group()
    where.add_argument("--host", metavar="NAME", help="the broker's name or address; else table [mqtt] of:")
    add_config_option(where)
    status.add_argument("--port", type=int, metavar="N", help="default: 1883, with --tls 8883")
    status.add_argument("--username", metavar="NAME")
    status.add_argument("--password-file", metavar="FILE", help="a file that only you can read")
    # None when it isn't given, so that a config file's word holds.
    status.add_argument("--tls", action="store_true", default=None, help="encrypt, and check who answers")
    status.add_argument("--ca-file", metavar="FILE", help="certificates of who vouches for the broker")
    status.add_argument("--topic-prefix", metavar="TOPIC", help="default: asc-edge")
    status.add_argument(
        "--wait-s", type=positive_number, default=3.0, metavar="S", help="listen at most so long (default: 3)"
    )
    status.add_argument("--json", action="store_true", help="print a JSON array; with --watch one a line")
    status.add_argument("--watch", action="store_true", help="go on until Ctrl-C")
    status.set_defaults(run=run_status)


def run_status(args: argparse.Namespace) -> int:
    settings = _settings(args)
    from asc_edge.mqtt.connection import Broker
    from asc_edge.mqtt.fleet import collect

    broker = Broker(settings)
    if args.watch:
        return _watch(broker, as_json=args.json)
    rooms = collect(broker, args.wait_s).rooms(datetime.now(UTC))
    if args.json:
        print(json.dumps([asdict(room) for room in rooms], indent=2))
    elif rooms:
        print("\n".join(table(rooms, datetime.now(UTC))))
    else:
        print(f"no room reports at {settings.address} under {settings.topic_prefix}/")
    return 0


def table(rooms: Sequence[RoomStatus], now: datetime) -> list[str]:
    """Lines of a table with a heading; times are those of here."""
    rows = [("NODE", "ROOM", "STATE", "ACTIVITY", "SINCE", "LAST SEEN", "VERSION", "HEALTH")]
    rows += [
        (
            room.node,
            room.room,
            room.state,
            room.activity or "-",
            _clock(room.since, now),
            _ago(room.last_seen, now),
            room.version or "-",
            room.health or "-",
        )
        for room in rooms
    ]
    # Whatever may publish at the broker must not reach the terminal's controls.
    cells = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    return [line.rstrip() for line in lines]


def _settings(args: argparse.Namespace) -> MqttSettings:
    from asc_edge.mqtt.settings import MqttSettings

    names = ("host", "port", "username", "password_file", "tls", "ca_file", "topic_prefix")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.host is not None:
        return MqttSettings.from_table(given)
    if given:
        option = next(iter(given)).replace("_", "-")
        raise UsageError(f"--{option} goes with --host; without it the configuration says it all")
    return _configured(args.config)


def _configured(option: str | None) -> MqttSettings:
    """The broker of the configuration, as `listen` reads it."""
    from asc_edge.config import find_config, load_config

    config = load_config(find_config(option, os.environ), os.environ)
    if not config.is_on("mqtt"):
        where = f"{config.path} has no table [mqtt]" if config.path else "there is no configuration"
        raise UsageError(f"{where}; say where the broker is: --host NAME")
    settings: MqttSettings = config.section("mqtt")
    return settings


def _watch(broker: Any, *, as_json: bool) -> int:
    from asc_edge.mqtt.fleet import follow

    shown: list[str] | None = None
    try:
        for roster in follow(broker, _WATCH_INTERVAL_S):
            now = datetime.now(UTC)
            rooms = roster.rooms(now)
            lines = [json.dumps([asdict(room) for room in rooms])] if as_json else table(rooms, now)
            if lines != shown:
                if not as_json and sys.stdout.isatty():
                    print(_CLEAR, end="")
                elif not as_json and shown is not None:
                    print()
                print("\n".join(lines), flush=True)
                shown = lines
    except KeyboardInterrupt:
        # The way to end it.
        pass
    return 0


def _clock(time: str, now: datetime) -> str:
    """A time of day here, with the date where it isn't today's."""
    if not time:
        return "-"
    moment = datetime.fromisoformat(time).astimezone()
    return f"{moment:%H:%M}" if moment.date() == now.astimezone().date() else f"{moment:%Y-%m-%d %H:%M}"


def _ago(time: str, now: datetime) -> str:
    if not time:
        return "-"
    return f"{rough_span((now - datetime.fromisoformat(time)).total_seconds())} ago"
