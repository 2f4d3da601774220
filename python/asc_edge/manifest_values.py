"""Values of ``manifest.json``, held against their types; what may be printed is printable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from asc_edge._checks import is_finite_number
from asc_edge.errors import BundleError

__all__ = ["flag", "get", "names", "number", "sha256"]

T = TypeVar("T")


def get(raw: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """The value, which must be there and of this type; a bool is no int.

    Raises
    ------
    BundleError
    """
    value = raw.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "missing" if key not in raw else f"not of type {kind.__name__}"
        raise BundleError(f"manifest: {key} is {found}")
    if isinstance(value, str) and not value.isprintable():
        # It is printed: no control character may reach the terminal that way.
        raise BundleError(f"manifest: {key} is not printable")
    return value


def number(raw: Mapping[str, Any], key: str) -> float:
    """A finite number, whole or not.

    Raises
    ------
    BundleError
    """
    value = raw.get(key)
    if not is_finite_number(value):
        raise BundleError(f"manifest: {key} is not a finite number")
    return float(value)


def names(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of different names, which may be empty.

    Raises
    ------
    BundleError
    """
    values = get(raw, key, list)
    named = all(isinstance(value, str) and value and value.isprintable() for value in values)
    if not named or len(set(values)) != len(values):
        raise BundleError(f"manifest: {key} is not a list of different names")
    return tuple(values)


def sha256(name: str, value: object) -> str:
    """The digest of a file, from its entry in ``files``.

    Raises
    ------
    BundleError
    """
    if not name.isprintable():
        raise BundleError("manifest: the name of a file is not printable")
    digest = value.get("sha256") if isinstance(value, dict) else None
    if not isinstance(digest, str):
        raise BundleError("manifest: a file has no SHA-256")
    return digest


def flag(raw: Mapping[str, Any], key: str) -> bool:
    """True or false, and nothing that only looks like it.

    Raises
    ------
    BundleError
    """
    value = raw.get(key)
    if not isinstance(value, bool):
        raise BundleError(f"manifest: {key} is not true or false")
    return value
