"""What an array is worth, as a page: tables, a picture, and the figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.atomic import write_atomically
from asc_edge_train.reporting.charts import picture
from asc_edge_train.reporting.document import Block, Bullets, Code, Heading, Notice, Table, Text, to_markdown
from asc_edge_train.reporting.drawing import SERIES, new_figure
from asc_edge_train.reporting.facts import percent, signed_interval, with_interval
from asc_edge_train.storage import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["array_blocks", "array_text", "write_array_page"]

STEM = "arrays"
_TITLES = {
    "together": "all channels",
    "single": "one channel, mean of all",
    "dead": "all, one dead",
    "noisy": "all, one noisy",
}
Result = Mapping[str, Any]


def write_array_page(result: Result, out: Path, command: str) -> list[Path]:
    """Write ``arrays.md``, ``arrays.json`` and ``arrays.png``; returns their paths."""
    drawn = picture(f"{STEM}.png", "Macro-F1 by distance and by reverberation time", lambda: _chart(result))
    paths = [out / f"{STEM}{end}" for end in (".md", ".json", ".png")]
    write_text(paths[0], to_markdown([*array_blocks(result, command), Heading(2, "Picture"), drawn]))
    write_json(paths[1], {**result, "command": command})
    write_atomically(paths[2], drawn.png)
    return paths


def array_blocks(result: Result, command: str) -> list[Block]:
    """The page, but for its picture."""
    facts = result["set"]
    blocks: list[Block] = [
        Heading(1, f"What an array is worth: {result['name']}"),
        Text(
            f"{result['scenes']} scenes of {facts['clips']} clips from {facts['recordings_of_corpora']} "
            f"recordings: clips heard through simulated or measured rooms, not homes. {_protocol(result)}"
        ),
    ]
    if result["heard"]:
        blocks.append(
            Notice(
                f"{result['heard']} of these scenes are from recordings that the bundle was trained on: "
                "figures are too good, and differences between them not to be trusted. Test the run instead."
            )
        )
    blocks += [Code(command), Heading(2, "Channels"), _channels(result)]
    blocks += [
        Text(
            "Macro-F1 of the set's labels in percent, with 95 % intervals from resampling whole recordings; "
            "an answer with any other label is wrong. The best single channel is the one that did best on "
            "this very set, chosen in hindsight, so the gain is on the safe side."
        ),
        Heading(2, "Each channel alone"),
        Bullets(
            [
                f"{name}: " + ", ".join(percent(one["macro_f1"]) for one in table["single"])
                for name, table in result["by_array"].items()
            ]
        ),
    ]
    if any(table["faults"] for table in result["by_array"].values()):
        blocks += [
            Heading(2, "One bad channel"),
            _bad(result),
            Text(
                "Change against the same scenes with a healthy array, in points. The vote is lost where the "
                "array's health saw the fault in the clip; noise of its own is seen at the first decision. "
                "The bad microphone is another one in each scene, as nobody knows which will go bad; the "
                "best single channel is the one that then did best over the whole set."
            ),
        ]
    for title, key in (("Distance", "by_distance"), ("Reverberation time", "by_rt60")):
        blocks += [Heading(2, title), _strata(result[key])]
    return blocks


def _protocol(result: Result) -> str:
    if result["protocol"] == "out of fold":
        return "Each is answered by networks, SVMs and fusion that never heard the clip's fold."
    return "All are answered by one bundle."


def _channels(result: Result) -> Table:
    header = ["array", "scenes", "all channels", "best single", "mean single", "gain over best"]
    rows = []
    for name, table in result["by_array"].items():
        best = table["single"][table["best_single"]]
        gain = table["gain_over_best"]
        rows.append(
            [
                name,
                str(table["scenes"]),
                _value(table["together"]),
                f"{_value(best)}, channel {table['best_single'] + 1}",
                percent(table["mean_single"]),
                signed_interval(gain["difference"], tuple(gain["interval"])),
            ]
        )
    return Table(header, rows)


def _bad(result: Result) -> Table:
    rows = []
    for name, table in result["by_array"].items():
        for fault, found in table["faults"].items():
            change, gain = found["change"], found["gain_over_best"]
            rows.append(
                [
                    name,
                    fault,
                    _value(found),
                    signed_interval(change["difference"], tuple(change["interval"])),
                    percent(found["lost_vote"]),
                    _value(found["best_single"]),
                    signed_interval(gain["difference"], tuple(gain["interval"])),
                ]
            )
    header = ["array", "fault", "macro-F1 %", "change", "vote lost %", "best single", "gain over best"]
    return Table(header, rows, words=frozenset({1}))


def _strata(tables: Sequence[Result]) -> Table:
    systems = list(dict.fromkeys(name for table in tables for name in table["systems"]))
    rows = [
        [
            table["name"],
            str(table["scenes"]),
            *(_value(table["systems"][name]) if name in table["systems"] else "–" for name in systems),
        ]
        for table in tables
    ]
    return Table(["", "scenes", *(_TITLES.get(name, name) for name in systems)], rows)


def _value(figure: Result) -> str:
    return with_interval(figure["macro_f1"], tuple(figure["interval"]))


def _chart(result: Result) -> Figure:
    figure = new_figure(7.6, 3.4)
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("distance", "reverberation time")
    for axes, title, tables in zip(panels, titles, (result["by_distance"], result["by_rt60"]), strict=True):
        systems = list(dict.fromkeys(name for table in tables for name in table["systems"]))
        for number, system in enumerate(systems):
            shift = 0.09 * (number - (len(systems) - 1) / 2)
            found = [
                (place + shift, table["systems"][system])
                for place, table in enumerate(tables)
                if system in table["systems"]
            ]
            places = [place for place, _ in found]
            colour = SERIES[number % len(SERIES)]
            for place, value in found:
                low, high = (100 * edge for edge in value["interval"])
                axes.plot([place, place], [low, high], color=colour, lw=1.4, alpha=0.5)
            values = [100 * value["macro_f1"] for _, value in found]
            axes.plot(places, values, "o-", color=colour, lw=1.2, ms=4, label=_TITLES.get(system, system))
        axes.set_xticks(range(len(tables)), [table["name"] for table in tables])
        axes.set_xlabel(title)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
    panels[0].set_ylabel("macro-F1 %; lines are 95 % intervals")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def array_text(result: Result) -> list[str]:
    """The figures as lines of text."""
    lines = [f"{result['name']} on {result['scenes']} scenes ({result['protocol']})"]
    if result["heard"]:
        lines.append(f"warning: {result['heard']} scenes are from recordings that it was trained on")
    for table in (
        _channels(result),
        _bad(result),
        _strata(result["by_distance"]),
        _strata(result["by_rt60"]),
    ):
        if not table.rows:
            continue
        cells = [list(table.header), *(list(row) for row in table.rows)]
        wide = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
        lines.append("")
        lines += [
            "  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=True)).rstrip() for row in cells
        ]
    return lines
