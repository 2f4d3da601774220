"""A drawing of rectangles, lines and words, which a page and a picture show alike."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

__all__ = ["Label", "Line", "Rect", "Scene", "shorten", "text_width"]

# Of a word's size; wide enough for common sans-serif faces.
_LETTER = 0.56


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; ``paint`` names a colour of the palette, or ``off`` or ``lost`` for the hatchings."""

    x: float
    y: float
    width: float
    height: float
    paint: str
    radius: float = 0.0
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    paint: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """Words; ``y`` is their base line, ``anchor`` start, middle or end."""

    x: float
    y: float
    text: str
    paint: str = "ink"
    size: float = 13.0
    anchor: str = "start"
    bold: bool = False


@dataclass(frozen=True)
class Scene:
    """Shapes in drawing order.

    Attributes
    ----------
    width, height : float
    title, text : str
        What it shows, in a few words, and in sentences for those who don't see it.
    shapes : list
    """

    width: float
    height: float
    title: str
    text: str
    shapes: list[Rect | Line | Label] = field(default_factory=list)

    def to_svg(self, name: str) -> str:
        """As an SVG element whose colours come from the page's style sheet.

        Parameters
        ----------
        name : str
            Begins the identifiers in it, which must be the only ones of the page.
        """
        body = "\n".join(_svg(shape, name) for shape in self.shapes)
        return (
            f'<svg viewBox="0 0 {_n(self.width)} {_n(self.height)}" role="img" '
            f'aria-labelledby="{name}-title {name}-text">\n'
            f'<title id="{name}-title">{html.escape(self.title)}</title>\n'
            f'<desc id="{name}-text">{html.escape(self.text)}</desc>\n'
            f"{_hatching(name)}\n{body}\n</svg>"
        )


def text_width(text: str, size: float) -> float:
    """About how wide words are."""
    return _LETTER * size * len(text)


def shorten(text: str, width: float, size: float) -> str:
    """As much of a word as fits; nothing where less than three letters would be left."""
    letters = int(width / (_LETTER * size))
    if len(text) <= letters:
        return text
    return text[: letters - 1].rstrip() + "…" if letters >= 4 else ""


def _hatching(name: str) -> str:
    """Patterns that tell both kinds of gaps apart without any colour."""
    return (
        f'<defs><pattern id="{name}-off" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="7" height="7" class="off-ground"/>'
        '<rect width="1.4" height="7" class="off-line"/></pattern>'
        f'<pattern id="{name}-lost" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<rect width="6" height="6" class="lost-ground"/>'
        '<circle cx="3" cy="3" r="1.3" class="lost-dot"/></pattern></defs>'
    )


def _svg(shape: Rect | Line | Label, name: str) -> str:
    if isinstance(shape, Rect):
        fill = f'fill="url(#{name}-{shape.paint})"' if shape.paint in ("off", "lost") else ""
        radius = f' rx="{_n(min(shape.radius, shape.width / 2))}"' if shape.radius else ""
        head = (
            f'<rect class="{shape.paint}" x="{_n(shape.x)}" y="{_n(shape.y)}" '
            f'width="{_n(shape.width)}" height="{_n(shape.height)}"{radius} {fill}'
        )
        return f"{head}><title>{html.escape(shape.tip)}</title></rect>" if shape.tip else f"{head}/>"
    if isinstance(shape, Line):
        return (
            f'<line class="l-{shape.paint}" x1="{_n(shape.x1)}" y1="{_n(shape.y1)}" '
            f'x2="{_n(shape.x2)}" y2="{_n(shape.y2)}" stroke-width="{_n(shape.width)}"/>'
        )
    bold = ' font-weight="600"' if shape.bold else ""
    return (
        f'<text class="{shape.paint}" x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}" '
        f'text-anchor="{shape.anchor}"{bold} aria-hidden="true">{html.escape(shape.text)}</text>'
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
