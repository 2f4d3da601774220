"""The sections of the configuration: which settings each has, and who opens what it configures."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import Any, Literal, get_type_hints

from asc_edge.errors import ConfigError

__all__ = ["SECTIONS", "ListenSettings", "LogSettings", "Section", "available_sections"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """What decides, how often, and how it is written to standard output.

    Attributes
    ----------
    bundle : str
        The trained system: a path, or the name of a built-in one.
    hop_s : float > 0
        Time between two decisions. Not set, it is the bundle's own.
    channels_as : {"each", "quietest"}
        How microphones become one decision: each is answered for, or the lowest of each cell of their
        pictures, which costs the networks of one microphone only.
    format : {"text", "jsonl", "none"}
        For people, for programs (a JSON object a line), or nothing at all.
    """

    bundle: str = "home"
    hop_s: float | None = field(default=None, metadata={"example": 1.0})
    channels_as: Literal["each", "quietest"] = "each"
    format: Literal["text", "jsonl", "none"] = "text"

    def __post_init__(self) -> None:
        if not self.bundle:
            raise ConfigError("listen.bundle is empty; give a path, or a built-in bundle's name such as home")
        if self.hop_s is not None and not (math.isfinite(self.hop_s) and self.hop_s > 0):
            raise ConfigError(f"listen.hop_s {self.hop_s} is not a number of seconds above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Where it is written down when a microphone, a broker or a disk is lost and when it is back.

    Attributes
    ----------
    to : {"auto", "journal", "prefix", "plain"}
        The journal's own protocol, lines with a priority in front (<4>) for other service managers, or plain
        lines on standard error. The first of them that fits, by default.
    activities : bool
        Whether activities that begin or end are written there, too, when a service manager keeps the log. It
        is a diary of the home: leave it off where others may read the journal.
    """

    to: Literal["auto", "journal", "prefix", "plain"] = "auto"
    activities: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the file.

    Attributes
    ----------
    name : str
    module, settings : str
        Where its dataclass is, imported when it is asked for.
    opener : (module, function) or None
        Opens the sink that it configures. Such a section is on when anything is set in it, the header of an
        empty table included.
    needs : str, optional
        A key without which it can't be on.
    """

    name: str
    module: str
    settings: str
    opener: tuple[str, str] | None = None
    needs: str = ""

    @property
    def optional(self) -> bool:
        """Whether what it configures is off unless it is asked for."""
        return self.opener is not None

    @property
    def available(self) -> bool:
        """Whether this installation has it."""
        return find_spec(self.module) is not None

    def load(self) -> type[Any]:
        """Import the dataclass.

        Raises
        ------
        ConfigError
            Where this installation hasn't got it.
        """
        try:
            loaded: type[Any] = getattr(importlib.import_module(self.module), self.settings)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"[{self.name}] can't be used in this installation: {error}") from None
        return loaded

    def hints(self) -> Mapping[str, Any]:
        """The type of each key, in the order of the dataclass."""
        settings = self.load()
        hints = get_type_hints(settings)
        return {one.name: hints[one.name] for one in fields(settings) if one.init}

    def make(self, values: Mapping[str, Any]) -> Any:
        """The settings with these values, and its defaults for the others.

        Raises
        ------
        ConfigError
        """
        settings = self.load()
        # For defaults that depend on other values.
        return getattr(settings, "from_table", lambda table: settings(**table))(values)

    def open(self, settings: object, report: Callable[[str], None], **more: object) -> Any:
        """Open the sink. It has a thread of its own for whatever may block.

        Parameters
        ----------
        settings : dataclass
        report : callable
            Told in one line when something is lost, and when it is back.
        more
            What this sink takes besides.

        Raises
        ------
        ConfigError
            Where this installation hasn't got it.
        AscEdgeError
            What the sink itself says.
        """
        assert self.opener is not None
        module, function = self.opener
        try:
            opener = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"[{self.name}] can't be used in this installation: {error}") from None
        return opener(settings, report, **more)


_ALL = (
    Section("input", "asc_edge.audio.input_settings", "InputSettings"),
    Section("listen", "asc_edge.config_sections", "ListenSettings"),
    Section("events", "asc_edge.events", "EventRules"),
    Section("history", "asc_edge.store", "HistorySettings", ("asc_edge.sinks.history", "open_history")),
    Section("mqtt", "asc_edge.mqtt", "MqttSettings", ("asc_edge.sinks.mqtt", "open_mqtt"), needs="host"),
    Section("web", "asc_edge.web", "WebSettings", ("asc_edge.web", "open_web")),
    Section("log", "asc_edge.config_sections", "LogSettings"),
)
SECTIONS: Mapping[str, Section] = {section.name: section for section in _ALL}


def available_sections() -> list[Section]:
    """Those that this installation has."""
    return [section for section in SECTIONS.values() if section.available]
