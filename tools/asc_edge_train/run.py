"""A training run: where it stands, and its stages up to trained networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from asc_edge.errors import ConfigError
from asc_edge_train.clips import Clip
from asc_edge_train.content import clip_keys
from asc_edge_train.embeddings import make_embeddings
from asc_edge_train.extractors import build_extractor
from asc_edge_train.features import Features, make_features
from asc_edge_train.labels import build_table, table_labels
from asc_edge_train.models.weights import find_weights
from asc_edge_train.networks import NetworkTask, Taught, clip_classes, load_history, network_tasks
from asc_edge_train.parallel import Parallel
from asc_edge_train.ranks import ALONE, Ranks
from asc_edge_train.recipe import MemberConfig, Recipe
from asc_edge_train.scenes import SceneStore
from asc_edge_train.splits import split_recipe
from asc_edge_train.storage import write_json
from asc_edge_train.teaching import Teacher, lesson_count, make_targets
from asc_edge_train.workers import train_all

__all__ = [
    "Run",
    "RunOptions",
    "check_shipped",
    "frozen_embedding",
    "progress_bar",
    "recipe_values",
    "train_networks",
]

DEFAULT_WEIGHTS = Path("../shared/weights")
HISTORY_NAME = "history.json"
RECIPE_NAME = "recipe.json"
TABLE_NAME = "table.json"
TEACHING_NAME = "teaching"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything about a run that isn't in its recipe.

    Attributes
    ----------
    data, out : Path
        Where the corpora lie, and the folder of this run (made, or taken up where it was left).
    weights : Path
        Where files of pretrained networks lie.
    cache : Path, optional
        Frames and embeddings, which several runs may share; inside ``out`` by default.
    seed : int, optional
        The recipe's by default.
    jobs : int
        Workers at a time. The result doesn't depend on it.
    dask : bool
        Frames, embeddings and SVMs are computed by the connected cluster.
    smoke : bool
        A few clips and epochs only, to see that every stage works.
    command : str
        What was typed, for the report.
    ranks : Ranks
        Processes that share the networks.
    """

    data: Path
    out: Path
    weights: Path = DEFAULT_WEIGHTS
    cache: Path | None = None
    seed: int | None = None
    jobs: int = 1
    dask: bool = False
    smoke: bool = False
    command: str = ""
    quiet: bool = False
    ranks: Ranks = ALONE

    @property
    def cache_folder(self) -> Path:
        return self.cache or self.out / "cache"

    @property
    def parallel(self) -> Parallel:
        return Parallel(self.jobs, self.dask)


@dataclass(frozen=True)
class Run:
    """Where a run stands once its networks are trained.

    Attributes
    ----------
    recipe : Recipe
        With its labels, without the members that were left out.
    left_out : dict
        Members, and clips of corpora, that were left out, and why.
    content : list of str
        What each clip holds.
    """

    recipe: Recipe
    options: RunOptions
    seed: int
    clips: list[Clip]
    content: list[str]
    features: dict[str, Features]
    tasks: list[NetworkTask]
    left_out: dict[str, str] = field(default_factory=dict)

    def tasks_of(self, name: str) -> list[NetworkTask]:
        return [task for task in self.tasks if task.member.name == name]


def train_networks(recipe: Recipe, options: RunOptions) -> Run:
    """The stages up to trained networks: clip table, frames, networks.

    Raises
    ------
    AscEdgeError
        Of the type that says what is wrong with recipe, data or folder.
    """
    seed = recipe.seed if options.seed is None else options.seed
    if options.smoke:
        recipe = recipe.for_smoke()
    recipe, left_out = _without_absent(recipe, options.weights)
    check_shipped(recipe, options.weights)

    def lacking(corpus: str, why: str, count: int) -> None:
        left_out[corpus] = f"{count} clips: {why}"

    scenes = SceneStore(options.cache_folder, seed)
    clips = build_table(recipe, options.data, lacking, scenes)
    recipe, clips, alone = split_recipe(recipe, clips)
    left_out |= alone
    recipe = replace(recipe, labels=table_labels(recipe, clips))
    ranks = options.ranks
    if ranks.first:
        write_json(options.out / RECIPE_NAME, {**recipe_values(recipe), "seed": seed})
        write_json(options.out / TABLE_NAME, [_row(clip, options) for clip in clips])
    else:
        ranks.wait()  # until the first has made the caches
    quiet = options.quiet or not ranks.first
    count = sum(bool(clip.sources) for clip in clips)
    with progress_bar(count, "scenes", "scene", quiet or not count) as bar:
        scenes.render(clips, parallel=options.parallel, progress=bar.update)
    with progress_bar(len(clips), "clips", "clip", quiet) as bar:
        content = clip_keys(clips, options.cache_folder / "content.json", bar.update)
    front_ends = {member.front_end for member in recipe.members if member.trained}
    with progress_bar(len(clips) * len(front_ends), "frames", "clip", quiet) as bar:
        features = make_features(
            recipe,
            clips,
            content,
            data=options.data,
            cache=options.cache_folder,
            seed=seed,
            parallel=options.parallel,
            progress=bar.update,
        )
    options.parallel.rest()
    if ranks.first:
        ranks.wait()
    run = Run(recipe, options, seed, clips, content, features, [], left_out)
    students = {member.name for member in recipe.members if member.teaching is not None}
    if students:
        # Their teachers first.
        _train(replace(run, recipe=recipe.without(students)), {})
    return _train(run, _lessons(run) if students else {})


def _train(run: Run, lessons: dict[str, Taught]) -> Run:
    """Train what isn't trained yet of a run's networks."""
    options, ranks = run.options, run.options.ranks
    tasks = network_tasks(
        run.recipe,
        run.clips,
        features=run.features,
        output=options.out / "networks",
        weights=options.weights,
        seed=run.seed,
        taught=lessons,
    )
    own = ranks.share(tasks)
    look = _Look(tasks if ranks.first else [], options.out)
    quiet = options.quiet or not ranks.first
    with progress_bar(sum(task.epochs for task in own), "networks", "epoch", quiet) as bar:

        def progress(epochs: int) -> None:
            bar.update(epochs)
            look()

        train_all(own, options.jobs, progress)
    ranks.wait()
    look(final=True)
    return replace(run, tasks=tasks)


def _lessons(run: Run) -> dict[str, Taught]:
    """What the students of a run are taught; its other networks are trained."""
    recipe, options = run.recipe, run.options
    if not options.ranks.first:
        options.ranks.wait()  # until the first has made them: here they are only read
    folds = np.array([clip.fold for clip in run.clips])
    students = {member.name: member.teaching for member in recipe.members if member.teaching is not None}
    count = sum(lesson_count(len(teaching.members), folds) for teaching in students.values())
    lessons = {}
    with progress_bar(count, "lessons", "lesson", options.quiet or not options.ranks.first) as bar:
        for name, teaching in students.items():
            _, classes = clip_classes(recipe, recipe.member(name), run.clips)
            lessons[name] = make_targets(
                recipe.member(name),
                {teacher: _teacher(run, recipe.member(teacher)) for teacher in teaching.members},
                classes,
                folds,
                folder=options.out / TEACHING_NAME,
                parallel=options.parallel,
                progress=bar.update,
            )
    options.parallel.rest()
    if options.ranks.first:
        options.ranks.wait()
    return lessons


def _teacher(run: Run, member: MemberConfig) -> Teacher:
    if member.trained:
        alone = run.recipe.without({other.name for other in run.recipe.members} - {member.name})
        tasks = network_tasks(
            alone,
            run.clips,
            features=run.features,
            output=run.options.out / "networks",
            weights=run.options.weights,
            seed=run.seed,
        )
        return Teacher(tasks=tasks)
    embedding, key = frozen_embedding(run, member)
    return Teacher(embedding=np.asarray(embedding), key=key)


def frozen_embedding(
    run: Run, member: MemberConfig, progress: Callable[[int], None] = lambda clips: None
) -> tuple[np.ndarray, str]:
    """What a frozen member's network makes of every clip, and what that depends on."""
    return make_embeddings(
        build_extractor(member.extractor, run.options.weights),
        run.clips,
        run.content,
        channels=run.recipe.channels,
        cache=run.options.cache_folder,
        parallel=run.options.parallel,
        progress=progress,
    )


def check_shipped(recipe: Recipe, weights: Path) -> None:
    """Refuse a recipe that ships a frozen member which no device can compute, before anything is trained.

    Raises
    ------
    ConfigError
    """
    for system in recipe.fusions:
        for member in [recipe.member(name) for name in system.members if system.name == recipe.ship]:
            if member.trained:
                continue
            try:
                build_extractor(member.extractor, weights).for_device(recipe.sample_rate_hz, recipe.window_s)
            except ConfigError as error:
                raise ConfigError(
                    f"recipe {recipe.name}: can't ship member {member.name!r}: {error}"
                ) from None


class _Look:
    """Keeps the picture of the curves fresh while networks are trained, at most once a minute."""

    def __init__(self, tasks: list[NetworkTask], out: Path) -> None:
        self._tasks, self._out, self._next = tasks, out, 0.0

    def __call__(self, final: bool = False) -> None:
        import time

        if not self._tasks or (not final and time.monotonic() < self._next):
            return
        histories = {task.name: load_history(task) for task in self._tasks}
        histories = {name: records for name, records in histories.items() if records}
        if histories:
            from asc_edge_train.reporting import draw_history

            write_json(self._out / HISTORY_NAME, histories)
            draw_history(histories, self._out / "curves.png")
        self._next = time.monotonic() + 60.0


def _without_absent(recipe: Recipe, weights: Path) -> tuple[Recipe, dict[str, str]]:
    """The recipe without optional members whose weight file isn't there, and why each is left out."""
    absent = {}
    for member in recipe.members:
        try:
            if member.extractor:
                build_extractor(member.extractor, weights)
            elif member.network.get("weights"):
                find_weights(member.network["weights"], weights)
        except ConfigError as error:
            if not member.optional:
                raise
            # What is published must not name this machine's folders.
            absent[member.name] = str(error).replace(f"{weights}/", "")
    return recipe.without(set(absent)), absent


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """A recipe as `asc_edge_train.recipe.parse_recipe` reads it: what a run's folder keeps of it."""
    values = asdict(recipe)
    values["front_ends"] = {name: config.to_dict() for name, config in recipe.front_ends.items()}
    return values


def _row(clip: Clip, options: RunOptions) -> dict[str, Any]:
    row = asdict(clip)
    row["path"] = clip.path.relative_to(options.cache_folder if clip.sources else options.data).as_posix()
    return row


@contextmanager
def progress_bar(total: int, name: str, unit: str, quiet: bool) -> Iterator[Any]:
    """A progress bar on standard error, or nothing at all."""
    with tqdm(total=total, desc=name, unit=unit, disable=quiet, mininterval=1.0, smoothing=0.05) as bar:
        yield bar
