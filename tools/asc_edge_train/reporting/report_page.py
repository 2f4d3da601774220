"""A report as a page: from the report's JSON, the predictions and the history to blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asc_edge_train.figures import answers, group_numbers, paired_difference
from asc_edge_train.reporting.calibration_page import calibration_blocks
from asc_edge_train.reporting.charts import (
    SystemRow,
    c_chart,
    class_chart,
    confusion_chart,
    picture,
    systems_chart,
)
from asc_edge_train.reporting.document import (
    Block,
    Bullets,
    Code,
    Heading,
    Notice,
    Picture,
    Table,
    Text,
    Tile,
    Tiles,
)
from asc_edge_train.reporting.facts import (
    METRIC_NAMES,
    Arrays,
    Part,
    chosen_system,
    ordered_systems,
    parts_of,
    percent,
    rows_of_part,
    signed_interval,
    title_of,
    with_interval,
)
from asc_edge_train.reporting.learning import History, history_chart
from asc_edge_train.reporting.subsets import fold_blocks, recorded_blocks

__all__ = ["SMOKE", "report_blocks"]

SMOKE = "A SMOKE RUN: it shows that every stage works, and nothing else. None of its figures means anything."
_CONFUSIONS = 12


def report_blocks(
    report: Mapping[str, Any], predictions: Arrays | None, history: History | None
) -> list[Block]:
    """All blocks of a report's page; the report must be complete (`facts.complete_report`)."""
    blocks: list[Block] = [*_head(report), *_systems(report)]
    blocks += fold_blocks(report) + recorded_blocks(report)
    if predictions is not None:
        blocks += _differences(report, predictions)
    blocks += _classes(report)
    blocks += _confusion(report)
    if predictions is not None:
        blocks += calibration_blocks(report, predictions)
    blocks += _curves(report, history)
    blocks += _details(report)
    blocks += _data(report)
    return blocks + _bundle(report)


def _head(report: Mapping[str, Any]) -> list[Block]:
    smoke = report["smoke"]
    title = f"Results: {report['recipe']} {report['version']}"
    blocks: list[Block] = [Heading(1, f"SMOKE RUN, no results: {title[9:]}" if smoke else title)]
    blocks += [Notice(SMOKE)] if smoke else []
    chosen, metric = chosen_system(report), report["metric"]
    tiles = []
    for part in parts_of(report):
        value, interval = part.value(chosen, metric), part.interval(chosen, metric)
        if value is not None:
            note = f"95 % interval {percent(interval[0])} to {percent(interval[1])}" if interval else ""
            tiles.append(Tile(f"{percent(value)} %", f"{METRIC_NAMES[metric]}, {part.name}", note))
    blocks += [Text(f"{report['summary']}.")]
    blocks += [Text(f"Chosen system: {title_of(chosen)}."), Tiles(tiles)]
    blocks += [Text(f"Protocol: {report['protocol']}.")]
    blocks += [Code(report["command"])] if report["command"] else []
    return blocks + ([Bullets(report["caveats"])] if report["caveats"] else [])


def _systems(report: Mapping[str, Any]) -> list[Block]:
    metric, parts, systems = report["metric"], parts_of(report), ordered_systems(report)
    other = "accuracy" if metric == "macro_f1" else "macro_f1"
    references = report.get("reference") or []
    paper = list(dict.fromkeys(name for row in references for name in row["figures"]))
    ours = {system["name"] for system in systems}

    def cited(names: list[Mapping[str, Any]]) -> list[str]:
        figures = [[_figure(row["figures"].get(name)) for row in names] for name in paper]
        return [", ".join(filter(None, column)) or "–" for column in figures]

    # The other metric is for the whole parts only: a table with a column for everything is read by nobody.
    whole = [part for part in parts if part.subset in {None, "all"}]
    rows = []
    for system in systems:
        cells = [with_interval(part.value(system, metric), part.interval(system, metric)) for part in parts]
        cells += cited([row for row in references if row["system"] == system["name"]])
        rows.append([title_of(system), *cells, *(percent(part.value(system, other)) for part in whole)])
    for row in references:
        if row["system"] not in ours:
            cells = [*["–"] * len(parts), *cited([row]), *["–"] * len(whole)]
            rows.append([f"{row['title']} (not run here)", *cells])
    header = ["system", *(f"{part.name}: {METRIC_NAMES[metric]} %" for part in parts)]
    header += [f"paper: {name}" for name in paper]
    header += [f"{part.name}: {METRIC_NAMES[other]} %" for part in whole]
    blocks: list[Block] = [Heading(2, "Systems"), Table(header, rows, strong=frozenset({0}))]
    blocks.append(Text(_interval_note(report)))
    drawn = [
        SystemRow(
            title_of(system),
            {
                part.name: (100 * value, _hundred(part.interval(system, metric)))
                for part in parts
                if (value := part.value(system, metric)) is not None
            },
        )
        for system in systems
    ]
    name = METRIC_NAMES[metric]
    alt = f"{name} of every system by part, with intervals; the figures are those of the table above"
    return [*blocks, picture(_file(report, "systems"), alt, lambda: systems_chart(drawn, name))]


def _interval_note(report: Mapping[str, Any]) -> str:
    note = (
        "In brackets: 95 % intervals, from 1000 resamples of whole recordings (sessions, sources, locations)."
    )
    if report.get("fold_average"):
        note += " Development figures are means of the folds' figures, as the corpus's protocol asks."
    if report.get("reference"):
        note += " The paper's figures are as printed there; a dash is a figure that isn't known."
    return note


def _differences(report: Mapping[str, Any], predictions: Arrays) -> list[Block]:
    """The chosen system against every other, on the same clips."""
    systems, metric, parts = ordered_systems(report), report["metric"], parts_of(report)
    chosen, others = systems[0], systems[1:]
    if not others:
        return []
    predictions = {**predictions, "groups": group_numbers(predictions["groups"])}
    rows = [
        [title_of(other), *(_difference(report, predictions, part, chosen, other) for part in parts)]
        for other in others
    ]
    header = ["system", *(f"{part.name}: {METRIC_NAMES[metric]} % points" for part in parts)]
    note = (
        f"{title_of(chosen)} minus each other system on the same clips, with the 95 % interval of the "
        "difference (the same recordings drawn for both). Where it holds 0, no difference is shown."
    )
    return [Heading(2, "The chosen system against the others"), Table(header, rows), Text(note)]


def _difference(
    report: Mapping[str, Any], predictions: Arrays, part: Part, chosen: dict[str, Any], other: dict[str, Any]
) -> str:
    names = [f"scores:{system['name']}" for system in (other, chosen)]
    rows = rows_of_part(predictions, part)
    if any(name not in predictions for name in names) or not rows.any():
        return "–"
    if part.figures(chosen) is None or part.figures(other) is None:
        return "–"
    first, second = (answers(predictions[name][rows]) for name in names)
    found = paired_difference(
        predictions["truth"][rows],
        first,
        second,
        predictions["groups"][rows],
        len(report["labels"]),
        metric=report["metric"],
        folds=predictions["folds"][rows],
        fold_average=part.fold_average,
    )
    return signed_interval(found.difference, (found.low, found.high))


def _classes(report: Mapping[str, Any]) -> list[Block]:
    chosen, labels = chosen_system(report), report["labels"]
    parts = [part for part in parts_of(report) if part.figures(chosen)]
    header, columns, drawn = ["label"], [], {}
    for part in parts:
        per_class = (part.figures(chosen) or {})["per_class"]
        by_label = [per_class.get(label, {}) for label in labels]
        names = ("precision", "recall", "f1") if part is parts[0] else ("f1",)
        for name in names:
            header.append(f"{part.name}: {'F1' if name == 'f1' else name} %")
            columns.append([percent(row.get(name)) for row in by_label])
        if part.subset in {None, "all"}:
            header.append(f"{part.name}: clips")
            columns.append([str(row.get("clips", "–")) for row in by_label])
        # Subsets stand in the table; as marks they would hide one another.
        if part.subset in {None, "all"}:
            drawn[part.name] = [100 * row.get("f1", 0.0) for row in by_label]
    rows = [[label, *cells] for label, *cells in zip(labels, *columns, strict=True)]
    title = title_of(chosen)
    blocks: list[Block] = [Heading(2, f"{title} by label"), Table(header, rows)]
    if report["labels_not_covered"]:
        blocks.append(Text(f"Not covered: {', '.join(report['labels_not_covered'])}."))
    alt = f"F1 of {title} by label; the figures are those of the table above"
    return [*blocks, picture(_file(report, "classes"), alt, lambda: class_chart(labels, drawn, title))]


def _confusion(report: Mapping[str, Any]) -> list[Block]:
    chosen, blocks = chosen_system(report), []
    for part in parts_of(report):
        figures = part.figures(chosen)
        if part.subset in {None, "all"} and figures and figures.get("confusion"):
            blocks += _one_confusion(report, part, figures["confusion"])
    return [Heading(2, "What is taken for what"), *blocks] if blocks else []


def _one_confusion(report: Mapping[str, Any], part: Part, table: list[list[int]]) -> list[Block]:
    labels = report["labels"]
    name = "confusion" if part.subset is None else "confusion-evaluation"
    title = f"{title_of(chosen_system(report))}, {part.name}"
    cells = [
        (count, y, x)
        for y, row in enumerate(table)
        for x, count in enumerate(row[: len(labels)])
        if x != y and count
    ]
    worst = sorted(cells, key=lambda cell: (-cell[0], cell[1:]))[:_CONFUSIONS]
    rows = [[labels[y], labels[x], str(count), f"{100 * count / sum(table[y]):.0f}"] for count, y, x in worst]
    alt = f"Confusion matrix of {title}; its most frequent confusions are those of the table below"
    drawing: Picture = picture(
        _file(report, name),
        alt,
        lambda: confusion_chart(table, labels, title),
        "Rows are true labels; the darker a cell, the larger its share of the label's clips.",
    )
    if not rows:
        return [drawing]
    header = ["is", f"is taken for ({part.name})", "clips", "% of its clips"]
    return [drawing, Table(header, rows, words=frozenset({1}))]


def _curves(report: Mapping[str, Any], history: History | None) -> list[Block]:
    blocks: list[Block] = []
    if history:
        alt = f"Loss and validation score by epoch of {len(history)} networks"
        blocks += [
            Heading(2, "Learning curves"),
            picture(_file(report, "learning"), alt, lambda: history_chart(history)),
        ]
    curves = {
        title_of(system): (system["score_by_c"], system.get("c"))
        for system in ordered_systems(report)
        if system.get("score_by_c")
    }
    if curves:
        name = METRIC_NAMES[report["metric"]]
        alt = f"{name} by C of {len(curves)} linear SVMs; the chosen C of each stands in the table below"
        blocks += [
            Heading(2, "The choice of C"),
            picture(_file(report, "c"), alt, lambda: c_chart(curves, name)),
        ]
    return blocks


def _details(report: Mapping[str, Any]) -> list[Block]:
    rows = []
    for system in ordered_systems(report):
        cost = system.get("cost") or {}
        c_by_fold = ", ".join(f"{value:g}" for value in (system.get("c_by_fold") or {}).values())
        operations = cost.get("multiply_accumulates")
        rows.append(
            [
                title_of(system),
                ", ".join(system.get("members") or ()) or "–",
                "–" if system.get("c") is None else f"{system['c']:g}",
                c_by_fold or "–",
                _count(cost.get("parameters")),
                _count(cost.get("bytes")),
                "–" if operations is None else f"{operations / 1e6:.1f}",
                "–" if system.get("seconds") is None else f"{system['seconds']:.0f}",
            ]
        )
    header = [
        "system",
        "members",
        "C",
        "C by fold",
        "parameters",
        "bytes",
        "million multiply-adds",
        "seconds",
    ]
    return [Heading(2, "What the systems are made of"), Table(header, rows, frozenset({0}), frozenset({1}))]


def _data(report: Mapping[str, Any]) -> list[Block]:
    data = report["data"]
    evaluation = data.get("evaluation_clips")
    text = f"{data['clips']} clips from {data['groups']} recordings; folds: {_join(data['folds'])}."
    items = [f"{name}: {_join(data[key])}" for name, key in _KINDS if data.get(key)]
    more = (
        [Text(f"{evaluation} clips in the evaluation part, scored once, at the end.")] if evaluation else []
    )
    left_out = [f"{name}: {why}" for name, why in report.get("left_out", {}).items()]
    lacking: list[Block] = [Text("Left out of this run:"), Bullets(left_out)] if left_out else []
    return [Heading(2, "Data"), Text(text), *more, Bullets(items), *lacking]


_KINDS = (("by label", "by_label"), ("by corpus", "by_corpus"), ("by licence", "by_licence"))


def _bundle(report: Mapping[str, Any]) -> list[Block]:
    bundle = report.get("bundle")
    if not bundle:
        return []
    rows = [
        [name, str(cost["parameters"]), f"{cost['multiply_accumulates'] / 1e6:.1f}"]
        for name, cost in bundle["networks"].items()
    ]
    table = Table(["network", "parameters", "million multiply-adds per window"], rows)
    return [Heading(2, "Bundle"), table, Text(f"{bundle['bytes']} bytes, SHA-256 {bundle['sha256']}.")]


def _figure(value: Any) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}".replace(",", " ")


def _hundred(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (100 * interval[0], 100 * interval[1])


def _join(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _file(report: Mapping[str, Any], kind: str) -> str:
    return f"{report['recipe']}-{kind}.png"
