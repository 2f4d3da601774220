"""The pictures of a report: confusion matrix, F1 by class, systems side by side, scores by C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge_train.reporting.document import Picture
from asc_edge_train.reporting.drawing import (
    FAINT,
    INK,
    PAPER,
    SERIES,
    SOFT,
    drawing_style,
    new_figure,
    to_png,
    to_svg,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SystemRow", "c_chart", "class_chart", "confusion_chart", "picture", "systems_chart"]

# More classes than this leave no room for numbers in the cells.
_NUMBERED_CLASSES = 20
_LABEL_CHARACTERS = 28


@dataclass(frozen=True)
class SystemRow:
    """One system's figures in percent, by part, each with its interval or None."""

    title: str
    values: Mapping[str, tuple[float, tuple[float, float] | None]]


def picture(file: str, alt: str, draw: Callable[[], Figure], caption: str = "") -> Picture:
    """Draw once, write twice: PNG for Markdown, SVG for the page."""
    with drawing_style():
        figure = draw()
        png = to_png(figure)
        svg = to_svg(figure, file.removesuffix(".png").rpartition("-")[2])
    return Picture(file, alt, png, svg, caption)


def confusion_chart(table: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> Figure:
    """Shares of every true label's clips; up to 20 classes with the clips' counts.

    Parameters
    ----------
    table : (K, K) counts
        Rows are true labels, columns predicted ones.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    counts, classes = np.asarray(table, dtype=np.float64), len(labels)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    numbered = classes <= _NUMBERED_CLASSES
    side_in = (0.46 if classes <= 12 else 0.38) * classes if numbered else 0.165 * classes
    figure = new_figure(side_in + 2.0, side_in + 1.7)
    axes = figure.subplots()
    # Empty cells aren't drawn: 50 classes have 2500 of them, nearly all empty.
    rows, columns = (places.tolist() for places in np.nonzero(counts))
    cells = [Rectangle((x - 0.5, y - 0.5), 1, 1) for y, x in zip(rows, columns, strict=True)]
    shade = [_faded(SERIES[0], 0.06 + 0.94 * shares[y, x]) for y, x in zip(rows, columns, strict=True)]
    axes.add_collection(PatchCollection(cells, facecolors=shade, edgecolors="none"))
    if numbered:
        for y, x in zip(rows, columns, strict=True):
            colour = PAPER if shares[y, x] > 0.55 else INK
            size = 8 if counts[y, x] < 10_000 else 6.5
            axes.text(x, y, f"{counts[y, x]:.0f}", ha="center", va="center", size=size, color=colour)
    size = 8.5 if numbered else 6.5
    names = [_short(label) for label in labels]
    axes.set_xticks(range(classes), names, rotation=45 if numbered else 90, size=size)
    for text in axes.get_xticklabels():
        text.set_horizontalalignment("right" if numbered else "center")
        text.set_rotation_mode("anchor" if numbered else "default")
    axes.set_yticks(range(classes), names, size=size)
    axes.set(xlim=(-0.5, classes - 0.5), ylim=(classes - 0.5, -0.5), aspect="equal")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    _grid_lines(axes, classes)
    return figure


def class_chart(labels: Sequence[str], parts: Mapping[str, Sequence[float]], title: str) -> Figure:
    """F1 by class, best first by the first part: bars, and a mark for each further part.

    Parameters
    ----------
    parts : mapping of part name to F1 by label, in percent
    """
    first = np.asarray(next(iter(parts.values())))
    order = np.argsort(-first, kind="stable")
    row_in = 0.24 if len(labels) <= _NUMBERED_CLASSES else 0.165
    figure = new_figure(6.6, 1.1 + row_in * len(labels))
    axes = figure.subplots()
    places = np.arange(len(labels))
    marks = "oDs^v"
    for number, (name, values) in enumerate(parts.items()):
        heights = np.asarray(values)[order]
        if number == 0:
            axes.barh(places, heights, color=SERIES[0], height=0.66, label=name, alpha=0.75)
        else:
            mark = marks[(number - 1) % len(marks)]
            colour = SERIES[number % 8]
            axes.plot(
                heights, places, mark, color=colour, mec=PAPER, mew=0.6, ms=5.5, label=name, clip_on=False
            )
    size = 8.5 if len(labels) <= _NUMBERED_CLASSES else 6.5
    axes.set_yticks(places, [_short(labels[number]) for number in order], size=size)
    axes.set(xlim=(0, 100), ylim=(len(labels) - 0.4, -0.6))
    axes.set_xlabel("F1 %")
    axes.set_title(title)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    if len(parts) > 1:
        figure.legend(loc="outside lower center", ncols=3, reverse=True)
    return figure


def systems_chart(rows: Sequence[SystemRow], metric: str) -> Figure:
    """Systems from top to bottom, a point and its interval for each part."""
    parts = list(dict.fromkeys(part for row in rows for part in row.values))
    figure = new_figure(7.2, 1.2 + len(rows) * (0.14 + 0.15 * len(parts)))
    axes = figure.subplots()
    marks = "osD^v"
    for number, part in enumerate(parts):
        # The parts of a system stand under each other, so that intervals don't hide one another.
        shift = 0.62 * (number - (len(parts) - 1) / 2) / max(1, len(parts))
        colour, mark = SERIES[number % 8], marks[number % len(marks)]
        for place, row in enumerate(rows):
            if part not in row.values:
                continue
            value, interval = row.values[part]
            if interval is not None:
                axes.plot(interval, [place + shift] * 2, color=colour, lw=1.6, alpha=0.6)
            axes.plot([value], [place + shift], mark, color=colour, ms=4.5)
        axes.plot([], [], mark, color=colour, ms=4.5, label=part)
    for place in range(1, len(rows)):
        axes.axhline(place - 0.5, color=FAINT, lw=0.6)
    axes.set_yticks(range(len(rows)), [_short(row.title) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(f"{metric} %; lines are 95 % intervals")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    if len(parts) > 1:
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def c_chart(curves: Mapping[str, tuple[Mapping[str, float], float | None]], metric: str) -> Figure:
    """Mean score over the folds by C, and the C that was chosen, for every SVM.

    Parameters
    ----------
    curves : mapping of system title to (score by C, chosen C)
    """
    from matplotlib.ticker import NullLocator

    figure = new_figure(7.6, 3.6)
    axes = figure.subplots()
    styles = ("-", "--", ":", "-.")
    for number, (title, (scores, chosen)) in enumerate(curves.items()):
        pairs = sorted((float(c), 100 * score) for c, score in scores.items())
        colour, style = SERIES[number % 8], styles[number // 8 % 4]
        axes.plot(*zip(*pairs, strict=True), style, color=colour, lw=1.4, label=_short(title))
        for c, score in pairs:
            if c == chosen:
                axes.plot([c], [score], "o", color=colour, ms=5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda c, _place: f"{c:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("C of the linear SVM; points are the ones chosen")
    axes.set_ylabel(f"{metric} %, mean of the folds")
    axes.grid(axis="y")
    figure.legend(loc="outside right upper")
    return figure


def _short(text: Any) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _LABEL_CHARACTERS else line[: _LABEL_CHARACTERS - 1] + "…"


def _faded(colour: str, alpha: float) -> tuple[float, float, float, float]:
    from matplotlib.colors import to_rgba

    return to_rgba(colour, alpha)


def _grid_lines(axes: Axes, classes: int) -> None:
    """Lines between cells; with many classes only every fifth, to lead the eye."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set(visible=True, color=FAINT)
    step = 1 if classes <= _NUMBERED_CLASSES else 5
    for place in range(step, classes, step):
        axes.axhline(place - 0.5, color=FAINT, lw=0.5, zorder=0.5)
        axes.axvline(place - 0.5, color=FAINT, lw=0.5, zorder=0.5)
    axes.tick_params(length=2 if classes > _NUMBERED_CLASSES else 0, color=SOFT)
