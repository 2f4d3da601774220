"""Options and helpers that several commands share. Imports nothing heavy at the top."""

from __future__ import annotations

import argparse
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from asc_edge.errors import UsageError
from asc_edge.text import printable_line
from asc_edge.version import __version__

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle

DEFAULT_BUNDLE = "home"
CONFIG_PLACES = "default: $ASC_EDGE_CONFIG, ~/.config/asc-edge/config.toml, /etc/asc-edge/config.toml"
# After a bundle's name: what was taught to it on this device.
TAUGHT_SUFFIX = "+taught"


class _Parser(argparse.ArgumentParser):
    """Says in one line what was wrong, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help shows how)")


def make_parser(prog: str, description: str, examples: str) -> argparse.ArgumentParser:
    """The parser of a whole program, with ``--version``, and with examples under its help."""
    parser = _Parser(
        prog=prog,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{prog} {__version__}")
    return parser


def report(message: str, code: int, prog: str = "asc-edge") -> int:
    """Write an error as one line, and give back the exit code."""
    if sys.stderr is not None:
        # Damaged files are quoted in it: no control character of theirs may reach the terminal.
        print(f"{prog}: error: {printable_line(message)}", file=sys.stderr)
    return code


def report_unexpected(error: Exception, prog: str = "asc-edge") -> int:
    """Write an error that nobody foresaw as one line, and give back the exit code."""
    kind = "" if isinstance(error, OSError) else f"unexpected {type(error).__name__}: "
    return report(f"{kind}{error} (ASC_EDGE_DEBUG=1 shows where)", 1, prog)


def forget_output() -> None:
    """Send what is still buffered nowhere: Python must not try to flush it at exit."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def add_command(commands: Any, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """Add a command whose help ends in examples."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_bundle_option(parser: argparse.ArgumentParser, default: str | None = DEFAULT_BUNDLE) -> None:
    """``--bundle``; a command that reads a configuration wants to know whether it was given: default None."""
    parser.add_argument(
        "--bundle",
        default=default,
        metavar="FILE",
        help=f"the trained system: a path, or the name of a built-in one (default: {DEFAULT_BUNDLE})",
    )


def add_config_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=CONFIG_PLACES,
    )


def add_channels_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channels",
        metavar="1,2,...",
        help="which channels are microphones, counted from 1 (default: all); arrays often add a mixed one",
    )


def add_channels_as_option(parser: argparse.ArgumentParser, default: str | None = "each") -> None:
    parser.add_argument(
        "--channels-as",
        choices=("each", "quietest"),
        default=default,
        help="answer for each microphone and take the mean (default), or for one picture, the lowest of each "
        "cell, which costs the networks of one microphone only",
    )


def parse_channels(text: str | None) -> tuple[int, ...] | None:
    """Indices (from 0) that ``--channels`` asks for; None where it wasn't given.

    Raises
    ------
    ChannelMapError
    """
    from asc_edge.audio.channels import parse_channel_map

    return None if text is None else parse_channel_map(text)


def positive_number(text: str) -> float:
    """Argument type: a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def host_and_port(text: str) -> tuple[str, int | None]:
    """Argument type: ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``; None for a port that isn't given."""
    host, colon, digits = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.endswith("]")):
        # No port: a name, an address, or an IPv6 address without its brackets.
        host, digits = text, ""
    host = host.removeprefix("[").removesuffix("]")
    port = int(digits) if digits.isascii() and digits.isdecimal() else 0
    if not host or (colon and host != text.strip("[]") and not 0 < port < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST or HOST:PORT, for instance 192.168.1.5:1883")
    return host, port or None


def open_bundle(name: str) -> Bundle:
    """Open a bundle by path, or a built-in one by its bare name.

    ``home+taught`` is what was taught to ``home`` on this device.

    Raises
    ------
    BundleError
    TeachingError
        When nothing was taught to it on this device.
    """
    from importlib.resources import as_file

    from asc_edge.bundle import Bundle, built_in_bundles

    if name.endswith(TAUGHT_SUFFIX) and not Path(name).is_file():
        from asc_edge.teaching.lessons import taught_bundle

        return Bundle.open(taught_bundle(open_bundle(name.removesuffix(TAUGHT_SUFFIX))))
    if Path(name).name == name and not Path(name).is_file():
        built_in = built_in_bundles().get(name)
        if built_in is not None:
            with as_file(built_in) as path:
                return Bundle.open(path)
    return Bundle.open(name)
