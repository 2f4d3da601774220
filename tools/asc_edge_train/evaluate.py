"""Score a folder that a bundle or a run has never seen."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from asc_edge.bundle import Bundle
from asc_edge.errors import ConfigError
from asc_edge.pipeline import Pipeline, classify_clip
from asc_edge_train.bundling import heard_recordings
from asc_edge_train.calibration import are_posteriors, calibration_table
from asc_edge_train.clips import Clip, DataError
from asc_edge_train.datasets import load_corpus
from asc_edge_train.figures import answers, confusion, score_table
from asc_edge_train.labels import map_labels
from asc_edge_train.predict import Predictor
from asc_edge_train.recipe import Mapping
from asc_edge_train.rejection import (
    choose_threshold,
    energy,
    known_score,
    rejection_table,
    rejection_text,
    shipped_threshold,
)
from asc_edge_train.results import PREDICTIONS_NAME
from asc_edge_train.sound import clip_samples
from asc_edge_train.storage import load_arrays

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
    unknown_below : float or None
        The highest posterior below which a sound is unknown to it.
    """

    kind: str
    name: str
    version: str
    description: dict[str, Any]
    labels: tuple[str, ...]
    heard: set[str]
    mappings: dict[str, Any]
    unknown_below: float | None

    def scores(self, clips: Sequence[Clip], progress: Callable[[int], None]) -> np.ndarray:
        """Scores (clips, labels), the highest being the answer; a row of NaN is no answer (silence)."""
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
        self.unknown_below = bundle.manifest.unknown_below

    def scores(self, clips: Sequence[Clip], progress: Callable[[int], None]) -> np.ndarray:
        pipeline = Pipeline(self.bundle)
        rows = np.full((len(clips), len(self.labels)), np.nan)
        for number, clip in enumerate(clips):
            decision = classify_clip(pipeline, clip_samples(clip, self.bundle.sample_rate_hz))
            if decision.top is not None:
                rows[number] = [decision.posterior[label] for label in self.labels]
            progress(1)
        return rows


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

    @cached_property
    def unknown_below(self) -> float | None:
        """By the clips that the run was trained on, out of fold."""
        stored = load_arrays(self.run.folder / PREDICTIONS_NAME)
        scores = stored.get(f"scores:{self.run.system}")
        return None if scores is None else shipped_threshold(scores[stored["part"] == 0])

    def scores(self, clips: Sequence[Clip], progress: Callable[[int], None]) -> np.ndarray:
        scores = self.run.scores(clips, self.weights)
        progress(len(clips))
        return scores


@dataclass(frozen=True, kw_only=True)
class FolderMapping(Mapping):
    """A mapping that also names classes which the judge can't know: its ``unknown`` ones."""

    unknown: list[str] = field(default_factory=list)

    def label_of(self, fine: str, known: tuple[str, ...]) -> str | None:
        """As of any mapping; of an unknown class none, whatever the default."""
        return None if fine in self.unknown else super().label_of(fine, known)


def load_mapping(judge: Judge, layout: str, path: Path | None) -> FolderMapping:
    """The mapping from a layout's classes to the judge's labels.

    The recipe's mapping stands in the bundle or run; a TOML file of the same form takes its place
    (``labels = { dog = "dog_bark" }``, ``default``, ``exclude``), which may name classes that are unknown to
    the judge, too (``unknown = ["siren"]``).

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
        mapping = FolderMapping(**values)
    except TypeError:
        raise ConfigError(
            f"{path or layout}: a mapping holds labels, default, exclude and unknown only"
        ) from None
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
    unknown: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Figures of a bundle or run on a folder: accuracy, macro-F1, per label, confusion.

    Labels that the folder has no clip of don't count in the macro-F1. A clip that is silent to the pipeline
    has no answer, and counts as wrong. Clips of recordings that the judge was trained on are counted as
    ``heard``, and with ``unheard`` left out: they flatter it. ``calibration`` is that of its posteriors on
    these clips; ``rejection`` says how well it tells them from clips of the classes in ``unknown``, which
    count nowhere else. Either is None where it can't be measured.

    Raises
    ------
    DataError, AudioFileError
    """
    loaded = load_corpus(layout, data)
    here = [clip for clip in loaded if fold is None or clip.fold == fold]
    clips = map_labels(here, mapping, judge.labels, {})
    strange = [clip for clip in here if clip.fine in unknown]
    heard = sum(clip.group in judge.heard for clip in clips)
    if unheard:
        clips = [clip for clip in clips if clip.group not in judge.heard]
        strange = [clip for clip in strange if clip.group not in judge.heard]
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
        progress(done, len(clips) + len(strange))

    scores = judge.scores(clips, count)
    tops = [*judge.labels, NO_ANSWER]
    predicted = np.array([columns.index(tops[number]) for number in answers(scores)])
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
        "calibration": _calibration(judge, clips, scores),
        "rejection": _rejection(judge, clips, scores, strange, count),
        "columns": columns,
        "confusion": confusion(truth, predicted, len(columns))[: len(present)],
    }


def _calibration(judge: Judge, clips: Sequence[Clip], scores: np.ndarray) -> dict[str, Any] | None:
    if not are_posteriors(scores):
        return None
    truth = np.array([judge.labels.index(clip.label) for clip in clips])
    return calibration_table(scores, truth, np.array([clip.group for clip in clips]))


def _rejection(
    judge: Judge,
    clips: Sequence[Clip],
    scores: np.ndarray,
    strange: Sequence[Clip],
    progress: Callable[[int], None],
) -> dict[str, Any] | None:
    """How well known clips are told from unknown ones: by the highest posterior, or by the energy of "
    "scores."""
    if not strange:
        return None
    other = judge.scores(strange, progress)
    posterior = are_posteriors(scores)
    known, unknown = ((known_score if posterior else energy)(rows) for rows in (scores, other))
    table = rejection_table(
        known,
        unknown,
        known_groups=[clip.group for clip in clips],
        unknown_groups=[clip.group for clip in strange],
        threshold=judge.unknown_below if posterior else None,
    )
    limit = table.get("threshold", choose_threshold(known))
    by_class = {
        fine: {
            "clips": sum(clip.fine == fine for clip in strange),
            "passed": int(
                sum(
                    clip.fine == fine and score >= limit for clip, score in zip(strange, unknown, strict=True)
                )
            ),
        }
        for fine in sorted({clip.fine for clip in strange})
    }
    return {"score": "max_posterior" if posterior else "energy", **table, "by_class": by_class}


def _belief(result: dict[str, Any]) -> list[str]:
    """Calibration and rejection as lines of text."""
    lines = []
    calibration, rejection = result["calibration"], result["rejection"]
    if calibration:
        low, high = calibration["ece_interval"]
        lines.append(
            f"expected calibration error {100 * calibration['ece']:.1f} % "
            f"({100 * low:.1f} to {100 * high:.1f}); "
            f"bins of equal width {100 * calibration['ece_equal_width']:.1f} %"
        )
    if rejection:
        lines.append(f"unknown sounds, by {rejection['score']}: {rejection_text(rejection)}")
        if "threshold" in rejection:
            lines.append(
                f"at its threshold {rejection['threshold']:.3f}: {100 * rejection['recall']:.1f} % of the "
                "known and "
                f"{100 * rejection['fpr']:.1f} % of the unknown pass for known"
            )
        passed = ", ".join(f"{k} {v['passed']} of {v['clips']}" for k, v in rejection["by_class"].items())
        lines.append(f"unknown sounds that pass for known: {passed}")
    return lines


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
        *_belief(result),
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
