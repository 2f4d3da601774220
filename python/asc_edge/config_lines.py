"""In which line of a TOML file a key stands: what ``tomllib`` reads but doesn't tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

__all__ = ["KeyLines", "key_lines"]

Path = tuple[str, ...]
KeyLines = dict[Path, int]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
# Between values of an array or an inline table, newlines and comments are space, too.
_WIDE_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
# A string of any of the four kinds. Up to two quotes may stand directly before the three that end a long one.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
# Numbers, dates and booleans: whatever ends at a comma, a bracket, a comment or the line.
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> KeyLines:
    """Find where keys and tables are named first.

    Parameters
    ----------
    text : str
        A document that ``tomllib`` has read without an error; of others the answer means nothing.

    Returns
    -------
    dict of tuple of str to int
        Line numbers from 1. The path is that of the nested dictionaries: ``[a]`` with ``b.c = 1`` gives
        ``("a",)``, ``("a", "b")`` and ``("a", "b", "c")``. Keys of tables within an array stand under the
        array's own path.

    Examples
    --------
    >>> key_lines("[a]\\nb.c = 1\\nd = {e = 2}")
    {('a',): 1, ('a', 'b'): 2, ('a', 'b', 'c'): 2, ('a', 'd'): 3, ('a', 'd', 'e'): 3}
    """
    return _Scanner(text).document()


class _Scanner:
    """Walks once through a valid document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: KeyLines = {}

    def document(self) -> KeyLines:
        table: Path = ()
        while True:
            self._skip(_WIDE_SPACE)
            if self._at >= len(self._text):
                return self._lines
            if self._peek() == "[":
                brackets = 2 if self._text.startswith("[[", self._at) else 1
                self._at += brackets
                table = self._key(())
                self._at += brackets
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self, table: Path) -> Path:
        """Read a dotted key, and stop behind the space that follows it."""
        path = table
        while True:
            self._skip(_SPACE)
            line = self._text.count("\n", 0, self._at) + 1
            path = (*path, self._part())
            self._lines.setdefault(path, line)
            self._skip(_SPACE)
            if self._peek() != ".":
                return path
            self._at += 1

    def _part(self) -> str:
        if self._peek() in "\"'":
            quoted = self._skip(_STRING)
            return str(tomllib.loads(f"x = {quoted}")["x"])
        return self._skip(_BARE_KEY, needed=True)

    def _value(self, path: Path) -> None:
        if self._peek() == "{":
            self._items("}", lambda: self._pair(path))
        elif self._peek() == "[":
            self._items("]", lambda: self._value(path))
        elif self._peek() in "\"'":
            self._skip(_STRING, needed=True)
        else:
            self._skip(_BARE_VALUE, needed=True)

    def _items(self, end: str, item: Callable[[], None]) -> None:
        self._at += 1
        while True:
            self._skip(_WIDE_SPACE)
            if self._peek() == end:
                self._at += 1
                return
            if self._peek() == ",":
                self._at += 1
            else:
                item()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str], *, needed: bool = False) -> str:
        found = pattern.match(self._text, self._at)
        if found is None or (needed and not found[0]):
            # Never on what tomllib takes; without it a mistake here would never end.
            raise ValueError(f"no TOML at character {self._at}")
        self._at = found.end()
        return found[0]
