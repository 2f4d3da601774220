"""From loaded corpora to the table that is trained on: mapping, licences, folds."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from asc_edge.errors import ConfigError
from asc_edge_train.clips import Clip, DataError, assign_folds, check_groups, licence_family
from asc_edge_train.datasets import load_corpus
from asc_edge_train.recipe import Mapping, Recipe
from asc_edge_train.scenes import SceneStore

__all__ = ["build_table", "map_labels", "table_labels"]


def map_labels(
    clips: Sequence[Clip], mapping: Mapping, labels: tuple[str, ...], fine_names: dict[str, str]
) -> list[Clip]:
    """Clips with the bundle's label set, without those that the mapping leaves out."""
    mapped = []
    for clip in clips:
        label = mapping.label_of(clip.fine, labels)
        if label is not None:
            mapped.append(replace(clip, label=label, fine=fine_names.get(clip.fine, clip.fine)))
    return mapped


def build_table(
    recipe: Recipe,
    data: Path,
    left_out: Callable[[str, str, int], None] = lambda corpus, why, clips: None,
    scenes: SceneStore | None = None,
) -> list[Clip]:
    """The recipe's clips, sorted by name, each with label and fold (0 for the evaluation part).

    Clips whose licence the recipe does not allow are left out. ``left_out`` is told of clips that a corpus
    itself lacks or can't use: its folder, why, and how many. Corpora with folds keep them; all others are
    folded together, so that a recording that stands in two corpora stays in one fold. Clips of the evaluation
    part, and of the recipe's evaluation folds, have no fold.

    Parameters
    ----------
    scenes : SceneStore, optional
        Plans the recipe's simulated scenes, each of pieces of its own fold; they have no files until
        `SceneStore.render`. Without it the table is of recordings alone, as it is where the recipe holds out
        whole corpora or recordists: pieces of scenes come from several.

    Raises
    ------
    DataError, FoldLeakError, AudioFileError, ConfigError
    """
    clips: list[Clip] = []
    for corpus in recipe.corpora:
        loaded = load_corpus(corpus.layout, data / corpus.folder, **corpus.options)
        for why, count in loaded.left_out.items():
            left_out(corpus.folder, why, count)
        if recipe.labels and corpus.layout not in recipe.mappings:
            raise ConfigError(f"recipe {recipe.name}: there is no [mappings.{corpus.layout}]")
        mapping = recipe.mappings.get(corpus.layout, Mapping())
        known = recipe.labels or tuple({clip.fine for clip in loaded} - {""})
        clips += map_labels(loaded, mapping, known, recipe.fine_names)
    if recipe.licences:
        clips = [clip for clip in clips if licence_family(clip.licence) in recipe.licences]
    clips = [
        replace(clip, part="evaluation", fold=0) if clip.fold in recipe.evaluation_folds else clip
        for clip in clips
    ]
    # A fold beyond the recipe's is the stranger that the finished bundle is scored on: never trained on.
    development = [clip for clip in clips if clip.part == "development" and clip.fold <= recipe.folds]
    evaluation = [clip for clip in clips if clip.part == "evaluation"]
    clips = [*assign_folds(development, recipe.folds, recipe.seed), *evaluation]
    if scenes is not None and recipe.scenes.counts and recipe.split == "folds":
        clips += scenes.plan(recipe, data, clips, left_out)
    clips.sort(key=lambda clip: clip.clip_id)
    check_groups(clips)
    if recipe.clips_per_class_and_fold:
        clips = _thin(clips, recipe.clips_per_class_and_fold)
    simulated = set() if any(clip.sources for clip in clips) else set(recipe.scenes.counts)
    found = {clip.label for clip in clips if clip.part == "development"}
    missing = sorted(set(recipe.labels) - found - simulated)
    if missing:
        raise ConfigError(f"recipe {recipe.name}: no clip of label {missing[0]!r} in {data}")
    return clips


def table_labels(recipe: Recipe, clips: Sequence[Clip]) -> tuple[str, ...]:
    """The recipe's labels, or where it asks for all classes, those of the development part.

    Raises
    ------
    DataError
        When an evaluation clip is of a class that nothing was trained on, or only one fold holds a class.
    """
    development = [clip for clip in clips if clip.part == "development"]
    found = {clip.label for clip in development}
    # Labels of scenes alone, in a table without scenes.
    labels = tuple(
        label for label in recipe.labels if label in found or label not in recipe.scenes.counts
    ) or tuple(sorted(found))
    strange = sorted({clip.label for clip in clips} - set(labels))
    if strange:
        raise DataError(f"recipe {recipe.name}: class {strange[0]!r} is in the evaluation part only")
    for fold in range(1, recipe.folds + 1):
        trained = {clip.label for clip in development if clip.fold != fold}
        lacking = sorted(set(labels) - trained)
        if lacking:
            raise DataError(f"recipe {recipe.name}: class {lacking[0]!r} is in fold {fold} only")
    return labels


def _thin(clips: list[Clip], limit: int) -> list[Clip]:
    """A few clips of every label, fold and subset, from all corpora: picked by a hash of their names."""
    kept: dict[tuple[str, int, str], int] = defaultdict(int)
    thinned = []
    for clip in sorted(clips, key=lambda clip: zlib.crc32(clip.clip_id.encode())):
        key = (clip.label, clip.fold, clip.subset)  # evaluation clips share fold 0
        if kept[key] < limit:
            kept[key] += 1
            thinned.append(clip)
    return sorted(thinned, key=lambda clip: clip.clip_id)
