"""From a matplotlib figure to a PNG of fixed bytes, and to an SVG that takes the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FAINT", "INK", "PAPER", "SERIES", "SOFT", "drawing_style", "new_figure", "to_png", "to_svg"]

# The light page's colours; in an SVG each is replaced by the variable of the same name in page.css.
PAPER, INK, SOFT, FAINT = "#fefefe", "#1b1f24", "#57606a", "#d0d7de"
SERIES = ("#0b62a8", "#c4541b", "#2f7d4f", "#7a4fa3", "#8a6d00", "#a3315f", "#00787f", "#5b6470")
_NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
_VARIABLES = {
    PAPER: "paper",
    INK: "ink",
    SOFT: "soft",
    FAINT: "faint",
    **dict(zip(SERIES, _NAMES, strict=True)),
}

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    # Titles and labels are names, never formulas.
    "text.parse_math": False,
    "svg.fonttype": "none",
    # Points of a long learning curve that no eye can tell apart aren't written.
    "path.simplify": True,
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw and write inside it: a user's own matplotlib settings would change the bytes."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure of its own, without pyplot's list of open windows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure, dpi: int = 110) -> bytes:
    _lay_out(figure)
    buffer = io.BytesIO()
    # No software version in the file: the same figures draw the same bytes.
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element; ``name`` keeps its ids apart from those of other figures."""
    import matplotlib as mpl

    _lay_out(figure)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Without the date and the version of what drew it.
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    # A page's style isn't a picture's business, and the names of groups are used by nobody.
    text = re.sub(r"<style.*?</style>\s*", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", text)
    text = re.sub(r"(font-family|font): [^;\"]*'?sans-serif'?", _family, text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    # A narrow page shrinks a picture a little; below that it scrolls, for its text must stay legible.
    least_pt = round(0.8 * 72 * figure.get_figwidth())
    text = text.replace("<svg ", f'<svg style="min-width: {least_pt}pt" ', 1)
    return re.sub(r"\n\s*", "\n", text).strip()


def _lay_out(figure: Figure) -> None:
    """Once, not again for every file: it takes most of the time that drawing takes."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)


def _family(found: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", found[0])
    return f"font: {size[0]} inherit" if found[1] == "font" and size else "font-family: inherit"
