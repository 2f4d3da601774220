"""What an array of microphones is worth: all channels against each one, and with a bad one.

Every recording is answered through the device's own pipeline, with all its channels and with each alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.audio.files import read_audio
from asc_edge.bundle import Bundle
from asc_edge.cli.options import open_bundle
from asc_edge.errors import UsageError
from asc_edge.pipeline import Pipeline, classify_clip
from asc_edge_train.array_set import FACTS_NAME
from asc_edge_train.arrays_folds import fold_bundles
from asc_edge_train.arrays_tables import Answered, array_tables
from asc_edge_train.bundling import heard_recordings
from asc_edge_train.clips import DataError
from asc_edge_train.datasets.arrays import LIST_NAME, read_array_list
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.reopen import open_run
from asc_edge_train.run import DEFAULT_WEIGHTS, progress_bar
from asc_edge_train.stages import fuse_run
from asc_edge_train.storage import read_json

__all__ = ["answer_set", "evaluate_bundle", "evaluate_run"]

FOLDER_NAME = "fold-bundles"
_RECORDINGS_AT_A_TIME = 12

Row = dict[str, str]


def evaluate_run(
    run: Path,
    folder: Path,
    data: Path,
    *,
    weights: Path | None = None,
    cache: Path | None = None,
    parallel: Parallel = SERIAL,
    quiet: bool = False,
) -> dict[str, Any]:
    """Figures of a finished run on a set, each recording answered by what never heard its fold.

    Raises
    ------
    UsageError
        When the folder holds no finished run, or one that ships nothing.
    DataError
        When the set can't be read, or its folds aren't the run's.
    """
    rows = read_array_list(folder)
    fused = fuse_run(
        open_run(run, data, weights=weights or DEFAULT_WEIGHTS, cache=cache, jobs=1, quiet=quiet)
    )
    fold_of = {clip.group: clip.fold for clip in fused.run.clips}
    strange = next((row for row in rows if fold_of.get(row["group"], -1) != int(row["fold"])), None)
    if strange is not None:
        raise DataError(
            f"{folder / LIST_NAME}: {strange['filename']} is of recording {strange['group']!r}, not in "
            f"fold {strange['fold']} of {run}; make the set of the run's own recipe and data"
        )
    with progress_bar(fused.run.recipe.folds, "fold bundles", "bundle", quiet) as bar:
        bundles = fold_bundles(fused, run / FOLDER_NAME, bar.update)
    recipe = fused.run.recipe
    answered = answer_set(rows, folder, bundles, recipe.labels, parallel=parallel, quiet=quiet)
    return {
        "name": f"run {recipe.name} {recipe.version}",
        "protocol": "out of fold",
        "heard": 0,
        "bundles": {str(fold): Bundle.open(path).sha256 for fold, path in bundles.items()},
        **_common(folder, recipe.labels, answered),
    }


def evaluate_bundle(
    name: str,
    folder: Path,
    *,
    unheard: bool = False,
    parallel: Parallel = SERIAL,
    quiet: bool = False,
) -> dict[str, Any]:
    """Figures of one bundle on a set. Recordings that it was trained on flatter it, and are counted.

    Parameters
    ----------
    name : str
        A file, or a built-in bundle's name.
    unheard : bool
        Leave those recordings out.

    Raises
    ------
    DataError
        When the set can't be read, or nothing is left of it.
    """
    bundle = open_bundle(name)
    heard = heard_recordings(bundle)
    rows = read_array_list(folder)
    if unheard:
        rows = [row for row in rows if row["group"] not in heard]
    rows = [row for row in rows if row["label"] in bundle.labels]
    if not rows:
        raise DataError(f"{folder}: nothing left that {name} wasn't trained on, of labels that it knows")
    bundles = dict.fromkeys({int(row["fold"]) for row in rows}, name)
    answered = answer_set(rows, folder, bundles, bundle.labels, parallel=parallel, quiet=quiet)
    return {
        "name": f"bundle {bundle.name} {bundle.version}",
        "protocol": "one bundle",
        "heard": len({row["scene"] for row in rows if row["group"] in heard}),
        "bundles": {"all": bundle.sha256},
        **_common(folder, bundle.labels, answered),
    }


def answer_set(
    rows: Sequence[Row],
    folder: Path,
    bundles: dict[int, Path] | dict[int, str],
    labels: Sequence[str],
    *,
    parallel: Parallel = SERIAL,
    quiet: bool = False,
) -> list[Answered]:
    """What a fold's bundle says to each recording: with all channels, and with each alone."""
    pieces: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        pieces[int(row["fold"]), int(row["channels"])].append(row)
    work = [
        (str(bundles[fold]), channels, own[start : start + _RECORDINGS_AT_A_TIME])
        for (fold, channels), own in sorted(pieces.items(), key=lambda piece: piece[0])
        for start in range(0, len(own), _RECORDINGS_AT_A_TIME)
    ]
    answered: list[Answered] = []
    with progress_bar(len(rows), "recordings", "recording", quiet) as bar:
        for made in parallel.map(_Answer(folder, tuple(labels)), work):
            answered += made
            bar.update(len(made))
    parallel.rest()
    return answered


@dataclass(frozen=True)
class _Answer:
    """Answers of a bundle to a few recordings of one number of channels; pickled to workers."""

    folder: Path
    labels: tuple[str, ...]

    def __call__(self, work: tuple[str, int, list[Row]]) -> list[Answered]:
        name, channels, rows = work
        bundle = open_bundle(name)
        if not set(bundle.labels) <= set(self.labels):
            raise UsageError(f"{name}: has other labels than the set's")
        array = Pipeline(bundle, channels=channels)
        alone = Pipeline(bundle)
        return [self._one(row, array, alone) for row in rows]

    def _one(self, row: Row, array: Pipeline, alone: Pipeline) -> Answered:
        samples, rate = read_audio(self.folder / row["filename"])
        if rate != array.sample_rate_hz or samples.shape[1] != array.channels:
            raise DataError(
                f"{self.folder / row['filename']}: isn't what {LIST_NAME} says; make the set again"
            )
        together = classify_clip(array, samples)
        bad = int(row["fault_channel"])
        # Beside a bad channel the others are what they are in the healthy array.
        listened = range(samples.shape[1]) if row["fault"] == "none" else [bad]
        single = tuple(
            self._number(classify_clip(alone, np.ascontiguousarray(samples[:, [channel]])).top)
            for channel in listened
        )
        return Answered(
            row=row,
            truth=self.labels.index(row["label"]),
            together=self._number(together.top),
            single=single,
            excluded=bad >= 0 and together.channels[bad] != "ok",
        )

    def _number(self, top: str | None) -> int:
        """No answer has a number of its own, which is wrong for every label."""
        return len(self.labels) if top is None else self.labels.index(top)


def _common(folder: Path, labels: Sequence[str], answered: list[Answered]) -> dict[str, Any]:
    try:
        facts = read_json(folder / FACTS_NAME)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / FACTS_NAME}: can't be read: {error}; make the set again") from None
    return {"labels": list(labels), "set": facts, **array_tables(answered, len(labels))}
