"""What an export measured: its variants side by side, label by label, member by member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asc_edge_train.exporting.variants import scheme_words
from asc_edge_train.reporting.document import Block, Bullets, Code, Heading, Table, Text, to_markdown
from asc_edge_train.reporting.facts import percent, signed

__all__ = ["variants_page"]

Row = Mapping[str, Any]


def variants_page(name: str, rows: Sequence[Row], command: str) -> str:
    """The page of an export as Markdown.

    Parameters
    ----------
    name : str
        Of what was exported, with its version.
    rows : sequence of mapping
        The model card's row of every variant, those refused among them.
    command : str
        What was typed.
    """
    blocks: list[Block] = [
        Heading(1, f"Variants: {name}"),
        Text(
            "What each bundle answers for clips that its networks never heard, beside the trained networks "
            "of the same folds. Changes are in percentage points; labels' are of F1."
        ),
        Code(command),
        Table(*_fused(rows), words=frozenset({9})),
        Text(
            "Weights are those of all networks; multiply-accumulates are those of a second and a channel, "
            "with columns kept where they can be. Milliseconds are one pass through the networks for one "
            "whole window and channel, one thread, on the machine that exported. Agreement is the share of "
            "clips with the trained networks' answer."
        ),
        Heading(2, "By label"),
        Table(["variant", *rows[0]["per_class_change"]], [_by_label(row) for row in rows]),
        Heading(2, "By member"),
        Table(
            ["member", "variant", "macro-F1 %", "change", "accuracy %", "agree %"],
            _by_member(rows),
            words=frozenset({1}),
        ),
    ]
    gave_way = [
        f"{row['variant']}: {scheme_words(step['schemes'])} gave way, "
        f"{signed(step['macro_f1_change'])} points, {percent(step['argmax_agreement'])} % agree"
        for row in rows
        for step in row["gave_way"]
    ]
    if gave_way:
        blocks += [Heading(2, "What was tried first"), Bullets(gave_way)]
    return to_markdown(blocks)


def _fused(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    header = [
        "variant",
        "bundle kB",
        "weights kB",
        "MMAC/s",
        "macro-F1 %",
        "change",
        "accuracy %",
        "agree %",
        "ms",
    ]
    table = []
    for row in rows:
        size = "refused" if row["bytes"] is None else f"{row['bytes'] / 1000:.0f}"
        figures = [percent(row["macro_f1"]), signed(row["macro_f1_change"]), percent(row["accuracy"])]
        table.append(
            [
                *(row["variant"], size, f"{row['weight_bytes'] / 1000:.0f}"),
                f"{row['operations_per_s'] / 1e6:.1f}",
                *figures,
                *(percent(row["argmax_agreement"]), f"{row['latency_ms']:.2f}", scheme_words(row["schemes"])),
            ]
        )
    return [*header, "schemes"], table


def _by_label(row: Row) -> list[str]:
    return [row["variant"], *(signed(change) for change in row["per_class_change"].values())]


def _by_member(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            *(member, row["variant"], percent(found["macro_f1"]), signed(found["macro_f1_change"])),
            *(percent(found["accuracy"]), percent(found["argmax_agreement"])),
        ]
        for member in rows[0]["members"]
        for row in rows
        for found in [row["members"][member]]
    ]
