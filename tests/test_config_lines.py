"""Line numbers of keys in TOML, which tomllib doesn't give."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asc_edge.config_lines import key_lines

TRICKY = '''\
# [not] = a table
[a] # comment with [brackets] = and "quotes
b."c.d" = """ [no]
x = 1 \\""" """"" # y
'e f'.g = [1, 2, # ]
  {h = 'a#b', i = "}"},
]
k = \'\'\'
[z.no]
it''s\'\'\'\'
l = { m.n = 1, "o" = [ { p = 2 } ] }

[[z.y]]
k=1979-05-27 07:32:00
[z.x]
k = 1.5e3
"" = true
"\\u0061b" = -inf
'''


def _paths(value: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every key of a document; tables within arrays stand under the array's path."""
    found = set()
    if isinstance(value, dict):
        for key, one in value.items():
            found |= {(*path, key)} | _paths(one, (*path, key))
    elif isinstance(value, list):
        for one in value:
            found |= _paths(one, path)
    return found


# Catches: brackets, quotes, signs and newlines in strings, comments and arrays that are taken for structure.
def test_every_key_is_found_where_it_stands() -> None:
    lines = key_lines(TRICKY)
    assert set(lines) == _paths(tomllib.loads(TRICKY))
    where = {".".join(path): line for path, line in lines.items()}
    assert where == {
        **{"a": 2, "a.b": 3, "a.b.c.d": 3, "a.e f": 5, "a.e f.g": 5, "a.e f.g.h": 6, "a.e f.g.i": 6},
        **{"a.k": 8, "a.l": 11, "a.l.m": 11, "a.l.m.n": 11, "a.l.o": 11, "a.l.o.p": 11},
        **{"z": 13, "z.y": 13, "z.y.k": 14, "z.x": 15, "z.x.k": 16, "z.x.": 17, "z.x.ab": 18},
    }


# Catches: the line of the second mention, where [a] follows a.b or a dotted key goes on.
def test_the_first_mention_counts() -> None:
    assert key_lines("[a.b]\nc = 1\n[a]\nd = 2\n")["a",] == 1
    assert key_lines("a.b = 1\na.c = 2\n") == {("a",): 1, ("a", "b"): 1, ("a", "c"): 2}


_KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True),
    st.text('ab.#="\\é[ ', max_size=4).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
    st.text("ab.#=[{ ", max_size=4).map(lambda text: f"'{text}'"),
)
_VALUES = st.recursive(
    st.sampled_from(
        [
            "1",
            "true",
            "'#'",
            '"]\\""',
            '"""a\n[b]\nc = ""d"""',
            "'''x\n''y'''",
            "1979-05-27 07:32:00",
            "-1.5",
            '""',
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: "[\n# ]\n" + ",\n".join(parts) + "]"),
        st.lists(inner, max_size=2).map(
            lambda parts: "{" + ", ".join(f"k{n}.x = {part}" for n, part in enumerate(parts)) + "}"
        ),
    ),
    max_leaves=4,
)


# Catches: what no example thought of. A key's own line is that in which the document was given it.
@given(st.lists(st.tuples(st.lists(_KEYS, min_size=1, max_size=3), _VALUES, st.booleans()), max_size=6))
def test_any_document(entries: list[tuple[list[str], str, bool]]) -> None:
    text, expected = "", {}
    for number, (parts, value, table) in enumerate(entries):
        dotted = " . ".join([f"n{number}", *parts])
        line = text.count("\n") + 1
        piece = f"[{dotted}]\nv = {value}\n\n" if table else f"n{number}.k = {value} # c\n"
        if table:
            expected[f"n{number}"] = line
        elif any(entry[2] for entry in entries[:number]):
            continue
        else:
            expected[f"n{number}"] = line
        text += piece
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # Newlines within inline tables, which TOML 1.0 doesn't have.
        return
    lines = key_lines(text)
    assert set(lines) == _paths(document)
    assert {path[0]: line for path, line in lines.items() if len(path) == 1} == expected


def test_what_is_no_toml_ends() -> None:
    """Catches a loop without an end, should tomllib ever take more than this."""
    with pytest.raises(ValueError, match="no TOML"):
        key_lines("a = \n")
