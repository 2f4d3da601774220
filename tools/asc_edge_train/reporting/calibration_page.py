"""How far a run's posteriors can be believed: blocks of a page, with a reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asc_edge_train.calibration import are_posteriors, calibration_table
from asc_edge_train.figures import group_numbers
from asc_edge_train.rejection import KNOWN_RECALL, shipped_threshold
from asc_edge_train.reporting.charts import picture
from asc_edge_train.reporting.document import Block, Heading, Table, Text
from asc_edge_train.reporting.drawing import FAINT, SERIES, SOFT, new_figure
from asc_edge_train.reporting.facts import (
    Arrays,
    chosen_system,
    ordered_systems,
    percent,
    title_of,
    with_interval,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["calibration_blocks", "other_blocks", "rejection_blocks", "reliability_chart"]


def calibration_blocks(report: Mapping[str, Any], predictions: Arrays) -> list[Block]:
    """Calibration of every system that answers in posteriors, out of fold; nothing where none does."""
    development = predictions["part"] == 0
    groups = group_numbers(predictions["groups"])
    tables = {}
    for system in ordered_systems(report):
        scores = predictions.get(f"scores:{system['name']}")
        if scores is not None and development.any() and are_posteriors(scores[development]):
            tables[system["name"]] = calibration_table(
                scores[development], predictions["truth"][development], groups[development]
            )
    if not tables:
        return []
    titles = {system["name"]: title_of(system) for system in report["systems"]}
    rows = [
        [
            titles[name],
            with_interval(table["ece"], table["ece_interval"]),
            percent(table["ece_equal_width"]),
            percent(table["ece_balanced"]),
            percent(table["confidence"]),
            percent(table["accuracy"]),
        ]
        for name, table in tables.items()
    ]
    header = [
        "system",
        "ECE %",
        "bins of equal width: ECE %",
        "every label the same: ECE %",
        "confidence %",
        "right %",
    ]
    chosen = chosen_system(report)["name"]
    drawn = chosen if chosen in tables else next(iter(tables))
    note = (
        "Expected calibration error of the highest posterior, development part, out of fold, in 15 bins of "
        "equally "
        "many clips; in brackets 95 % intervals from resampled recordings. Systems that answer in decision "
        "values "
        "have none."
    )
    alt = f"Reliability of {titles[drawn]}: share of right answers by confidence, in 15 bins"
    file = f"{report['recipe']}-reliability.png"
    diagram = picture(file, alt, lambda: reliability_chart(tables[drawn]["bins"], titles[drawn]))
    blocks: list[Block] = [Heading(2, "Calibration"), Table(header, rows), Text(note), diagram]
    threshold = shipped_threshold(predictions[f"scores:{drawn}"][development])
    if threshold is not None:
        blocks.append(
            Text(
                f"{100 * KNOWN_RECALL:.0f} % of the development clips have a highest posterior of "
                f"{titles[drawn]} of "
                f"{threshold:.3f} or more."
            )
        )
    return blocks


def other_blocks(found: Sequence[Mapping[str, Any]]) -> list[Block]:
    """How well activities are told from sounds of none; ``found`` is what `belief.measure` gives."""
    rows = [
        [
            row["corpus"],
            with_interval(row["auroc"], row["auroc_interval"]),
            percent(row["fpr_at_95_recall"]),
            str(row["known_clips"]),
            str(row["unknown_clips"]),
        ]
        for row in found
    ]
    header = ["other of", "AUROC %", "other that pass at 95 % recall %", "clips of activities", "of other"]
    note = (
        "Score: the highest posterior of an activity, out of fold. Known: all labels but `other`. "
        "Their recordings were never heard; sounds of their kind were, as `other`."
    )
    return [Heading(2, "Activities against other sounds"), Table(header, rows), Text(note)]


def rejection_blocks(found: Mapping[str, Any]) -> list[Block]:
    """How well sounds outside all labels are told; ``found`` is what `belief.measure` gives."""
    rows = [
        [
            row["title"],
            with_interval(row["auroc"], row["auroc_interval"]),
            percent(row["fpr_at_95_recall"]),
            str(row["known_clips"]),
            str(row["unknown_clips"]),
        ]
        for row in found["scores"]
    ]
    header = ["score", "AUROC %", "unknown that pass at 95 % recall %", "known clips", "unknown clips"]
    note = (
        "Known: development clips, out of fold. Unknown: recordings of none of the labels, which no "
        "network heard, "
        "by the networks that ship."
    )
    labels = found["labels"]
    answered = [
        [name, str(row["clips"]), str(row["passed"]), *(str(row["answers"][label]) for label in labels)]
        for name, row in found["unknown"].items()
    ]
    return [
        Heading(2, "Unknown sounds"),
        Table(header, rows, words=frozenset()),
        Text(note),
        Table(["folder", "clips", f"at {found['threshold']:.3f} or more", *labels], answered),
        Text("To the right: which label the clips of a folder were given."),
    ]


def reliability_chart(bins: Mapping[str, list[float]], title: str) -> Figure:
    """Share of right answers over confidence, a point a bin; on the line the two are the same."""
    figure = new_figure(4.6, 4.4)
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=SOFT, lw=1.0, ls="--", label="confidence = share right")
    places = [100 * value for value in bins["confidence"]]
    shares = [100 * value for value in bins["accuracy"]]
    axes.vlines(places, places, shares, color=FAINT, lw=2.0)
    axes.plot(places, shares, "o-", color=SERIES[0], ms=4.5, lw=1.2, label=f"{title}, {len(places)} bins")
    axes.set(xlim=(0, 100), ylim=(0, 102), aspect="equal")
    axes.set_xlabel("confidence: mean highest posterior %")
    axes.set_ylabel("right %")
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc="upper left")
    return figure
