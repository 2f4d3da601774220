"""Values of the configuration: held against the type of their key, read from text, and written as TOML."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["MismatchError", "describe", "from_text", "from_toml", "is_mapping", "to_toml"]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class MismatchError(Exception):
    """A value is not of its key's type. The message says what it should be, and goes on after the key."""


def describe(hint: Any) -> str:
    """What a key takes, in words."""
    hint = _without_none(hint)
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(hint))
    if is_mapping(hint):
        return f"a table in which each value is {describe(get_args(hint)[1])}"
    if _is_list(hint):
        return f"a list of which each part is {describe(get_args(hint)[0])}"
    return _NAMES.get(hint, str(hint))


def from_toml(value: object, hint: Any) -> Any:
    """The value as the dataclass wants it.

    Raises
    ------
    MismatchError
    """
    hint = _without_none(hint)
    if get_origin(hint) is Literal and value in get_args(hint) and not isinstance(value, bool):
        return value
    if is_mapping(hint) and isinstance(value, Mapping):
        return {key: from_toml(one, get_args(hint)[1]) for key, one in value.items()}
    if _is_list(hint) and isinstance(value, list):
        parts = [from_toml(one, get_args(hint)[0]) for one in value]
        return tuple(parts) if get_origin(hint) is tuple else parts
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise MismatchError(f"should be a finite number, not {value}")
        return float(value)
    # A bool is an int to Python, and 1.0 is no channel count.
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise MismatchError(f"should be {describe(hint)}, not {_shown(value)}")


def from_text(text: str, hint: Any) -> Any:
    """The value that an environment variable holds; lists and tables as ``a,b`` and ``key=value,key=value``.

    Raises
    ------
    MismatchError
    """
    plain = _without_none(hint)
    if plain is not hint and not text:
        return None
    if is_mapping(plain):
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise MismatchError(f"should be like key=value,key=value, not {_shown(text)}")
        return {key.strip(): from_text(value.strip(), get_args(plain)[1]) for key, _, value in pairs}
    if _is_list(plain):
        parts = [from_text(part.strip(), get_args(plain)[0]) for part in text.split(",") if part.strip()]
        return tuple(parts) if get_origin(plain) is tuple else parts
    value: object = text
    if plain is bool and text.lower() in _TRUE + _FALSE:
        value = text.lower() in _TRUE
    elif plain in (int, float):
        try:
            value = plain(text)
        except ValueError:
            value = text
    return from_toml(value, plain)


def to_toml(value: object) -> str:
    """A value as TOML writes it; two documents with the same values are the same text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Among JSON's escapes there is none that TOML lacks, but a lone DEL must be escaped, too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(str(key))} = {to_toml(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return str(value)


def is_mapping(hint: Any) -> bool:
    """Whether a key's type is a table, perhaps one that may be left out."""
    origin = get_origin(_without_none(hint))
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_list(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _without_none(hint: Any) -> Any:
    """``X`` of ``X | None``: TOML has no null, what isn't set is left out."""
    if get_origin(hint) in (Union, types.UnionType):
        others = [one for one in get_args(hint) if one is not type(None)]
        if len(others) == 1:
            return others[0]
    return hint


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, bool | int | float):
        return to_toml(value)
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list) else f"the {type(value).__name__} {value}"
