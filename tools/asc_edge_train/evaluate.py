"""Score a folder that a bundle or a run has never seen."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from asc_edge.bundle import Bundle
from asc_edge.errors import ConfigError
from asc_edge.pipeline import Pipeline, classify_clip
from asc_edge_train.bundling import heard_recordings
from asc_edge_train.clips import Clip, DataError
from asc_edge_train.datasets import load_corpus
from asc_edge_train.figures import confusion, score_table
from asc_edge_train.labels import map_labels
from asc_edge_train.predict import Predictor
from asc_edge_train.recipe import Mapping
from asc_edge_train.sound import clip_samples

__all__ = ["BundleJudge", "Judge", "RunJudge", "evaluate", "evaluation_text", "load_mapping"]

NO_ANSWER = "(no answer)"


class Judge(Protocol):
    """What is scored: something that gives clips labels.

    Attributes
    ----------
    kind : {"bundle", "run"}
    name, version : str
    description : dict
        For the result: what exactly it was.
    labels : tuple of str
    heard : set of str
        Groups that it was trained on.
    mappings : dict
        From a layout's classes to its labels, by layout.
    """

    kind: str
    name: str
    version: str
    description: dict[str, Any]
    labels: tuple[str, ...]
    heard: set[str]
    mappings: dict[str, Any]

    def answer(self, clips: Sequence[Clip], progress: Callable[[int], None]) -> list[str | None]:
        """A label for each clip, or None where there is no answer (silence)."""
        ...


class BundleJudge:
    """A bundle, through the device's own pipeline."""

    kind = "bundle"

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.name, self.version = f"bundle {bundle.name}", bundle.version
        self.description = {"name": bundle.name, "version": bundle.version, "sha256": bundle.sha256}
        self.labels = bundle.labels
        self.heard = heard_recordings(bundle)
        training = bundle.manifest.raw.get("training", {})
        stored = training.get("mappings", {}) if isinstance(training, dict) else {}
        self.mappings = stored if isinstance(stored, dict) else {}

    def answer(self, clips: Sequence[Clip], progress: Callable[[int], None]) -> list[str | None]:
        pipeline = Pipeline(self.bundle)
        answers = []
        for clip in clips:
            answers.append(classify_clip(pipeline, clip_samples(clip, self.bundle.sample_rate_hz)).top)
            progress(1)
        return answers


class RunJudge:
    """A finished run: one of its fusions or members, on the workstation."""

    kind = "run"

    def __init__(self, run: Predictor, weights: Path) -> None:
        self.run, self.weights = run, weights
        self.name, self.version = f"run {run.recipe.name}, {run.system},", run.recipe.version
        self.description = {
            "name": run.recipe.name,
            "version": run.recipe.version,
            "system": run.system,
        }
        self.labels = run.recipe.labels
        self.heard = run.heard
        self.mappings = {
            layout: {"labels": mapping.labels, "default": mapping.default, "exclude": mapping.exclude}
            for layout, mapping in run.recipe.mappings.items()
        }

    def answer(self, clips: Sequence[Clip], progress: Callable[[int], None]) -> list[str | None]:
        scores = self.run.scores(clips, self.weights)
        progress(len(clips))
        return [self.labels[number] for number in np.argmax(scores, axis=1)]


def load_mapping(judge: Judge, layout: str, path: Path | None) -> Mapping:
    """The mapping from a layout's classes to the judge's labels.

    The recipe's mapping stands in the bundle or run; a TOML file of the same form takes its place
    (``labels = { dog = "dog_bark" }``, ``default``, ``exclude``).

    Raises
    ------
    ConfigError
        When the file is unreadable or names a label that the judge doesn't have.
    """
    if path is None:
        stored = judge.mappings.get(layout, {})
        values = stored if isinstance(stored, dict) else {}
    else:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: mapping can't be read: {error}") from None
    try:
        mapping = Mapping(**values)
    except TypeError:
        raise ConfigError(f"{path or layout}: a mapping holds labels, default and exclude only") from None
    unknown = {*mapping.labels.values(), *([mapping.default] if mapping.default else [])} - set(judge.labels)
    if unknown:
        raise ConfigError(f"{path or layout}: {sorted(unknown)[0]!r} is not a label of {judge.name}")
    return mapping


def evaluate(
    judge: Judge,
    data: Path,
    *,
    layout: str,
    mapping: Mapping,
    fold: int | None = None,
    unheard: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Figures of a bundle or run on a folder: accuracy, macro-F1, per label, confusion.

    Labels that the folder has no clip of don't count in the macro-F1. A clip that is silent to the pipeline
    has no answer, and counts as wrong. Clips of recordings that the judge was trained on are counted as
    ``heard``, and with ``unheard`` left out: they flatter it.

    Raises
    ------
    DataError, AudioFileError
    """
    loaded = load_corpus(layout, data)
    clips = map_labels(loaded, mapping, judge.labels, {})
    if fold is not None:
        clips = [clip for clip in clips if clip.fold == fold]
    heard = sum(clip.group in judge.heard for clip in clips)
    if unheard:
        clips = [clip for clip in clips if clip.group not in judge.heard]
    if not clips and unheard and heard:
        raise DataError(f"{data}: {judge.name} was trained on every one of these recordings")
    if not clips:
        where = "" if fold is None else f" in fold {fold}"
        raise DataError(f"{data}: no clip{where} whose class maps to a label of {judge.name}; see --map")
    present = [label for label in judge.labels if label in {clip.label for clip in clips}]
    # Answers outside the labels that occur, and no answer at all, share the last column.
    columns = [*present, *(label for label in judge.labels if label not in present), NO_ANSWER]
    truth = np.array([columns.index(clip.label) for clip in clips])
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress(done, len(clips))

    predicted = np.array([columns.index(top or NO_ANSWER) for top in judge.answer(clips, count)])
    figures = score_table(truth, predicted, np.array([clip.fold for clip in clips]), present)
    return {
        judge.kind: judge.description,
        "name": f"{judge.name} {judge.version}",
        "layout": layout,
        "fold": fold,
        "clips": len(clips),
        "left_out": len(loaded) - len(clips),
        "heard": 0 if unheard else heard,
        "classes": dict(sorted(Counter(clip.fine for clip in clips).items())),
        **figures,
        "columns": columns,
        "confusion": confusion(truth, predicted, len(columns))[: len(present)],
    }


def _flattery(result: dict[str, Any]) -> list[str]:
    if not result["heard"]:
        return []
    return [
        f"warning: {result['heard']} of these clips are from recordings that it was trained on; "
        "--unheard leaves them out"
    ]


def evaluation_text(result: dict[str, Any]) -> list[str]:
    """The figures as lines of text."""
    fold = "" if result["fold"] is None else f", fold {result['fold']}"
    lines = [
        f"{result['name']} on {result['clips']} clips ({result['layout']}{fold}; "
        f"{result['left_out']} left out)",
        *_flattery(result),
        f"accuracy {100 * result['accuracy']:.1f} %   macro-F1 {100 * result['macro_f1']:.1f} %",
        "",
    ]
    columns, table = result["columns"], result["confusion"]
    used = [x for x in range(len(columns)) if x < len(table) or any(row[x] for row in table)]
    wide = max(len(columns[x]) for x in used)
    lines.append(f"{'label':<{wide}}  precision  recall     F1  clips   predicted as 1..{len(used)}")
    for number, (label, row) in enumerate(result["per_class"].items()):
        cells = " ".join(f"{table[number][x]:>4}" for x in used)
        scores = f"{100 * row['precision']:6.1f}  {100 * row['recall']:6.1f} {100 * row['f1']:6.1f}"
        lines.append(f"{label:<{wide}}     {scores}  {row['clips']:>5}   {cells}")
    lines += ["", "  ".join(f"{place}={columns[x]}" for place, x in enumerate(used, start=1))]
    return lines
