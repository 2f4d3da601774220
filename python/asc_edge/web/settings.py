"""Where the page is served, and who may look."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from asc_edge._checks import is_whole
from asc_edge.errors import ConfigError

__all__ = ["WebSettings", "is_loopback", "read_token", "readable_by_others"]

MIN_TOKEN_LENGTH = 16
_MAKE_TOKEN = "make one: (umask 077; head -c 24 /dev/urandom | base64 > web-token)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the page is served.

    Attributes
    ----------
    host : str
        Address to listen at: an IP address, or ``localhost``. Only this machine reaches the default;
        ``0.0.0.0`` is every network that it is in.
    port : int
        0 takes a free one.
    token_file : str
        File whose first line those who want to look must know; needed where others reach the host.

    Raises
    ------
    ConfigError
        When a value can't work; names the field.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    token_file: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not _is_address(self.host):
            raise ConfigError(f"web.host is {self.host!r}: give an IP address or localhost")
        if not is_whole(self.port) or not 0 <= self.port <= 65535:
            raise ConfigError(f"web.port is {self.port!r}: give a whole number from 0 to 65535")
        if not isinstance(self.token_file, str):
            raise ConfigError(f"web.token_file is {self.token_file!r}: give the path of a file")
        if not self.token_file and not is_loopback(self.host):
            raise ConfigError(
                f"web.token_file is missing, and others reach web.host {self.host}: {_MAKE_TOKEN}"
            )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, which nobody else can mean or reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: str) -> str:
    """The token in a file: its first line.

    Raises
    ------
    ConfigError
        When the file can't be read, or the token is short enough to be guessed.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"web.token_file {path} can't be read: {reason}; {_MAKE_TOKEN}") from None
    token = lines[0].strip() if lines else ""
    if len(token) < MIN_TOKEN_LENGTH:
        raise ConfigError(
            f"web.token_file {path} holds {len(token)} characters in its first line, "
            f"{MIN_TOKEN_LENGTH} are needed; {_MAKE_TOKEN}"
        )
    return token


def readable_by_others(path: str) -> bool:
    """Whether every user of this machine may read a file."""
    return bool(Path(path).expanduser().stat().st_mode & 0o004)
