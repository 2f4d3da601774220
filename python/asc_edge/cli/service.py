"""``asc-edge service``: listen from now on, also after a reboot, as a service of systemd."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command

if TYPE_CHECKING:
    from asc_edge.service.install import Installer

_EXAMPLES = """\
  sudo asc-edge service install        configuration, unit, and off it goes
  sudo asc-edge service install --device usb-id:2886:0018
  asc-edge service status
  asc-edge service unit                what would be written
  sudo asc-edge service remove         history and configuration stay
"""
_ACTIONS = {
    "install": "Write the unit, and a configuration where there is none; enable and start it.",
    "status": "Tell how the service is, what it does, and when it last gave a sign of life.",
    "remove": "Stop the service and take its unit away; history and configuration stay.",
    "unit": "Print the unit that install would write.",
}


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "service", "Listen as a service of systemd.", _EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in _ACTIONS.items():
        examples = [line for line in _EXAMPLES.splitlines(keepends=True) if f"service {name}" in line]
        action = add_command(actions, name, summary, "".join(examples))
        if name != "status":
            action.add_argument(
                "--config",
                default="/etc/asc-edge/config.toml",
                metavar="FILE",
                help="its configuration, default: %(default)s",
            )
            action.add_argument(
                "--root", default="/", metavar="DIR", help="of a system that isn't running, an SD card's say"
            )
        if name in ("install", "unit"):
            action.add_argument(
                "--device", default="", metavar="X", help="a microphone's id (see: asc-edge devices)"
            )
            action.add_argument(
                "--user-name",
                default="",
                metavar="NAME",
                help="an existing user to run as (default: one made up by systemd for as long as it runs)",
            )
        if name in ("install", "remove"):
            action.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        action.set_defaults(run=_status if name == "status" else _act)


def _act(args: argparse.Namespace) -> int:
    installer = _installer(args)
    if args.action == "unit":
        sys.stdout.write(installer.unit())
    elif args.action == "install":
        installer.install()
    else:
        installer.remove()
    return 0


def _installer(args: argparse.Namespace) -> Installer:
    from asc_edge.service.install import Installer

    return Installer(
        config=Path(args.config),
        device=getattr(args, "device", ""),
        user=getattr(args, "user_name", ""),
        root=Path(args.root).absolute(),
        dry_run=getattr(args, "dry_run", False),
    )


def _status(args: argparse.Namespace) -> int:
    from asc_edge.service.status import is_running, properties, status_lines

    found = properties()
    print("\n".join(status_lines(found)))
    return 0 if is_running(found) else 1
