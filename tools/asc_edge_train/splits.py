"""Whole corpora, or whole recordists, held out: what a system makes of sounds that nobody like that recorded.

Folds by recording keep a recording together, and share everything else between training and test: a corpus's
way of cutting, a person's kitchen and microphone. Here each fold is one corpus, or one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asc_edge_train.clips import Clip, DataError, assign_folds
from asc_edge_train.figures import METRICS, bootstrap_interval, clip_score
from asc_edge_train.recipe import Mapping, Recipe, ScenesConfig

__all__ = ["SPLITS", "Split", "held_out_figures", "make_split", "pooled_figures", "split_recipe"]

SPLITS = ("folds", "recordist", "corpus")

# What corpora of a single label (sets of speech) are held out together as.
ONE_LABEL = "sets of one label"
# Recordists with fewer clips tell nothing by themselves; they stay with those whom nobody names.
LEAST_CLIPS = 20
_PERSON = "kitchen20:"


@dataclass(frozen=True)
class Split:
    """Which clips are held out together.

    Attributes
    ----------
    names : tuple of str
        Of the folds, from fold 1.
    folds : ndarray of int (clips,)
        0 for the evaluation part.
    """

    names: tuple[str, ...]
    folds: np.ndarray


def make_split(clips: Sequence[Clip], by: str, *, folds: int, seed: int) -> Split:
    """Folds by corpus or by recordist.

    By recordist every person whom a corpus names is a fold (of Kitchen20's own recordings). Most clips come
    from Freesound, and no corpus here tells who uploaded them: they are spread over ``folds`` further folds,
    by recording.

    Parameters
    ----------
    clips : sequence of Clip
        With labels.
    by : {"recordist", "corpus"}

    Raises
    ------
    DataError
        When there are fewer than two to hold out.
    """
    units = _corpora(clips) if by == "corpus" else _recordists(clips)
    names = sorted(set(units) - {""})
    numbers = np.array([names.index(unit) + 1 if unit else 0 for unit in units])
    if by == "recordist":
        nobody = [
            place for place, unit in enumerate(units) if not unit and clips[place].part == "development"
        ]
        spread = assign_folds([replace(clips[place], fold=0) for place in nobody], folds, seed)
        numbers[nobody] = [len(names) + clip.fold for clip in spread]
        named = len(names)
        names += [f"nobody named, {number} of {folds}" for number in range(1, folds + 1)] if nobody else []
    else:
        named = len(names)
    if named < (1 if by == "recordist" else 2):
        raise DataError(f"split by {by}: these clips have only {named} to hold out")
    return Split(tuple(names), numbers)


def _corpora(clips: Sequence[Clip]) -> list[str]:
    labels: dict[str, set[str]] = {}
    for clip in clips:
        labels.setdefault(clip.corpus, set()).add(clip.label)
    units = [clip.corpus if len(labels[clip.corpus]) > 1 else ONE_LABEL for clip in clips]
    return [unit if clip.part == "development" else "" for unit, clip in zip(units, clips, strict=True)]


def _recordists(clips: Sequence[Clip]) -> list[str]:
    persons = [
        f"Kitchen20 {clip.group.removeprefix(_PERSON)}"
        if clip.group.startswith(_PERSON) and clip.part == "development"
        else ""
        for clip in clips
    ]
    return [person if persons.count(person) >= LEAST_CLIPS else "" for person in persons]


def split_recipe(recipe: Recipe, clips: list[Clip]) -> tuple[Recipe, list[Clip], dict[str, str]]:
    """Recipe and clips with the folds of the recipe's ``split``, and what had to be left out.

    A label that a single corpus has can't be told when that corpus is held out: its clips are left out of the
    whole run. Such a run ships nothing: it is there to be measured.

    Raises
    ------
    DataError
        When nothing is left to hold out.
    """
    if recipe.split == "folds":
        return recipe, clips, {}
    split = make_split(clips, recipe.split, folds=recipe.folds, seed=recipe.seed)
    where: dict[str, set[int]] = {}
    for clip, fold in zip(clips, split.folds.tolist(), strict=True):
        where.setdefault(clip.label, set()).add(fold)
    alone = sorted(label for label, found in where.items() if len(found - {0}) < 2)
    left_out = {
        label: f"{sum(clip.label == label for clip in clips)} clips: of one {recipe.split} alone"
        for label in alone
    }
    pairs = [
        (clip, fold)
        for clip, fold in zip(clips, split.folds.tolist(), strict=True)
        if clip.label not in alone
    ]
    # A fold may have held nothing else.
    used = sorted({fold for _, fold in pairs} - {0})
    if len(used) < 2:
        raise DataError(f"recipe {recipe.name}: split by {recipe.split}: no two of these share a label")
    kept = [replace(clip, fold=used.index(fold) + 1 if fold else 0) for clip, fold in pairs]
    held_out = [split.names[fold - 1] for fold in used]
    names = ", ".join(f"{number} {name}" for number, name in enumerate(held_out, start=1))
    # Scenes are made of several corpora's pieces: such a table has none, nor labels of scenes alone.
    labels = tuple(label for label in recipe.labels if label in where and label not in alone)
    return (
        replace(
            recipe,
            labels=labels,
            mappings={layout: _without(mapping, alone) for layout, mapping in recipe.mappings.items()},
            scenes=ScenesConfig(),
            folds=len(used),
            ship="",
            protocol=f"one {recipe.split} held out at a time, as folds: {names}; posteriors and decision "
            "values of every clip come from networks that never heard its fold",
        ),
        kept,
        left_out,
    )


def _without(mapping: Mapping, labels: Sequence[str]) -> Mapping:
    """A mapping that leaves out the classes of some labels, so that the recipe can be read again."""
    gone = [fine for fine, label in mapping.labels.items() if label in labels]
    kept = {fine: label for fine, label in mapping.labels.items() if label not in labels}
    default = "" if mapping.default in labels else mapping.default
    return Mapping(labels=kept, default=default, exclude=[*mapping.exclude, *gone])


def held_out_figures(
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    test: np.ndarray,
    labels: Sequence[str],
    *,
    trained: np.ndarray | None = None,
) -> dict[str, Any]:
    """Figures of what was held out, over the labels that it has and that training still had.

    Clips of labels that nothing was trained on can't be right, and are left out and counted as
    ``impossible``. An answer with a label that was held out with no clip is an error for the clip's own
    label.

    Parameters
    ----------
    truth, predicted : ndarray of int (clips,)
    groups : ndarray (clips,)
        Drawn for the intervals; of a single group there is none.
    test : ndarray of bool (clips,)
        What was held out.
    trained : ndarray of int, optional
        Labels that training had; those of all other clips by default.
    """
    trained = np.unique(truth[~test]) if trained is None else trained
    scored = np.intersect1d(truth[test], trained)
    rows = test & np.isin(truth, scored)
    return {
        "clips": int(rows.sum()),
        "impossible": int(test.sum() - rows.sum()),
        **_figures(truth[rows], predicted[rows], groups[rows], scored, labels),
    }


def pooled_figures(
    truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray, rows: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    """Figures over all clips (``rows``) that could be right, over the labels that they have."""
    scored = np.unique(truth[rows])
    figures = _figures(truth[rows], predicted[rows], groups[rows], scored, labels)
    return {"clips": int(rows.sum()), "impossible": int((~rows).sum()), **figures}


def _figures(
    truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray, scored: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    place = np.full(len(labels) + 1, len(scored))
    place[scored] = np.arange(len(scored))
    truth, predicted = place[truth], place[predicted]
    found: dict[str, Any] = {
        "labels": [labels[number] for number in scored],
        "groups": len(set(groups.tolist())),
    }
    for metric in METRICS:
        found[metric] = clip_score(truth, predicted, len(scored), metric) if len(truth) else None
        enough = found["groups"] > 1
        interval = bootstrap_interval(truth, predicted, groups, len(scored), metric) if enough else None
        found[f"{metric}_interval"] = list(interval) if interval else None
    return found
