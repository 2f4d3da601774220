"""Learning curves of a run: loss and score of every network by epoch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.atomic import write_atomically
from asc_edge_train.reporting.drawing import SERIES, drawing_style, new_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_history", "history_chart"]

History = Mapping[str, Sequence[Mapping[str, Any]]]

# More members than this share one pair of axes: a row of axes each would take seconds to draw.
_ROWS = 4
# More epochs than a picture has points are thinned out.
_POINTS = 400
_NETWORK = re.compile(r"(?P<member>.+)-(?:fold(?P<fold>\d+)|all)")


def draw_history(history: History, path: Path) -> None:
    """Write the learning curves of every network so far as one PNG; an empty history draws empty axes.

    Parameters
    ----------
    history : mapping of network to its epochs
        As in ``history.json``; fields that an epoch doesn't have are left out.
    path : Path
        Written atomically, so that a viewer never sees half a picture.
    """
    with drawing_style():
        write_atomically(path, to_png(history_chart(history), dpi=90))


def history_chart(history: History) -> Figure:
    """Loss on the left, score on the right; one row for each member, or one for all if they are many."""
    members: dict[str, list[str]] = {}
    for network in sorted(history):
        found = _NETWORK.fullmatch(network)
        members.setdefault(found["member"] if found else network, []).append(network)
    together = len(members) > _ROWS
    rows = 1 if together else max(1, len(members))
    figure = new_figure(8.6, 0.4 + (3.2 if together else 2.1) * rows)
    grid = figure.subplots(rows, 2, squeeze=False, sharex="row")
    for number, (member, networks) in enumerate(members.items()):
        loss, score = grid[0 if together else number]
        for place, network in enumerate(networks):
            colour = SERIES[(number if together else place) % 8]
            label = member if together and place == 0 else _label(network) if not together else None
            _draw_network(loss, score, history[network], colour, label)
        if not together:
            loss.set_title(member, loc="left")
    for loss, score in grid:
        _dress(loss, "loss (dashed: validation)")
        _dress(score, "validation score %")
        handles, labels = loss.get_legend_handles_labels()
        if handles:
            score.legend(handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5))
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    return figure


def _draw_network(
    loss: Axes, score: Axes, epochs: Sequence[Mapping[str, Any]], colour: str, label: str | None
) -> None:
    x, y = _curve(epochs, "loss")
    loss.plot(x, y, color=colour, lw=1.1, label=label)
    x, y = _curve(epochs, "validation_loss")
    loss.plot(x, y, color=colour, lw=1.1, ls="--", alpha=0.8)
    x, y = _curve(epochs, "validation_score")
    score.plot(x, [100 * value for value in y], color=colour, lw=1.1)
    if y:
        best = max(range(len(y)), key=y.__getitem__)
        score.plot([x[best]], [100 * y[best]], "o", color=colour, ms=3.5)


def _curve(epochs: Sequence[Mapping[str, Any]], field: str) -> tuple[list[float], list[float]]:
    points = [
        (float(row.get("epoch", number)), float(row[field]))
        for number, row in enumerate(epochs, start=1)
        if row.get(field) is not None and math.isfinite(row[field])
    ]
    step = max(1, math.ceil(len(points) / _POINTS))
    thinned = points[::step] + (points[-1:] if (len(points) - 1) % step else [])
    return [x for x, _ in thinned], [y for _, y in thinned]


def _label(network: str) -> str:
    found = _NETWORK.fullmatch(network)
    if found is None:
        return network
    return f"fold {found['fold']}" if found["fold"] else "all folds"


def _dress(axes: Axes, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_ylabel(name)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
