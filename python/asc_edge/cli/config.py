"""``asc-edge config``: write a configuration file, check one, show what holds."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from asc_edge.cli.options import CONFIG_PLACES, add_command, add_config_option, report
from asc_edge.errors import ConfigError

_EXAMPLES = """\
  asc-edge config init kitchen.toml    every key, its default and its meaning
  asc-edge config check kitchen.toml
  asc-edge config show                 what holds, and where it comes from
"""
_INIT = "Write a commented configuration file with every key and its default."
_CHECK = "Tell whether a configuration file is right, or everything that isn't, one line each."
_SHOW = "Show what holds: defaults, the file, the environment, and which of them set each value."


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "config", "Write, check or show the configuration.", _EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    init = add_command(
        actions, "init", _INIT, "  asc-edge config init\n  asc-edge config init kitchen.toml\n"
    )
    init.add_argument("path", nargs="?", metavar="PATH", help="default: ~/.config/asc-edge/config.toml")
    init.add_argument("--force", action="store_true", help="replace a file that is there")
    init.set_defaults(run=_init)
    check = add_command(actions, "check", _CHECK, "  asc-edge config check /etc/asc-edge/config.toml\n")
    check.add_argument("path", nargs="?", metavar="PATH", help=CONFIG_PLACES)
    check.set_defaults(run=_check)
    show = add_command(actions, "show", _SHOW, "  ASC_EDGE_LISTEN_HOP_S=0.5 asc-edge config show\n")
    add_config_option(show)
    show.set_defaults(run=_show)


def _init(args: argparse.Namespace) -> int:
    from asc_edge.atomic import write_atomically
    from asc_edge.config import user_config
    from asc_edge.config_text import example

    path = Path(args.path) if args.path else user_config(os.environ)
    if path is None:
        raise ConfigError("there is no home folder here; name a file: asc-edge config init PATH")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    if path.exists() and not args.force:
        raise ConfigError(f"{path} is there already; --force replaces it")
    write_atomically(path, example().encode())
    print(f"{path}: written; every key has its default")
    return 0


def _check(args: argparse.Namespace) -> int:
    from asc_edge.config import find_config, read_config

    path = find_config(args.path, os.environ)
    _, errors = read_config(path)
    for error in errors:
        report(error, 2)
    if errors:
        return 2
    print(f"{path or 'no file, all defaults'}: OK")
    return 0


def _show(args: argparse.Namespace) -> int:
    from asc_edge.config import find_config, load_config
    from asc_edge.config_text import shown

    sys.stdout.write(shown(load_config(find_config(args.config, os.environ))))
    return 0
