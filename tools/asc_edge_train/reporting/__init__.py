"""Pages about finished runs: a report of one, a comparison of two, a table of several, curves while training.

All of it is drawn from files of a run's folder (``report.json``, ``predictions.npz``, ``history.json``),
and the same files give the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge.errors import UsageError
from asc_edge_train.reporting.ablation import ablation_table
from asc_edge_train.reporting.comparing import compare
from asc_edge_train.reporting.comparison_page import comparison_page, comparison_text
from asc_edge_train.reporting.document import Picture, to_html, to_markdown
from asc_edge_train.reporting.facts import complete_report
from asc_edge_train.reporting.learning import History, draw_history
from asc_edge_train.reporting.report_page import report_blocks
from asc_edge_train.reporting.runs import load_report, load_run

# A row of figures: a confusion matrix of 50 labels has 2500 lines without it.
_ROW = re.compile(r"\[\n\s+([^\[\]{}\"]+?)\n\s+\]")

__all__ = [
    "ablation_table",
    "compare",
    "comparison_page",
    "comparison_text",
    "draw_history",
    "draw_report",
    "load_report",
    "load_run",
]


def draw_report(
    report: Mapping[str, Any],
    predictions: Mapping[str, np.ndarray] | None,
    history: History | None,
    out: Path,
) -> list[Path]:
    """Write ``<recipe>.json``, ``.md``, ``.html`` and the pictures that the Markdown page points to.

    Parameters
    ----------
    report : dict
        As in ``report.json``, version 2.
    predictions : mapping of arrays, optional
        As in ``predictions.npz``; without them intervals that the report lacks are left out, and the chosen
        system isn't compared with the others.
    history : mapping, optional
        As in ``history.json``; without it there are no learning curves.
    out : Path
        Folder, made if need be.

    Returns
    -------
    list of Path
        What was written: JSON, Markdown, HTML, then the pictures.

    Raises
    ------
    UsageError
        When the recipe's name is no file name.
    """
    name = report["recipe"]
    if Path(name).name != name:
        raise UsageError(
            f"recipe {name!r}: a report's recipe is the name of its files, and can't hold a path"
        )
    blocks = report_blocks(complete_report(report, predictions), predictions, history)
    title = f"{'SMOKE RUN: ' if report['smoke'] else ''}{name} {report['version']}: results"
    paths = [out / f"{name}.json", out / f"{name}.md", out / f"{name}.html"]
    write_atomically(paths[0], _json(report).encode())
    write_atomically(paths[1], to_markdown(blocks).encode())
    write_atomically(paths[2], to_html(blocks, title).encode())
    for block in blocks:
        if isinstance(block, Picture):
            paths.append(out / block.file)
            write_atomically(paths[-1], block.png)
    return paths


def _json(report: Mapping[str, Any]) -> str:
    """JSON of a line a field, and of one line for every row of figures."""
    text = json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _ROW.sub(lambda row: f"[{' '.join(row[1].split())}]", text) + "\n"
