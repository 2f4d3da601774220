"""Sections that stand in for those of the rooms that open a database, a broker or a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from asc_edge.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySettings:
    """Where activities are kept.

    Attributes
    ----------
    path : str
        The database. Empty leaves the place to the program.
    keep_days : int >= 1
        How long.
    """

    path: str = ""
    keep_days: int = 365

    def __post_init__(self) -> None:
        if self.keep_days < 1:
            raise ConfigError(f"history.keep_days {self.keep_days} is not a number of days from 1 on")

    @property
    def file(self) -> Path:
        return Path(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Which broker is told.

    Attributes
    ----------
    host : str
        Its name or address.
    port : int in 1..65535
    password : str
        What it asks for.
    password_file : str
        A file that holds it.
    tls : bool
        Whether to talk in secret.
    topics : tuple of str
        What to tell.
    expire_s : dict of str to float
        When what was told is old, for each topic.
    """

    host: str = ""
    port: int = 1883
    password: str = ""
    password_file: str = ""
    tls: bool = False
    topics: tuple[str, ...] = ("a", "b")
    expire_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"mqtt.port {self.port} is not in 1..65535")
        if self.password and self.password_file:
            raise ConfigError("mqtt: password and password_file are both given; one is enough")

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> MqttSettings:
        """With TLS the usual port is another one."""
        return cls(**{**({"port": 8883} if table.get("tls") else {}), **table})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the page is served.

    Attributes
    ----------
    host : str
        The address to serve it at.
    port : int
        And the port.
    """

    host: str = "127.0.0.1"
    port: int = 8420


@dataclass
class FakeSink:
    """Keeps what it gets."""

    settings: Any
    report: Callable[[str], None]
    more: dict[str, Any]
    got: list[tuple[str, Any]] = field(default_factory=list)

    def _take(self, kind: str, line: Any) -> None:
        self.got.append((kind, line))

    def start(self, line: Any) -> None:
        self._take("start", line)

    def decision(self, line: Any) -> None:
        self._take("decision", line)

    def event(self, line: Any) -> None:
        self._take("event", line)

    def notice(self, line: Any) -> None:
        self._take("notice", line)

    def stats(self, line: Any) -> None:
        self._take("stats", line)


def install(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeSink]:
    """Put the stand-ins where the real ones are looked for; gives the sinks that are opened, by section."""
    opened: dict[str, FakeSink] = {}

    def opener(name: str) -> Callable[[Any, Any], FakeSink]:
        def open_one(settings: Any, report: Any, **more: Any) -> FakeSink:
            opened[name] = FakeSink(settings, report, more)
            return opened[name]

        return open_one

    for module, names in {
        "asc_edge.store": {"HistorySettings": HistorySettings},
        "asc_edge.sinks.history": {"open_history": opener("history")},
        "asc_edge.mqtt": {"MqttSettings": MqttSettings},
        "asc_edge.sinks.mqtt": {"open_mqtt": opener("mqtt")},
        "asc_edge.web": {"WebSettings": WebSettings, "open_web": opener("web")},
    }.items():
        fake = ModuleType(module)
        fake.__spec__ = ModuleSpec(module, None)
        for name, value in names.items():
            setattr(fake, name, value)
        monkeypatch.setitem(sys.modules, module, fake)
    return opened
