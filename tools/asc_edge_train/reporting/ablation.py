"""Several runs against one: what each change of a recipe gives, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asc_edge.errors import UsageError
from asc_edge_train.reporting.comparing import SharedClips, compare_scores, share_clips
from asc_edge_train.reporting.document import Block, Notice, Table, Text, to_markdown
from asc_edge_train.reporting.facts import METRIC_NAMES, chosen_system, percent, signed_interval
from asc_edge_train.reporting.runs import FinishedRun, load_run

__all__ = ["ablation_table"]


def ablation_table(
    runs: Sequence[Path],
    baseline: Path,
    systems: Sequence[str] | None = None,
    part: str = "development",
) -> list[str]:
    """One row for each run: the systems' figures, and their difference to the baseline with its interval.

    Parameters
    ----------
    runs : sequence of Path
        Folders of finished runs; the baseline's row stands first whether it is among them or not.
    systems : sequence of str, optional
        By default the baseline's chosen system. A run that hasn't one gets a dash.
    part : str
        ``"development"``, ``"evaluation"``, or ``"evaluation, <subset>"``.

    Returns
    -------
    list of str
        Lines of Markdown: the table, and what must be known about it.

    Raises
    ------
    UsageError
        When a folder is no finished run, or nothing has this system or part.
    DataError
        When a run can't be compared with the baseline.
    """
    base = load_run(baseline)
    names = list(systems or [chosen_system(base.report)["name"]])
    unknown = [name for name in names if name not in base.systems]
    if unknown:
        known = ", ".join(base.systems)
        raise UsageError(f"{baseline}: has no scores of system {unknown[0]!r}; known are {known}")
    others = [load_run(run) for run in runs if run.resolve() != baseline.resolve()]
    titles = _titles([base, *others])
    metric = METRIC_NAMES[base.report["metric"]]
    header = ["run"]
    for name in names:
        header += [f"{base.title(name)}: {metric} %", "difference"]
    rows = [_row(share_clips(base, base), titles[0], names, part)]
    notes = []
    for run, title in zip(others, titles[1:], strict=True):
        shared = share_clips(base, run)
        rows.append(_row(shared, title, names, part))
        count = len(shared.rows_a)
        sizes = (len(base.predictions["clip_ids"]), len(run.predictions["clip_ids"]))
        if sizes != (count, count):
            notes.append(
                f"{title}: compared on the {count} clips that both tables have ({sizes[1]} of its own)."
            )
    smoke = [title for run, title in zip([base, *others], titles, strict=True) if run.report["smoke"]]
    blocks: list[Block] = (
        [Notice(f"SMOKE RUN: {', '.join(smoke)}. These figures mean nothing.")] if smoke else []
    )
    blocks += [Table(header, rows, strong=frozenset({0}))]
    blocks += [
        Text(
            f"{part.capitalize()} part. Differences are percentage points to {titles[0]} on the same clips, "
            "with 95 % intervals from 1000 resamples of whole recordings."
        ),
        *map(Text, notes),
    ]
    return to_markdown(blocks).splitlines()


def _row(shared: SharedClips, title: str, names: Sequence[str], part: str) -> list[str]:
    parts = {one.name: (one, places) for one, places in shared.parts()}
    if part not in parts:
        known = ", ".join(parts)
        raise UsageError(
            f"{shared.b.folder}: shares no clip of part {part!r} with the baseline; known are {known}"
        )
    cells = [title]
    for name in names:
        found = None
        if name in shared.b.systems:
            found = compare_scores(shared, (name, name), *parts[part], shared.a.report["metric"])
        if found is None:
            cells += ["–", "–"]
            continue
        interval = (found["low"], found["high"])
        cells.append(percent(found["b"]))
        same = shared.a.folder == shared.b.folder
        cells.append("" if same else signed_interval(found["difference"], interval))
    return cells


def _titles(runs: Sequence[FinishedRun]) -> list[str]:
    """Names of the folders; with the folder above where two are called the same."""
    folders = [run.folder.resolve() for run in runs]
    names = [folder.name for folder in folders]
    return [
        name if names.count(name) == 1 else f"{folder.parent.name}/{name}"
        for folder, name in zip(folders, names, strict=True)
    ]
