"""The picture of ``docs/performance.md``: microseconds for one frame of one channel, by contender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHANNELS = 4
# Told apart by shape and fill too, not by colour alone.
MARKS = {"streaming": ("o", "#0b5394", "hop by hop"), "clip": ("D", "#b45309", "whole clip")}


def draw(rows: list[dict[str, Any]], target: Path) -> None:
    """Draw the figures of four channels: a line of dots a contender, a panel a preset, logarithmic."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    shown = [row for row in rows if row["channels"] == CHANNELS]
    presets = list(dict.fromkeys(row["preset"] for row in shown))
    style = {"svg.fonttype": "none", "svg.hashsalt": "asc-edge", "font.size": 11, "font.family": "sans-serif"}
    with plt.rc_context(style):
        # Rows of text get the same height however many contenders there are.
        height = 1.6 + 0.55 * len({row["contender"] for row in shown})
        figure, panels = plt.subplots(1, len(presets), figsize=(12, height), squeeze=False, facecolor="white")
        for panel, preset in zip(panels[0], presets, strict=True):
            _panel(panel, preset, [row for row in shown if row["preset"] == preset])
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False)
        figure.suptitle(
            "Log-mel frames, 16 kHz, 128 bands, four channels, one thread: less is better", fontsize=12
        )
        figure.tight_layout(rect=(0, 0.06, 1, 1))
        figure.savefig(
            target, metadata={"Date": None, "Title": "Microseconds per frame and channel by contender"}
        )
        plt.close(figure)


def _panel(panel: Any, preset: str, rows: list[dict[str, Any]]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    best: dict[str, float] = {}
    for row in rows:
        name, time_us = row["contender"], row["us_per_frame_and_channel"]
        best[name] = min(best.get(name, time_us), time_us)
    # Slowest at the bottom; matplotlib counts upwards.
    names = sorted(best, key=best.__getitem__, reverse=True)
    for mode, (marker, colour, label) in MARKS.items():
        of_mode = [row for row in rows if row["mode"] == mode]
        times = [row["us_per_frame_and_channel"] for row in of_mode]
        places = [names.index(row["contender"]) for row in of_mode]
        fill = colour if mode == "streaming" else "white"
        panel.scatter(
            times, places, s=55, marker=marker, facecolor=fill, edgecolor=colour, label=label, zorder=3
        )
        offset = 7 if mode == "streaming" else -15
        for time_us, place in zip(times, places, strict=True):
            panel.annotate(
                f"{time_us:.3g}",
                (time_us, place),
                (0, offset),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=colour,
            )
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_yticks(range(len(names)), names)
    for label in panel.get_yticklabels():
        if label.get_text() == "asc-edge":
            label.set_fontweight("bold")
    panel.set_ylim(-0.7, len(names) - 0.3)
    panel.margins(x=0.12)
    panel.set_xlabel("microseconds per frame and channel (log scale)")
    panel.set_title(f"window / hop {preset} s", fontsize=11)
    panel.grid(axis="both", color="#dddddd", linewidth=0.7, zorder=0)
    panel.spines[["top", "right"]].set_visible(False)
