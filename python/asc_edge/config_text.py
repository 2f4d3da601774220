"""The configuration as text: a commented example, and what holds now. Both are drawn from the dataclasses."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Collection
from dataclasses import MISSING, Field, fields
from typing import Any

from asc_edge.config import Config, is_secret
from asc_edge.config_sections import Section, available_sections
from asc_edge.config_values import describe, to_toml

__all__ = ["example", "field_docs", "shown"]

_WIDTH = 100
_UNITS = {
    "s": "seconds",
    "ms": "milliseconds",
    "h": "hours",
    "days": "days",
    "mb": "megabytes",
    "hz": "hertz",
    "db": "decibels",
}
_HEAD = """\
# Configuration of asc-edge. Each key stands here with its default: take the # away to change it.
# ASC_EDGE_SECTION_KEY in the environment goes before what stands here, and the command line before both.
# asc-edge config check tells whether all is right, asc-edge config show what holds.
"""


def example(turned_on: Collection[str] = ()) -> str:
    """A configuration file that says everything that can be said in one.

    Parameters
    ----------
    turned_on : collection of str
        Optional sections whose header is not commented out.

    Returns
    -------
    str
        TOML in which every key is commented out, so that it changes nothing but what is turned on.
    """
    parts = [_HEAD]
    for section in available_sections():
        off = section.optional and section.name not in turned_on
        lines = _comment(_summary(section.load()))
        if off:
            lines += _comment("Off: take the # off the next line to turn it on.")
        lines += ["# [" + section.name + "]" if off else f"[{section.name}]"]
        docs, hints = field_docs(section.load()), section.hints()
        for one in fields(section.load()):
            if one.name in hints:
                lines += ["", *_key(one, hints[one.name], *docs.get(one.name, ("", "")))]
        parts.append("\n".join(lines) + "\n")
    return "\n\n".join(parts)


def shown(config: Config) -> str:
    """What holds, as TOML, and behind each value where it comes from; secrets are hidden.

    Raises
    ------
    ConfigError
    """
    parts = [f"# {config.path}" if config.path else "# no file; asc-edge config init writes one"]
    for section in available_sections():
        if section.optional and not config.is_on(section.name):
            parts.append(f"# [{section.name}] is off")
            continue
        settings = config.section(section.name)
        rows = [_row(config, section, key, getattr(settings, key)) for key in section.hints()]
        width = max((len(value) for value, _ in rows), default=0)
        lines = [f"{value.ljust(width)}  # {origin}" for value, origin in rows]
        parts.append("\n".join([f"[{section.name}]", *lines]))
    return "\n\n".join(parts) + "\n"


def field_docs(settings: type[Any]) -> dict[str, tuple[str, str]]:
    """Type and meaning of each attribute, as the dataclass's docstring (numpydoc) tells them."""
    text = inspect.getdoc(settings) or ""
    _, found, body = text.partition("\nAttributes\n----------\n")
    docs: dict[str, tuple[str, str]] = {}
    if not found:
        return docs
    # The next section's title stands above a line of dashes.
    body = re.split(r"\n[^\n]+\n-{3,}\n", body)[0]
    for entry in re.split(r"\n(?=\S)", body):
        head, _, meaning = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        # References and literals of the docstring's markup are plain words here.
        words = re.sub(r"(?::\w+:)?`+([^`]+)`+", r"\1", " ".join(meaning.split()))
        docs |= {name.strip(): (kind.strip(), words) for name in names.split(",")}
    return docs


def _summary(settings: type[Any]) -> str:
    text = (inspect.getdoc(settings) or settings.__name__).partition("\nAttributes\n")[0]
    return " ".join(text.split())


def _key(one: Field[Any], hint: Any, kind: str, meaning: str) -> list[str]:
    default = one.default
    if default is MISSING and one.default_factory is not MISSING:
        default = one.default_factory()
    facts = [kind or describe(hint)]
    unit = _UNITS.get(one.name.rpartition("_")[2]) if "_" in one.name else None
    if unit:
        facts.append(f"in {unit}")
    facts.append("not set by default" if default is None else f"default {to_toml(default)}")
    sample = one.metadata.get("example", "") if default is None else default
    return [
        *_comment(meaning),
        *_comment("; ".join(facts)),
        f"# {one.name} = {'' if sample == '' and default is None else to_toml(sample)}".rstrip(),
    ]


def _comment(text: str) -> list[str]:
    # Two signs tell an explanation from a line that only waits for its sign to be taken away.
    return [f"## {line}" for line in textwrap.wrap(text, _WIDTH - 3, break_on_hyphens=False)]


def _row(config: Config, section: Section, key: str, value: object) -> tuple[str, str]:
    origin = config.origin(section.name, key) or "default"
    if value is None:
        return f"# {key} is not set", origin
    if value != "" and is_secret(section, key):
        return f"# {key} is hidden", origin
    return f"{key} = {to_toml(value)}", origin
