"""Where the broker is, who we are there, and how our topics are called."""

from __future__ import annotations

import dataclasses
import math
import re
import socket
import stat
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asc_edge.errors import ConfigError

__all__ = ["MqttSettings", "identifier"]

DEFAULT_ROOM = "home"
PORT, TLS_PORT = 1883, 8883


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Settings of the MQTT sink; empty texts mean the default.

    Attributes
    ----------
    host : str
        The broker's name or address. Empty: no MQTT.
    port : int in 1..65535
    username : str
        Empty: the broker lets everybody in.
    password_file : str
        File that holds the password and nothing else, for its owner's eyes (and perhaps a group's) alone. It
        is read at every attempt to connect.
    tls : bool
    ca_file : str
        Certificates (PEM) of who may vouch for the broker; by default those that the system trusts.
    client_id : str
        By default made of node and room. It must stay the same, so that a broker knows a runner that is back.
    node : str
        This machine; its host name by default.
    room : str
        ``home`` by default.
    topic_prefix : str
        First levels of all topics.
    discovery_prefix : str
        Home Assistant's; empty: announce nothing.
    expire_after_s : float >= 10
        After how long without news Home Assistant takes a state for unknown. News come three times as often.

    Raises
    ------
    ConfigError
        Which names the field.
    """

    host: str = ""
    port: int = PORT
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    client_id: str = ""
    node: str = ""
    room: str = ""
    topic_prefix: str = "asc-edge"
    discovery_prefix: str = "homeassistant"
    expire_after_s: float = 60.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), str(field.type))
        if self.host and not re.fullmatch(r"[A-Za-z0-9_.:-]+", self.host):
            raise ConfigError(f"mqtt: host {self.host!r} is no host name or address")
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"mqtt: port {self.port} is not in 1..65535")
        if not (math.isfinite(self.expire_after_s) and 10.0 <= self.expire_after_s <= 86400.0):
            raise ConfigError(f"mqtt: expire_after_s {self.expire_after_s!r} is not in 10..86400")
        if self.password_file and not self.username:
            raise ConfigError("mqtt: password_file needs a username, too")
        if self.ca_file and not self.tls:
            raise ConfigError("mqtt: ca_file is for TLS; set tls to true, or leave it out")
        for name in ("node", "room"):
            _check_level(name, getattr(self, name))
        _check_prefix("topic_prefix", self.topic_prefix)
        if self.discovery_prefix:
            _check_prefix("discovery_prefix", self.discovery_prefix)

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> MqttSettings:
        """Settings from a configuration file's table; with TLS and no port, it is 8883.

        Raises
        ------
        ConfigError
            For a field that there isn't, too.
        """
        unknown = sorted(table.keys() - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise ConfigError(f"mqtt: there is no setting {unknown[0]!r}")
        port = {"port": TLS_PORT} if table.get("tls") is True else {}
        return cls(**{**port, **table})  # type: ignore[arg-type]

    @property
    def node_name(self) -> str:
        """The node's topic level."""
        return self.node or re.sub(r"[/+#\x00-\x20]", "-", socket.gethostname()) or "node"

    @property
    def room_name(self) -> str:
        """The room's topic level."""
        return self.room or DEFAULT_ROOM

    @property
    def base_topic(self) -> str:
        """What all topics of this room begin with."""
        return f"{self.topic_prefix}/{self.node_name}/{self.room_name}"

    @property
    def device_id(self) -> str:
        """Names this room of this node among all devices of a home."""
        return f"asc-edge_{identifier(self.node_name)}--{identifier(self.room_name)}"

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    def password(self) -> str:
        """The password, from its file; empty where there is none.

        Raises
        ------
        ConfigError
            When the file can't be read, holds nothing, or is readable for everybody.
        """
        if not self.password_file:
            return ""
        path = Path(self.password_file).expanduser()
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o007:
                raise ConfigError(f"mqtt: password_file {path} is open to everybody; chmod 600 {path}")
            password = path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ConfigError(f"mqtt: can't read password_file {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"mqtt: password_file {path} is not a text in UTF-8") from None
        if not password:
            raise ConfigError(f"mqtt: password_file {path} is empty")
        return password


def identifier(text: str) -> str:
    """A name in letters, digits, ``_`` and ``-``, as Home Assistant wants it; different for different texts.

    Examples
    --------
    >>> identifier("living room")
    'living_room'
    >>> identifier("Küche")
    'Kuche_3924'
    """
    spaced = text.replace(" ", "_")
    if re.fullmatch(r"[A-Za-z0-9_-]+", spaced):
        return spaced
    ascii_text = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    bare = re.sub(r"[^A-Za-z0-9_-]+", "_", ascii_text).strip("_")
    return f"{bare}_{zlib.crc32(text.encode()) & 0xFFFF:04x}".lstrip("_")


def _check_type(name: str, value: object, expected: str) -> None:
    kinds: tuple[type, ...] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}[expected]
    if not isinstance(value, kinds) or (isinstance(value, bool) and expected != "bool"):
        what = {"str": "text", "int": "whole number", "bool": "true or false", "float": "number"}[expected]
        raise ConfigError(f"mqtt: {name} {value!r} is not a {what}")
    if isinstance(value, str) and (len(value) > 500 or not value.isprintable()):
        raise ConfigError(f"mqtt: {name} is too long, or holds characters that can't be printed")


def _check_level(name: str, value: str) -> None:
    if re.search(r"[/+#$]", value) or value != value.strip():
        raise ConfigError(f"mqtt: {name} {value!r} can't be part of a topic: no / + # $, no space at an end")


def _check_prefix(name: str, value: str) -> None:
    if not value or re.search(r"[+#$\s]|^/|//|/$", value):
        raise ConfigError(f"mqtt: {name} {value!r} is no topic: no + # $ or spaces, no empty level")
