"""Pieces of a run's report: figures of subsets of the development part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from asc_edge_train.reporting.document import Block, Heading, Table, Text
from asc_edge_train.reporting.facts import METRIC_NAMES, ordered_systems, percent, title_of, with_interval

__all__ = ["fold_blocks", "recorded_blocks"]


def fold_blocks(report: Mapping[str, Any]) -> list[Block]:
    """Every fold of the development part."""
    metric = report["metric"]
    systems = [one for one in ordered_systems(report) if (one.get("development") or {}).get("per_fold")]
    if not systems:
        return []
    folds = list(systems[0]["development"]["per_fold"])
    rows = []
    for system in systems:
        values = [system["development"]["per_fold"].get(fold, {}).get(metric) for fold in folds]
        mean = float(np.mean([value for value in values if value is not None]))
        rows.append([title_of(system), *map(percent, values), percent(mean)])
    header = ["system", *(f"fold {fold}" for fold in folds), "mean"]
    title = Heading(2, f"Development by fold: {METRIC_NAMES[metric]} %")
    return [title, Table(header, rows, strong=frozenset({0}))]


def recorded_blocks(report: Mapping[str, Any]) -> list[Block]:
    """Of the development part, the clips that weren't simulated."""
    systems = [one for one in ordered_systems(report) if one.get("recorded")]
    if not systems:
        return []
    found = [system["recorded"] for system in systems]
    rows = [
        [
            title_of(system),
            with_interval(one["macro_f1"], tuple(one["macro_f1_interval"])),
            percent(one["accuracy"]),
        ]
        for system, one in zip(systems, found, strict=True)
    ]
    note = (
        f"The {found[0]['clips']} clips that somebody recorded, without the simulated ones. An answer with "
        f"a label that only simulated clips have is wrong; macro-F1 is over {', '.join(found[0]['labels'])}."
    )
    header = ["system", METRIC_NAMES["macro_f1"] + " %", METRIC_NAMES["accuracy"] + " %"]
    return [Heading(2, "Recorded clips alone"), Table(header, rows, strong=frozenset({0})), Text(note)]
