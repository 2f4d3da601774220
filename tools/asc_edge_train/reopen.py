"""A finished run, opened again from its folder: nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from asc_edge.errors import UsageError
from asc_edge_train.clips import Clip, Source
from asc_edge_train.content import clip_keys
from asc_edge_train.features import make_features
from asc_edge_train.networks import network_tasks
from asc_edge_train.recipe import Recipe, parse_recipe
from asc_edge_train.reporting import load_report
from asc_edge_train.run import (
    DEFAULT_WEIGHTS,
    RECIPE_NAME,
    TABLE_NAME,
    TEACHING_NAME,
    Run,
    RunOptions,
    check_shipped,
    progress_bar,
)
from asc_edge_train.storage import read_json
from asc_edge_train.teaching import kept_lessons

__all__ = ["open_run", "read_run"]


def read_run(folder: Path) -> tuple[dict[str, Any], Recipe, list[dict[str, Any]]]:
    """Report, recipe and table of clips of a finished run.

    Raises
    ------
    UsageError
        When the folder holds none.
    """
    report = load_report(folder)
    try:
        return report, parse_recipe(read_json(folder / RECIPE_NAME)), read_json(folder / TABLE_NAME)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder}: not a finished run: {error}; run it again") from None


def open_run(
    folder: Path,
    data: Path,
    *,
    weights: Path = DEFAULT_WEIGHTS,
    cache: Path | None = None,
    jobs: int = 1,
    quiet: bool = False,
) -> Run:
    """The run in a folder, with what goes into the bundle that it ships, and nothing else.

    Frames are computed again where the cache has none; networks must be there.

    Parameters
    ----------
    data : Path
        Where the corpora lie.
    weights : Path
        Where files of pretrained networks lie, for frozen members.
    cache : Path, optional
        What was given to the run; inside its folder by default.

    Raises
    ------
    ConfigError
        When it ships a frozen member that no device can compute, or whose weights aren't there.
    UsageError
        When the folder holds no finished run, or one that ships nothing, or the data aren't those that it was
        trained on.
    AudioFileError
        When a clip can't be read.
    """
    report, recipe, table = read_run(folder)
    if not recipe.ship:
        raise UsageError(f"{folder}: its recipe ships nothing: name a fusion with ship = and run it again")
    system = next(system for system in recipe.fusions if system.name == recipe.ship)
    members = tuple(member for member in recipe.members if member.name in system.members)
    recipe = replace(recipe, members=members, fusions=(system,))
    check_shipped(recipe, weights)
    options = RunOptions(
        data=data,
        out=folder,
        weights=weights,
        cache=cache,
        jobs=jobs,
        smoke=bool(report.get("smoke")),
        command=str(report.get("command", "")),
        quiet=quiet,
    )
    clips = [_clip(row, data, options.cache_folder) for row in table]
    with progress_bar(len(clips), "clips", "clip", quiet) as bar:
        content = clip_keys(clips, options.cache_folder / "content.json", bar.update)
    front_ends = {member.front_end for member in members if member.trained}
    with progress_bar(len(clips) * len(front_ends), "frames", "clip", quiet) as bar:
        features = make_features(
            recipe,
            clips,
            content,
            data=data,
            cache=options.cache_folder,
            seed=recipe.seed,
            parallel=options.parallel,
            progress=bar.update,
        )
    options.parallel.rest()
    tasks = network_tasks(
        recipe,
        clips,
        features=features,
        output=folder / "networks",
        weights=options.weights,
        seed=recipe.seed,
        taught=kept_lessons(members, folder / TEACHING_NAME),
    )
    for task in tasks:
        if not task.done:
            raise UsageError(
                f"{folder}: network {task.name} isn't there, or was trained on other clips than those in "
                f"--data {data}; finish the run with: {options.command or 'asc-edge-train run'}"
            )
    return Run(recipe, options, recipe.seed, clips, content, features, tasks)


def _clip(row: dict[str, Any], data: Path, cache: Path) -> Clip:
    faults = tuple((float(start), float(end)) for start, end in row["faults_s"])
    sources = tuple(Source(*source) for source in row.get("sources", ()))
    path = (cache if sources else data) / row["path"]
    return Clip(**{**row, "path": path, "faults_s": faults, "sources": sources})
