"""The clip table: one row per clip, whatever corpus it comes from, and the folds it is split by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asc_edge.errors import UsageError

__all__ = [
    "Clip",
    "Corpus",
    "DataError",
    "FoldLeakError",
    "Source",
    "assign_folds",
    "check_groups",
    "licence_family",
    "merge_straddling_groups",
]


class DataError(UsageError, ValueError):
    """A data set is not laid out as its loader expects."""


class FoldLeakError(UsageError, ValueError):
    """Clips of one recording stand in two folds, so that a fold would be tested on what it was trained on."""


class Source(NamedTuple):
    """A piece that a simulated clip is made of."""

    corpus: str
    group: str
    attribution: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One clip, or one piece of a longer take.

    Attributes
    ----------
    path : Path
        Audio file.
    clip_id : str
        Name that is unique in the whole table and doesn't depend on where the data lies.
    fine : str
        The corpus's own class.
    label : str
        The bundle's label that the class is mapped to; empty until it is mapped.
    group : str
        Recording (or person, session, location) that must not be split over folds.
    fold : int
        From 1; 0 where the corpus has none yet, and for every clip of the evaluation part.
    part : {"development", "evaluation"}
        Evaluation clips are never trained, tuned or calibrated on; they are scored once, at the end.
    subset : str
        What the evaluation part is reported by beside its whole: known and unknown microphones, seen and
        unseen cities. Empty where the corpus makes no such difference.
    faults_s : tuple of (float, float)
        Stretches of the clip, in seconds, that its makers call faulty. They are cut out.
    licence, corpus, attribution : str
        Where it comes from and what it may be used for.
    offset_s, duration_s : float
        Which piece of the file; a duration of 0 means to its end.
    sources : tuple of Source
        What a simulated clip is made of; empty for a recording.
    """

    path: Path
    clip_id: str
    fine: str
    group: str
    corpus: str
    licence: str
    attribution: str
    label: str = ""
    fold: int = 0
    offset_s: float = 0.0
    duration_s: float = 0.0
    part: str = "development"
    subset: str = ""
    faults_s: tuple[tuple[float, float], ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Pieces of a simulated clip, or what a recording itself is."""
        return self.sources or (Source(self.corpus, self.group, self.attribution, self.licence),)


class Corpus(list[Clip]):
    """Clips of one corpus, and what its loader left out.

    Attributes
    ----------
    left_out : dict of str to int
        Number of clips by reason, for instance ``{"listed but absent": 12}``: for a person to be shown.
    """

    def __init__(self, clips: Iterable[Clip] = (), left_out: Mapping[str, int] | None = None) -> None:
        super().__init__(clips)
        self.left_out = {reason: count for reason, count in (left_out or {}).items() if count}


# Longest first: "CC-BY-NC" and "CC-BY-SA" must not pass for "CC-BY".
_FAMILIES = (
    ("CC-BY-NC", ("cc-by-nc", "cc by-nc", "by-nc")),
    ("CC-BY-SA", ("cc-by-sa", "cc by-sa", "by-sa")),
    ("CC-BY-ND", ("cc-by-nd", "cc by-nd")),
    ("CC-Sampling+", ("sampling",)),
    ("CC-BY", ("cc-by", "cc by")),
    ("CC0", ("cc0",)),
    ("Apache-2.0", ("apache-2.0", "apache 2.0")),
    ("MIT", ("mit ", "mit(", "mit,")),
    ("public domain", ("public domain",)),
    ("non-commercial research", ("non-commercial", "research only")),
    ("none stated", ("none stated",)),
    ("own recordings", ("own recordings",)),
)


def licence_family(text: str) -> str:
    """Family of a licence as data sets write it, for instance ``CC-BY`` for ``CC-BY-4.0 adventurekid.se``.

    Texts that name no known licence are answered with ``unknown``, which no recipe allows.
    """
    lowered = text.strip().lower() + " "
    found = [
        (lowered.find(mark), order, family)
        for order, (family, marks) in enumerate(_FAMILIES)
        for mark in marks
        if mark in lowered
    ]
    # The licence that stands first is the clip's own; later ones are remarks about the repository.
    return min(found)[2] if found else "unknown"


def check_groups(clips: Sequence[Clip], *, folded: bool = True) -> None:
    """Refuse a table in which a group stands in two folds or in both parts, a clip twice, or a fold is wrong.

    Parameters
    ----------
    clips : sequence of Clip
    folded : bool
        Whether every development clip must have its fold by now; a loader leaves some at 0.

    Raises
    ------
    FoldLeakError, DataError
    """
    if not clips:
        raise DataError("the clip table is empty: check --data and the recipe's mappings and licences")
    doubled = [name for name, count in Counter(clip.clip_id for clip in clips).items() if count > 1]
    if doubled:
        raise DataError(f"clip {doubled[0]!r} stands twice in the table")
    folds: dict[str, int] = {}
    tested = {clip.group for clip in clips if clip.part == "evaluation"}
    for clip in clips:
        if clip.part == "evaluation":
            if clip.fold:
                raise DataError(f"clip {clip.clip_id!r} is of the evaluation part, yet in fold {clip.fold}")
            continue
        if clip.group in tested:
            raise FoldLeakError(
                f"recording {clip.group!r} stands in the development and in the evaluation part "
                f"(clip {clip.clip_id!r}): take it out of one of the two"
            )
        if clip.fold < (1 if folded else 0):
            raise DataError(f"clip {clip.clip_id!r} has no fold")
        if clip.fold and folds.setdefault(clip.group, clip.fold) != clip.fold:
            raise FoldLeakError(
                f"recording {clip.group!r} stands in folds {folds[clip.group]} and {clip.fold} "
                f"(clip {clip.clip_id!r}): re-fold the corpus or merge the group"
            )


def merge_straddling_groups(clips: Iterable[Clip]) -> list[Clip]:
    """Move the clips of a group that stands in several folds to the fold that holds most of them.

    A tie goes to the lowest fold. Corpora with official folds keep them for every other clip.
    """
    clips = list(clips)
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for clip in clips:
        if clip.part != "evaluation":
            counts[clip.group][clip.fold] += 1
    home = {group: min(count, key=lambda fold: (-count[fold], fold)) for group, count in counts.items()}
    return [clip if clip.part == "evaluation" else replace(clip, fold=home[clip.group]) for clip in clips]


def assign_folds(clips: Iterable[Clip], folds: int, seed: int) -> list[Clip]:
    """Split clips into folds by group, so that every fine class is spread as evenly as groups allow.

    Greedy: groups from the largest to the smallest, each to the fold where its classes are scarcest, then to
    the smallest fold. Clips that have a fold already count, and pull the rest of their group with them.
    Evaluation clips stay as they are.

    Raises
    ------
    FoldLeakError
        When a group stands in several folds.
    DataError
        When a clip has a fold beyond the last.
    """
    clips = list(clips)
    members: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.part != "evaluation":
            members[clip.group].append(clip)
    names = sorted(members)
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: -len(members[name]))

    per_class: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(folds + 1))
    total = np.zeros(folds + 1)
    home: dict[str, int] = {}

    def settle(name: str, fold: int) -> None:
        home[name] = fold
        for clip in members[name]:
            per_class[clip.fine][fold] += 1
            total[fold] += 1

    for name in names:
        given = {clip.fold for clip in members[name]} - {0}
        if len(given) > 1:
            raise FoldLeakError(f"recording {name!r} stands in folds {sorted(given)}: merge the group first")
        if given and max(given) > folds:
            raise DataError(f"recording {name!r} stands in fold {max(given)}, and there are to be {folds}")
        if given:
            settle(name, given.pop())
    for name in names:
        if name not in home:
            classes = Counter(clip.fine for clip in members[name])
            load = sum(
                count * per_class[fine] / max(per_class[fine].sum(), 1) for fine, count in classes.items()
            )
            settle(name, min(range(1, folds + 1), key=lambda fold: (load[fold], total[fold], fold)))
    return [clip if clip.part == "evaluation" else replace(clip, fold=home[clip.group]) for clip in clips]
