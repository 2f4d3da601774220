"""A page as a list of blocks, which is written as Markdown or as one self-contained HTML file."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

__all__ = [
    "Block",
    "Bullets",
    "Code",
    "Heading",
    "Notice",
    "Picture",
    "Table",
    "Text",
    "Tile",
    "Tiles",
    "to_html",
    "to_markdown",
]

# What Markdown gives a meaning to inside a line. An underscore has one only at the edge of a word.
_MARKS = re.compile(r"([\\`*<>\[\]|~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;))")


@dataclass(frozen=True)
class Heading:
    """Level 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Notice:
    """What must not be overlooked."""

    text: str


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Tile:
    """One figure that a reader came for."""

    value: str
    name: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Table:
    """Plain text in cells; the first column names the rows, the others are figures unless in ``words``."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = field(default_factory=frozenset)
    words: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Picture:
    """A drawing: ``svg`` goes into the page, ``file`` is what Markdown points to."""

    file: str
    alt: str
    png: bytes
    svg: str
    caption: str = ""


Block = Heading | Text | Notice | Code | Bullets | Tiles | Table | Picture


def _line(text: str) -> str:
    return " ".join(text.split())


def _mark(text: str) -> str:
    return _MARKS.sub(r"\\\1", _line(text))


def _esc(text: str) -> str:
    return html.escape(_line(text))


def to_markdown(blocks: Sequence[Block]) -> str:
    """Plain Markdown: every text is escaped, so that labels and titles stand there as they are."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:  # noqa: PLR0911
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_mark(text)}"
        case Text(text):
            return _mark(text)
        case Notice(text):
            return f"> **{_mark(text)}**"
        case Code(text):
            return "\n".join(f"    {line}" for line in text.splitlines())
        case Bullets(items):
            return "\n".join(f"- {_mark(item)}" for item in items)
        case Tiles(tiles):
            return "\n".join(
                f"- {_mark(tile.name)}: **{_mark(tile.value)}**{' ' + _mark(tile.note) if tile.note else ''}"
                for tile in tiles
            )
        case Table():
            return _markdown_table(block)
        case Picture():
            caption = f"\n\n{_mark(block.caption)}" if block.caption else ""
            return f"![{_mark(block.alt)}](<{block.file}>){caption}"


def _markdown_table(table: Table) -> str:
    rules = ["---" if number == 0 or number in table.words else "---:" for number in range(len(table.header))]
    lines = [" | ".join(map(_mark, table.header)), "|".join(rules)]
    for number, row in enumerate(table.rows):
        cells = [_mark(cell) for cell in row]
        lines.append(" | ".join(f"**{c}**" if c and number in table.strong else c for c in cells))
    lines = [f"| {line} |" for line in lines]
    lines[1] = lines[1].replace("| ", "|").replace(" |", "|")
    return "\n".join(lines)


def to_html(blocks: Sequence[Block], title: str) -> str:
    """One file without scripts and without anything to fetch: light and dark, paper and telephone."""
    style = resources.files("asc_edge_train.reporting").joinpath("page.css").read_text(encoding="utf-8")
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_esc(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:  # noqa: PLR0911
    match block:
        case Heading(level, text):
            return f"<h{level}>{_esc(text)}</h{level}>"
        case Text(text):
            return f"<p>{_esc(text)}</p>"
        case Notice(text):
            return f'<p class="notice" role="note">{_esc(text)}</p>'
        case Code(text):
            return f"<pre><code>{html.escape(text)}</code></pre>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_esc(item)}</li>" for item in items) + "</ul>"
        case Tiles(tiles):
            return '<dl class="tiles">' + "".join(map(_html_tile, tiles)) + "</dl>"
        case Table():
            return _html_table(block)
        case Picture():
            caption = f"<figcaption>{_esc(block.caption)}</figcaption>" if block.caption else ""
            # Wider than a telephone: it scrolls inside its own frame, the page doesn't.
            return (
                f'<figure><div class="wide" tabindex="0" role="img" aria-label="{_esc(block.alt)}">'
                f"{block.svg}</div>{caption}</figure>"
            )


def _html_tile(tile: Tile) -> str:
    note = f"<dd>{_esc(tile.note)}</dd>" if tile.note else ""
    return f'<div><dt>{_esc(tile.name)}</dt><dd class="value">{_esc(tile.value)}</dd>{note}</div>'


def _html_table(table: Table) -> str:
    def cell(text: str, column: int) -> str:
        if column == 0:
            return f'<th scope="row">{_esc(text)}</th>'
        kind = ' class="words"' if column in table.words else ""
        return f"<td{kind}>{_esc(text)}</td>"

    def head(text: str, column: int) -> str:
        kind = ' class="words"' if column in table.words else ""
        name = _esc(text).replace(" %", "&nbsp;%").replace("macro-F1", "macro&#8209;F1")
        return f'<th scope="col"{kind}>{name}</th>'

    lines = ['<div class="wide" tabindex="0"><table>', "<thead><tr>"]
    lines += [head(text, column) for column, text in enumerate(table.header)]
    lines.append("</tr></thead>\n<tbody>")
    for number, row in enumerate(table.rows):
        cells = "".join(cell(text, column) for column, text in enumerate(row))
        lines.append(f'<tr class="strong">{cells}</tr>' if number in table.strong else f"<tr>{cells}</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)
