"""A whole run: networks, fusion, bundle, report, in order; what is finished is not repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asc_edge_train.bundling import make_bundle
from asc_edge_train.fusing import fit_count, fuse
from asc_edge_train.recipe import Recipe
from asc_edge_train.report import draw_report, write_report
from asc_edge_train.run import progress_bar, train_networks

__all__ = ["run_recipe"]


def run_recipe(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    seed: int | None = None,
    jobs: int = 1,
    smoke: bool = False,
    command: str = "",
    quiet: bool = False,
) -> dict[str, Any]:
    """Run every stage of a recipe and give the report.

    Parameters
    ----------
    data, out : Path
        Where the corpora lie, and the folder of this run (made, or taken up where it was left).
    seed : int, optional
        The recipe's by default.
    jobs : int
        Networks trained at a time. The result doesn't depend on it.
    smoke : bool
        A few clips and epochs only, to see that every stage works.
    command : str
        What was typed, for the report.

    Raises
    ------
    AscEdgeError
        Of the type that says what is wrong with recipe, data or folder.
    """
    seed = recipe.seed if seed is None else seed
    run = train_networks(recipe, data, out, seed=seed, jobs=jobs, smoke=smoke, command=command, quiet=quiet)
    with progress_bar(fit_count(run.recipe), "fusion", "fit", quiet) as bar:
        fused = fuse(run, bar.update)
        bar.update(bar.total - bar.n)
    bundle = make_bundle(run, fused)
    report = write_report(run, fused, bundle)
    draw_report(report, out)
    return report
