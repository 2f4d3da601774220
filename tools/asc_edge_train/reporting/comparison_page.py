"""What `compare` found, as lines of text and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from asc_edge_train.reporting.document import Block, Bullets, Heading, Notice, Table, Text, to_html
from asc_edge_train.reporting.facts import METRIC_NAMES, percent, signed, signed_interval

__all__ = ["comparison_page", "comparison_text"]

# Labels whose figure changed most, for each pair of systems.
_LARGEST = 5


def comparison_text(comparison: Mapping[str, Any]) -> list[str]:
    """The comparison as lines for a terminal."""
    lines = [f"{key}: {_run(comparison, key)}" for key in ("a", "b")]
    lines += [_clips(comparison), *_warnings(comparison), *comparison["notes"], ""]
    header, rows = _system_table(comparison)
    lines += _columns(header, rows, words=2)
    for row in comparison["systems"]:
        if "," in row["part"]:
            continue  # subsets of the evaluation part: a terminal has no room for all of them
        lines += ["", f"{_pair(row)}, {row['part']}: labels whose F1 changed most"]
        lines += [f"  {one}" for one in _columns(*_label_table(row, _LARGEST))]
    for key, name in (("only_a", "only in a"), ("only_b", "only in b")):
        if comparison[key]:
            lines += ["", f"{name}: {', '.join(comparison[key])}"]
    changes = comparison["recipe"]
    if changes is None:
        return [*lines, "", "recipes: not compared (a run without recipe.json)"]
    lines += ["", f"recipes: {len(changes)} fields differ"]
    return lines + [f"  {row['field']}: {_value(row['a'])} -> {_value(row['b'])}" for row in changes]


def comparison_page(comparison: Mapping[str, Any]) -> str:
    """The comparison as one self-contained HTML page."""
    runs = comparison["runs"]
    names = list(dict.fromkeys(runs[key]["folder"] for key in ("a", "b")))
    title = f"{' and '.join(names)} compared" if len(names) == 2 else f"Systems of {names[0]} compared"
    blocks: list[Block] = [Heading(1, title), *map(Notice, _warnings(comparison))]
    blocks.append(Bullets([f"{key}: {_run(comparison, key)}" for key in ("a", "b")]))
    blocks.append(Text(f"{_clips(comparison)}."))
    blocks += [Text(note) for note in comparison["notes"]]
    header, rows = _system_table(comparison)
    blocks += [Heading(2, "Systems"), Table(header, rows, words=frozenset({1}))]
    blocks.append(
        Text(
            "Differences are b minus a, in percentage points, with 95 % intervals from 1000 resamples of "
            "whole recordings, the same for both. Where one holds 0, no difference is shown."
        )
    )
    for key, name in (("only_a", "Only in a"), ("only_b", "Only in b")):
        if comparison[key]:
            blocks.append(Text(f"{name}: {', '.join(comparison[key])}."))
    for row in comparison["systems"]:
        blocks += [Heading(2, f"{_pair(row)}, {row['part']}: by label"), Table(*_label_table(row))]
    blocks.append(Heading(2, "Recipes"))
    changes = comparison["recipe"]
    if changes is None:
        blocks.append(Text("Not compared: a run has no recipe.json."))
    elif not changes:
        blocks.append(Text("The same in every field."))
    else:
        cells = [[row["field"], _value(row["a"]), _value(row["b"])] for row in changes]
        blocks.append(Table(["field", "a", "b"], cells, words=frozenset({1, 2})))
    return to_html(blocks, title)


def _run(comparison: Mapping[str, Any], key: str) -> str:
    run = comparison["runs"][key]
    return f"{run['folder']} ({run['recipe']} {run['version']}, seed {run['seed']})"


def _clips(comparison: Mapping[str, Any]) -> str:
    clips = comparison["clips"]
    return f"clips: {clips['a']} in a, {clips['b']} in b, {clips['shared']} in both"


def _warnings(comparison: Mapping[str, Any]) -> list[str]:
    smoke = [key for key in ("a", "b") if comparison["runs"][key]["smoke"]]
    return [f"SMOKE RUN: {' and '.join(smoke)}. These figures mean nothing."] if smoke else []


def _pair(row: Mapping[str, Any]) -> str:
    same = row["system_a"] == row["system_b"]
    return row["title_a"] if same else f"{row['title_a']} to {row['title_b']}"


def _system_table(comparison: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    metric = comparison["metric"]
    other = "accuracy" if metric == "macro_f1" else "macro_f1"
    header = ["system", "part", "clips"]
    header += [f"{METRIC_NAMES[metric]} % a", "b", "difference (95 %)", "b worse, % of draws"]
    header += [
        f"{METRIC_NAMES[other]} difference (95 %)",
        "right to wrong",
        "wrong to right",
        "no answer a, b",
    ]
    rows = []
    for row in comparison["systems"]:
        first, second = row["figures"][metric], row["figures"][other]
        rows.append(
            [
                _pair(row),
                row["part"],
                str(row["clips"]),
                percent(first["a"]),
                percent(first["b"]),
                signed_interval(first["difference"], (first["low"], first["high"])),
                percent(first["share_below"]),
                signed_interval(second["difference"], (second["low"], second["high"])),
                str(row["right_to_wrong"]),
                str(row["wrong_to_right"]),
                f"{row['no_answer']['a']}, {row['no_answer']['b']}",
            ]
        )
    return header, rows


def _label_table(row: Mapping[str, Any], limit: int | None = None) -> tuple[list[str], list[list[str]]]:
    cells = [
        [one["label"], str(one["clips"]), percent(one["a"]), percent(one["b"]), signed(one["difference"])]
        for one in row["per_class"][:limit]
    ]
    return ["label", "clips", "F1 % a", "F1 % b", "difference"], cells


def _columns(header: list[str], rows: list[list[str]], words: int = 1) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]


def _value(value: Any) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False)
