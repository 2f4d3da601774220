"""A training run: its stages in order, each of which is skipped where its result stands already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from asc_edge_train.clips import Clip
from asc_edge_train.features import make_features
from asc_edge_train.labels import build_table
from asc_edge_train.networks import NetworkTask, network_tasks
from asc_edge_train.recipe import Recipe, fingerprint
from asc_edge_train.storage import write_json
from asc_edge_train.workers import train_all

__all__ = ["Run", "progress_bar", "train_networks"]


@dataclass(frozen=True)
class Run:
    """Where a run stands: recipe, data, folder, seed, and the networks' tasks."""

    recipe: Recipe
    data: Path
    out: Path
    seed: int
    smoke: bool
    clips: list[Clip]
    tasks: list[NetworkTask]
    key: str
    command: str


def train_networks(
    recipe: Recipe, data: Path, out: Path, *, seed: int, jobs: int, smoke: bool, command: str, quiet: bool
) -> Run:
    """The stages up to trained networks: clip table, features, networks."""
    if smoke:
        recipe = recipe.for_smoke()
    clips = build_table(recipe, data)
    write_json(out / "table.json", [_row(clip, data) for clip in clips])
    with progress_bar(len(clips), "features", "clip", quiet) as bar:
        key = make_features(recipe, clips, data=data, folder=out / "features", seed=seed, progress=bar.update)
        bar.update(len(clips) - bar.n)
    tasks = network_tasks(
        recipe, clips, features=out / "features", output=out / "networks", seed=seed, key=key
    )
    with progress_bar(sum(task.member.training.epochs for task in tasks), "networks", "epoch", quiet) as bar:
        train_all(tasks, jobs, bar.update)
    key = fingerprint(recipe, [task.key for task in tasks])
    return Run(recipe, data, out, seed, smoke, clips, tasks, key, command)


def _row(clip: Clip, data: Path) -> dict[str, Any]:
    row = asdict(clip)
    row["path"] = clip.path.relative_to(data).as_posix()
    return row


@contextmanager
def progress_bar(total: int, name: str, unit: str, quiet: bool) -> Iterator[Any]:
    """A progress bar on standard error, or nothing at all."""
    with tqdm(total=total, desc=name, unit=unit, disable=quiet, mininterval=1.0, smoothing=0.05) as bar:
        yield bar
