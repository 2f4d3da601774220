"""A recipe's simulated scenes as a data set of their own: files, ``clips.csv`` and attribution."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from asc_edge.errors import UsageError
from asc_edge_train.bundling import attribution
from asc_edge_train.clips import Clip
from asc_edge_train.labels import build_table
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import Recipe
from asc_edge_train.scenes import SceneStore
from asc_edge_train.storage import stamp, stamped_key, write_text

__all__ = ["LIST_NAME", "make_scene_set"]

LIST_NAME = "clips.csv"
_COLUMNS = ("filename", "label", "group", "fold", "licence", "attribution")
_WORK = ".scenes"


def make_scene_set(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    count: int | None = None,
    seed: int | None = None,
    parallel: Parallel = SERIAL,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render scenes, or what is left of them to do; returns the path of the list.

    Parameters
    ----------
    count : int, optional
        Of every label that the recipe simulates, instead of the recipe's counts.
    seed : int, optional
        The recipe's by default.

    Raises
    ------
    UsageError
        When the recipe has no scenes, or the folder holds others, or something else.
    DataError, AudioFileError
    """
    if not recipe.scenes.counts:
        raise UsageError(f"recipe {recipe.name}: has no [scenes]")
    if count is not None:
        recipe = replace(recipe, scenes=replace(recipe.scenes, **dict.fromkeys(recipe.scenes.counts, count)))
    work, list_path = out / _WORK, out / LIST_NAME
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not work.is_dir())):
        raise UsageError(f"{out}: holds something else; give a new folder for the scenes")
    store = SceneStore(work, seed, folder=out)
    clips = [clip for clip in build_table(recipe, data, scenes=store) if clip.sources]
    if stamped_key(work / LIST_NAME) not in (None, store.key):
        raise UsageError(f"{out}: holds other scenes; give a new folder")
    stamp(work / LIST_NAME, store.key)
    store.render(clips, parallel=parallel, progress=lambda done: progress(done, len(clips)))
    write_text(list_path, _list(clips))
    write_text(out / "ATTRIBUTION.md", attribution(clips, recipe.name, what="scenes of `{}` are made of"))
    return list_path


def _list(clips: list[Clip]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for clip in clips:
        writer.writerow([clip.path.name, clip.label, clip.group, clip.fold, clip.licence, clip.attribution])
    return text.getvalue()
