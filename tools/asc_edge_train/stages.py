"""A whole run: networks, embeddings, members, fusions, bundle, report; what is finished is not repeated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge_train.bundling import attribution, describe_bundle, make_bundle
from asc_edge_train.fusing import FusedScores, fit_count, fuse
from asc_edge_train.members import MemberScores, score_member
from asc_edge_train.recipe import Recipe
from asc_edge_train.reporting import draw_report, load_run
from asc_edge_train.results import PREDICTIONS_NAME, build_report, system_scores, write_predictions
from asc_edge_train.run import (
    HISTORY_NAME,
    Run,
    RunOptions,
    frozen_embedding,
    progress_bar,
    train_networks,
)
from asc_edge_train.storage import read_json, write_json, write_text

__all__ = ["REPORT_NAME", "FusedRun", "draw_run", "fuse_run", "run_recipe"]

REPORT_NAME = "report.json"


@dataclass(frozen=True)
class FusedRun:
    """A run with every member and fusion scored."""

    run: Run
    members: dict[str, MemberScores]
    fusions: dict[str, FusedScores]


def run_recipe(recipe: Recipe, options: RunOptions) -> dict[str, Any] | None:
    """Run every stage of a recipe and give the report; None in processes that only help the first to train.

    Raises
    ------
    AscEdgeError
        Of the type that says what is wrong with recipe, data or folder.
    """
    run = train_networks(recipe, options)
    if not options.ranks.first:
        return None
    fused = fuse_run(run)
    bundle = None
    if run.recipe.ship:
        path = make_bundle(run, fused.members, fused.fusions[run.recipe.ship])
        bundle = describe_bundle(path)
    scores = system_scores(run.recipe, fused.members, fused.fusions)
    write_predictions(options.out / PREDICTIONS_NAME, run.recipe, run.clips, scores)
    report = build_report(run, fused.members, fused.fusions, scores, bundle)
    write_json(options.out / REPORT_NAME, report)
    write_text(options.out / "attribution.md", attribution(run.clips, run.recipe.name))
    draw_run(options.out, options.out)
    return report


def draw_run(folder: Path, out: Path) -> list[Path]:
    """Draw the pages of a finished run, from the files in its folder; returns their paths.

    Raises
    ------
    UsageError, DataError
        When the folder holds no finished run, or a damaged one.
    """
    run = load_run(folder)
    history = folder / HISTORY_NAME
    return draw_report(run.report, run.predictions, read_json(history) if history.exists() else None, out)


def fuse_run(run: Run) -> FusedRun:
    """Embeddings of frozen networks, then every member's scores, then every fusion's."""
    recipe, options = run.recipe, run.options
    frozen = [member for member in recipe.members if not member.trained]
    embeddings: dict[str, tuple[np.ndarray, str]] = {}
    with progress_bar(len(frozen) * len(run.clips), "embeddings", "clip", options.quiet) as bar:
        for member in frozen:
            bar.set_description(f"embeddings {member.name}")
            embeddings[member.name] = frozen_embedding(run, member, bar.update)
    members, fusions = {}, {}
    with progress_bar(fit_count(recipe), "SVMs", "fit", options.quiet) as bar:
        for member in recipe.members:
            members[member.name] = score_member(
                recipe,
                member,
                run.clips,
                tasks=run.tasks_of(member.name),
                embedding=embeddings.get(member.name),
                folder=options.out / "members",
                parallel=options.parallel,
                progress=bar.update,
            )
        for system in recipe.fusions:
            fusions[system.name] = fuse(
                recipe,
                system,
                run.clips,
                members,
                folder=options.out / "fusions",
                parallel=options.parallel,
                progress=bar.update,
            )
        bar.update(bar.total - bar.n)
    options.parallel.rest()
    return FusedRun(run, members, fusions)
