"""Where the history lies, and how much of it is kept."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asc_edge.errors import ConfigError

__all__ = ["HistorySettings", "default_path"]

FILE_NAME = "history.db"


@dataclass(frozen=True)
class HistorySettings:
    """Where the history lies, and how much of it is kept.

    Attributes
    ----------
    path : str
        The database; empty is the platform's place for it (:func:`default_path`).
    keep_days : float > 0
        What ended earlier than so many days ago is deleted.
    max_mb : float >= 1
        When the file holds more megabytes (of 10^6 bytes), the oldest is deleted.

    Raises
    ------
    ConfigError
        Naming the field that can't work.
    """

    path: str = ""
    keep_days: float = 365.0
    max_mb: float = 512.0

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or "\0" in self.path:
            raise ConfigError(f"history path is {self.path!r}: give the name of a file")
        for name, low in (("keep_days", 0.0), ("max_mb", 1.0)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < low or value == 0:
                at_least = f"a number of at least {low:g}" if low else "a number above 0"
                raise ConfigError(f"history {name} is {value!r}: give {at_least}")

    @property
    def file(self) -> Path:
        """The database's file."""
        return Path(self.path).expanduser() if self.path else default_path()


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the history lies when nobody says so.

    In the folder that systemd made for the service (``STATE_DIRECTORY``), else in the user's own for what
    programs keep (``XDG_STATE_HOME``, by default ``~/.local/state``).

    Parameters
    ----------
    environment : mapping, optional
        The process's own by default.
    """
    environment = os.environ if environment is None else environment
    # systemd separates several folders by colons.
    service = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if service:
        return Path(service) / FILE_NAME
    state = Path(environment.get("XDG_STATE_HOME", ""))
    # The XDG specification: a relative path is no answer.
    if not state.is_absolute():
        state = Path("~/.local/state").expanduser()
    return state / "asc-edge" / FILE_NAME
