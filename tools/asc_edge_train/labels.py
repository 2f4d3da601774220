"""From loaded corpora to the table that is trained on: mapping, licences, folds."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asc_edge.errors import ConfigError
from asc_edge_train.clips import Clip, assign_folds, check_groups, licence_family
from asc_edge_train.datasets import load_corpus
from asc_edge_train.recipe import Mapping, Recipe

__all__ = ["build_table", "map_labels"]


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


def build_table(recipe: Recipe, data: Path) -> list[Clip]:
    """The recipe's clips, sorted by name, each with label and fold.

    Clips whose licence the recipe does not allow are left out. Corpora with folds keep them; all others are
    folded together, so that a recording that stands in two corpora stays in one fold.

    Raises
    ------
    DataError, FoldLeakError, AudioFileError, ConfigError
    """
    clips: list[Clip] = []
    for corpus in recipe.corpora:
        if corpus.layout not in recipe.mappings:
            raise ConfigError(f"recipe {recipe.name}: there is no [mappings.{corpus.layout}]")
        loaded = load_corpus(corpus.layout, data / corpus.folder)
        clips += map_labels(loaded, recipe.mappings[corpus.layout], recipe.labels, recipe.fine_names)
    clips = [clip for clip in clips if licence_family(clip.licence) in recipe.licences]
    # A fold beyond the recipe's is the stranger that the finished bundle is scored on: never trained on.
    clips = [clip for clip in clips if clip.fold <= recipe.folds]
    clips = assign_folds(clips, recipe.folds, recipe.seed)
    clips.sort(key=lambda clip: clip.clip_id)
    check_groups(clips)
    if recipe.clips_per_class_and_fold:
        clips = _thin(clips, recipe.clips_per_class_and_fold)
    missing = sorted(set(recipe.labels) - {clip.label for clip in clips})
    if missing:
        raise ConfigError(f"recipe {recipe.name}: no clip of label {missing[0]!r} in {data}")
    return clips


def _thin(clips: list[Clip], limit: int) -> list[Clip]:
    """A few clips of every label and fold, from all corpora: picked by a hash of their names."""
    kept: dict[tuple[str, int], int] = defaultdict(int)
    thinned = []
    for clip in sorted(clips, key=lambda clip: zlib.crc32(clip.clip_id.encode())):
        key = (clip.label, clip.fold)
        if kept[key] < limit:
            kept[key] += 1
            thinned.append(clip)
    return sorted(thinned, key=lambda clip: clip.clip_id)
