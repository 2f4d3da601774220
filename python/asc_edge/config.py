"""The configuration: a TOML file, environment variables over it, the command line over both.

The settings themselves are dataclasses of the rooms that use them (``config_sections.SECTIONS``). Here values
are found, held against those dataclasses, and traced back to the line, variable or option they came from.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from asc_edge.config_lines import KeyLines, key_lines
from asc_edge.config_sections import SECTIONS, Section
from asc_edge.config_values import MismatchError, from_text, from_toml
from asc_edge.errors import ConfigError

__all__ = [
    "SYSTEM_CONFIG",
    "Config",
    "Given",
    "find_config",
    "is_secret",
    "load_config",
    "read_config",
    "user_config",
]

SYSTEM_CONFIG = Path("/etc/asc-edge/config.toml")
_PREFIX = "ASC_EDGE_"
_SECRET = re.compile(r"(?:^|_)(?:password|token|secret|key)$")


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and who set it.

    Attributes
    ----------
    value : object
    origin : str
        ``FILE:LINE``, the name of a variable, or an option.
    """

    value: Any
    origin: str


class Config:
    """What holds: defaults, and over them whatever was given.

    Attributes
    ----------
    path : Path or None
        The file that was read.
    """

    def __init__(self, path: Path | None, given: Mapping[str, Mapping[str, Given]]) -> None:
        self.path = path
        self._given = given

    def is_on(self, section: str) -> bool:
        """Whether anything was said about a section, its empty table included."""
        return section in self._given

    def section(self, name: str) -> Any:
        """The settings of a section, as its dataclass.

        Raises
        ------
        ConfigError
        """
        values = {key: given.value for key, given in self._given.get(name, {}).items() if key}
        try:
            return SECTIONS[name].make(values)
        except ConfigError as error:
            origin = self._blame(name, str(error))
            raise ConfigError(f"{origin}: {error}" if origin else str(error)) from None

    def as_dict(self) -> dict[str, dict[str, object]]:
        """What holds in the sections that are on, without secrets; plain JSON.

        Raises
        ------
        ConfigError
        """
        shown = {}
        for name, section in SECTIONS.items():
            if section.available and (self.is_on(name) or not section.optional):
                settings = self.section(name)
                shown[name] = {
                    key: getattr(settings, key) for key in section.hints() if not is_secret(section, key)
                }
        return shown

    def origin(self, section: str, key: str) -> str | None:
        """Who set a value; None where it is the default."""
        given = self._given.get(section, {}).get(key)
        return None if given is None else given.origin

    def _blame(self, section: str, message: str) -> str | None:
        """The origin of the value of which a dataclass complains: by its key, else by the value itself."""
        given = self._given.get(section, {})

        def place(text: str) -> int:
            found = re.search(rf"(?<![\w.]){re.escape(text)}(?![\w.]*\w)", message)
            return found.start() if found else len(message)

        named = [key for key in given if key and place(key) < len(message)]
        quoted = [key for key in given if key and place(str(given[key].value)) < len(message)]
        guilty = min(named, key=place) if named else next(iter([*quoted, *given]), None)
        return None if guilty is None else given[guilty].origin


def is_secret(section: Section, key: str) -> bool:
    """Whether a value may not be shown: a password itself, not the name of the file that holds one."""
    hidden = {one.name for one in fields(section.load()) if not one.repr}
    return key in hidden or _SECRET.search(key) is not None


def find_config(option: str | None, environ: Mapping[str, str], system: Path = SYSTEM_CONFIG) -> Path | None:
    """The file that counts: ``--config``, ``$ASC_EDGE_CONFIG``, the user's own, the machine's.

    Returns
    -------
    Path or None
        None where there is none, or ``$ASC_EDGE_CONFIG`` is set but empty, which asks for none.

    Raises
    ------
    ConfigError
        When the one that was asked for isn't there.
    """
    for asked, by in ((option, ""), (environ.get("ASC_EDGE_CONFIG"), "ASC_EDGE_CONFIG: ")):
        if asked:
            if not Path(asked).is_file():
                raise ConfigError(f"{by}{asked}: no such file; asc-edge config init {asked} writes one")
            return Path(asked)
        if asked is not None:
            return None
    return next((place for place in (user_config(environ), system) if place and place.exists()), None)


def user_config(environ: Mapping[str, str]) -> Path | None:
    """Where the user's own file is, or would be; None where there is no home folder."""
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    # A relative XDG_CONFIG_HOME is to be ignored: XDG Base Directory Specification.
    return Path(home, "asc-edge/config.toml") if home.startswith("/") else None


def load_config(
    path: Path | None,
    environ: Mapping[str, str] = os.environ,
    options: Mapping[tuple[str, str], Given] | None = None,
) -> Config:
    """Read the configuration, all of it or nothing.

    Parameters
    ----------
    path : Path or None
        See :func:`find_config`.
    environ : mapping of str to str
    options : mapping of (section, key) to Given, optional
        What the command line sets. An empty key turns the section on.

    Raises
    ------
    ConfigError
        The first thing that is wrong, with its file and line, or its variable.
    """
    config, errors = read_config(path, environ, options)
    if errors:
        more = f" (and {len(errors) - 1} more: asc-edge config check)" if len(errors) > 1 else ""
        raise ConfigError(errors[0] + more)
    return config


def read_config(
    path: Path | None,
    environ: Mapping[str, str] = os.environ,
    options: Mapping[tuple[str, str], Given] | None = None,
) -> tuple[Config, list[str]]:
    """Read the configuration, and everything that is wrong with it; as :func:`load_config`.

    Returns
    -------
    config : Config
        Of what was right.
    errors : list of str
        One line each.
    """
    reader = _Reader()
    if path is not None:
        reader.file(path)
    reader.environment(environ)
    for (section, key), given in (options or {}).items():
        reader.given.setdefault(section, {})[key] = given
    config = Config(path, reader.given)
    # Where a value has no right type, what the section makes of the others says nothing.
    for name in [name for name in reader.given if name not in reader.broken]:
        needed = SECTIONS[name].needs
        try:
            settings = config.section(name)
        except ConfigError as error:
            reader.errors.append(str(error))
        else:
            if needed and not getattr(settings, needed):
                origin = next(iter(reader.given[name].values())).origin
                reader.errors.append(f"{origin}: {name}.{needed} is missing")
    return config, reader.errors


class _Reader:
    """Gathers values and errors, from the weakest layer to the strongest."""

    def __init__(self) -> None:
        self.given: dict[str, dict[str, Given]] = {}
        self.errors: list[str] = []
        self.broken: set[str] = set()

    def file(self, path: Path) -> None:
        try:
            text = path.read_bytes().decode("utf-8")
            document = tomllib.loads(text)
        except OSError as error:
            self.errors.append(f"{path}: can't be read: {error.strerror}")
            return
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self.errors.append(f"{path}:{line}: is not UTF-8, as TOML must be")
            return
        except tomllib.TOMLDecodeError as error:
            self.errors.append(_syntax(path, text, str(error)))
            return
        lines = key_lines(text.replace("\r\n", "\n"))
        for name, table in document.items():
            here = f"{path}:{lines[(name,)]}"
            if name not in SECTIONS:
                self.errors.append(f"{here}: {_unknown_section(name, isinstance(table, dict))}")
            elif not isinstance(table, dict):
                self.errors.append(f"{here}: {name} should be a table, [{name}], and not a value")
                self.broken.add(name)
            else:
                self._table(SECTIONS[name], table, path, lines)

    def _table(self, section: Section, table: dict[str, Any], path: Path, lines: KeyLines) -> None:
        here = f"{path}:{lines[(section.name,)]}"
        # Under an empty key stands who turned the section on.
        given = self.given.setdefault(section.name, {})
        given[""] = Given(None, here)
        hints = self._hints(section, here)
        if hints is None:
            return
        for key, value in table.items():
            self._value(section, key, hints, f"{path}:{lines[section.name, key]}", partial(from_toml, value))

    def environment(self, environ: Mapping[str, str]) -> None:
        for variable, section, key in _settings_in(environ):
            hints = self._hints(section, variable)
            if hints is not None:
                self.given.setdefault(section.name, {})
                self._value(section, key, hints, variable, partial(from_text, environ[variable]))

    def _hints(self, section: Section, origin: str) -> Mapping[str, Any] | None:
        try:
            return section.hints()
        except ConfigError as error:
            if section.name not in self.broken:
                self.errors.append(f"{origin}: {error}")
            self.broken.add(section.name)
            return None

    def _value(
        self,
        section: Section,
        key: str,
        hints: Mapping[str, Any],
        origin: str,
        read: Callable[[Any], Any],
    ) -> None:
        if key not in hints:
            self.errors.append(f"{origin}: {_unknown_key(section, key, hints)}")
            self.broken.add(section.name)
            return
        try:
            self.given[section.name][key] = Given(read(hints[key]), origin)
        except MismatchError as error:
            words = str(error).partition(", not ")[0] if is_secret(section, key) else str(error)
            self.errors.append(f"{origin}: {section.name}.{key} {words}")
            self.broken.add(section.name)


def _settings_in(environ: Mapping[str, str]) -> Iterator[tuple[str, Section, str]]:
    """Variables that name a section, sorted; other ``ASC_EDGE_`` variables are somebody else's."""
    for variable in sorted(environ):
        head, _, key = variable.removeprefix(_PREFIX).partition("_")
        section = SECTIONS.get(head.lower()) if variable.startswith(_PREFIX) and head.isupper() else None
        if section is not None and key:
            yield variable, section, key.lower()


def _syntax(path: Path, text: str, message: str) -> str:
    found = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(found[1]) if found else text.count("\n") + 1
    what = re.sub(r" \(at [^()]*\)$", "", message)
    return f"{path}:{line}: is not TOML: {what}"


def _unknown_section(name: str, is_table: bool) -> str:
    close = get_close_matches(name, SECTIONS, n=1)
    if close:
        return f"unknown section [{name}]; did you mean [{close[0]}]?"
    if is_table:
        return f"unknown section [{name}]; there are {', '.join(SECTIONS)}"
    homes = _homes_of(name)
    return f"{name} stands in no section; " + (f"did you mean [{homes[0]}]?" if homes else "put it under one")


def _unknown_key(section: Section, key: str, hints: Mapping[str, Any]) -> str:
    close = get_close_matches(key, hints, n=1)
    homes = _homes_of(key)
    if close:
        advice = f"did you mean {close[0]}?"
    elif homes:
        advice = f"did you mean the one of [{homes[0]}]?"
    else:
        advice = f"there are {', '.join(hints)}"
    return f"unknown key {section.name}.{key}; {advice}"


def _homes_of(key: str) -> list[str]:
    """Sections that have such a key."""
    return [name for name, section in SECTIONS.items() if section.available and key in section.hints()]
