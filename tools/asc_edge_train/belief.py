"""A finished run's calibration, and how well it tells sounds that none of its labels is for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge.errors import UsageError
from asc_edge_train.calibration import are_posteriors, calibration_table
from asc_edge_train.clips import Clip
from asc_edge_train.datasets.lists import audio_files
from asc_edge_train.predict import Predictor
from asc_edge_train.rejection import (
    SCORES,
    activity_score,
    choose_threshold,
    known_score,
    rejection_table,
    rejection_text,
)
from asc_edge_train.reporting.calibration_page import calibration_blocks, other_blocks, rejection_blocks
from asc_edge_train.reporting.document import Block, Heading, Picture, to_html, to_markdown
from asc_edge_train.reporting.runs import load_run
from asc_edge_train.storage import write_json

__all__ = ["belief_text", "measure"]

_OTHER = "other"
# Of fewer clips an area under a curve says nothing.
_LEAST_CLIPS = 20

_TITLES = {
    "max_posterior": "highest posterior",
    "margin": "lead over the second",
    "negative_entropy": "entropy of the posteriors",
}


def measure(
    folder: Path,
    out: Path,
    *,
    system: str | None = None,
    unknown: Sequence[Path] = (),
    weights: Path,
) -> dict[str, Any]:
    """Measure one system of a run, and write ``belief.json``, ``.md``, ``.html`` and a diagram into ``out``.

    Parameters
    ----------
    folder : Path
        Of the run.
    system : str, optional
        One that answers in posteriors; by default the one that ships.
    unknown : sequence of Path
        Folders of sounds that none of the labels is for, and that the run has not heard.
    weights : Path
        Files of pretrained networks.

    Raises
    ------
    UsageError
        When there is no such run or system, it doesn't answer in posteriors, or a folder holds no sound.
    """
    judge = Predictor.open(folder, system)
    stored = load_run(folder)
    if stored.predictions is None:
        raise UsageError(f"{folder}: has no predictions.npz; run it again")
    rows = stored.predictions["part"] == 0
    scores = stored.predictions[f"scores:{judge.system}"][rows]
    if not are_posteriors(scores):
        raise UsageError(
            f"{folder}: system {judge.system!r} answers in decision values; give one of posteriors"
        )
    truth, groups = stored.predictions["truth"][rows], stored.predictions["groups"][rows]
    corpora = {row["clip_id"]: row["corpus"] for row in judge.table}
    corpus = np.array([corpora[clip_id] for clip_id in stored.predictions["clip_ids"][rows]])
    result: dict[str, Any] = {
        "recipe": stored.report["recipe"],
        "version": stored.report["version"],
        "system": judge.system,
        "labels": list(judge.recipe.labels),
        "calibration": calibration_table(scores, truth, groups),
        "by_corpus": {
            str(name): calibration_table(
                scores[corpus == name], truth[corpus == name], groups[corpus == name]
            )
            for name in np.unique(corpus)
        },
        "threshold": choose_threshold(known_score(scores)),
    }
    labels = judge.recipe.labels
    if _OTHER in labels and (truth == labels.index(_OTHER)).any():
        result["against_other"] = _against_other(scores, truth, groups, corpus, labels)
    if unknown:
        result |= _rejection(judge, scores, truth, groups, folders=unknown, weights=weights)
    title = f"What to believe of {result['recipe']} {result['version']}, {judge.system}"
    blocks: list[Block] = [Heading(1, title)]
    blocks += calibration_blocks(stored.report, stored.predictions)
    blocks += other_blocks(result["against_other"]) if "against_other" in result else []
    blocks += rejection_blocks(result) if unknown else []
    write_json(out / "belief.json", result)
    write_atomically(out / "belief.md", to_markdown(blocks).encode())
    write_atomically(out / "belief.html", to_html(blocks, title).encode())
    for block in blocks:
        if isinstance(block, Picture):
            write_atomically(out / block.file, block.png)
    return result


def _against_other(
    scores: np.ndarray, truth: np.ndarray, groups: np.ndarray, corpus: np.ndarray, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """How well activities are told from sounds of none: of all corpora, and of each that has enough."""
    other = labels.index(_OTHER)
    known, score = truth != other, activity_score(scores, other)
    by_corpus = [(str(name), ~known & (corpus == name)) for name in np.unique(corpus)]
    strangers = [("all", ~known), *((name, rows) for name, rows in by_corpus if rows.sum() >= _LEAST_CLIPS)]
    return [
        {
            "corpus": name,
            **rejection_table(
                score[known], score[rows], known_groups=groups[known], unknown_groups=groups[rows]
            ),
        }
        for name, rows in strangers
    ]


def _rejection(
    judge: Predictor,
    scores: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    *,
    folders: Sequence[Path],
    weights: Path,
) -> dict[str, Any]:
    clips = [clip for folder in folders for clip in _clips(folder)]
    strange = judge.scores(clips, weights)
    strange_groups = [clip.group for clip in clips]
    labels = judge.recipe.labels
    tables = []
    for score in SCORES:
        table = rejection_table(
            known_score(scores, score),
            known_score(strange, score),
            known_groups=groups,
            unknown_groups=strange_groups,
        )
        tables.append({"score": score, "title": _TITLES[score], **table})
    if _OTHER in labels:
        # What is answered with "other" is no activity either: are activities told from unknown sounds?
        other = labels.index(_OTHER)
        activity = truth != other
        table = rejection_table(
            activity_score(scores, other)[activity],
            activity_score(strange, other),
            known_groups=groups[activity],
            unknown_groups=strange_groups,
        )
        title = "highest posterior of an activity (known: activities alone)"
        tables.append({"score": "activity_posterior", "title": title, **table})
    threshold = choose_threshold(known_score(scores))
    by_folder: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"clips": 0, "passed": 0, "answers": dict.fromkeys(labels, 0)}
    )
    for clip, row in zip(clips, strange, strict=True):
        found = by_folder[clip.fine]
        found["clips"] += 1
        found["passed"] += int(row.max() >= threshold)
        found["answers"][labels[int(row.argmax())]] += 1
    return {"scores": tables, "unknown": dict(by_folder)}


def _clips(folder: Path) -> list[Clip]:
    """Every sound of a folder; takes that were cut from one recording (``name_0``, ``name_1``) are one "
    "group."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of unknown sounds")
    clips = []
    for path in audio_files(folder):
        stem, _, take = path.stem.rpartition("_")
        clips.append(
            Clip(
                path=path,
                clip_id=f"unknown/{folder.name}/{path.name}",
                fine=folder.name,
                group=f"{folder.name}/{stem if stem and take.isdigit() else path.stem}",
                corpus=folder.name,
                licence="",
                attribution="",
            )
        )
    if not clips:
        raise UsageError(f"{folder}: holds no sound")
    return clips


def belief_text(result: dict[str, Any]) -> list[str]:
    """The figures as lines of text."""
    lines = [
        f"{result['recipe']} {result['version']}, {result['system']}: expected calibration error, 15 bins, "
        "out of fold"
    ]
    for name, table in [("all clips", result["calibration"]), *result["by_corpus"].items()]:
        low, high = table["ece_interval"]
        lines.append(
            f"  {name:<20} {100 * table['ece']:5.1f} % ({100 * low:.1f}–{100 * high:.1f})   "
            f"equal width {100 * table['ece_equal_width']:.1f} %   "
            f"every label the same {100 * table['ece_balanced']:.1f} %   "
            f"confidence {100 * table['confidence']:.1f} %, right {100 * table['accuracy']:.1f} %"
        )
    for row in result.get("against_other", ()):
        lines.append(f"  {'activities against other, ' + row['corpus']:<58} {rejection_text(row)}")
    lines.append(f"unknown_below at 95 % recall: {result['threshold']:.4f}")
    for row in result.get("scores", ()):
        lines.append(f"  {row['title']:<58} {rejection_text(row)}")
    for name, row in result.get("unknown", {}).items():
        given = ", ".join(f"{label} {count}" for label, count in row["answers"].items() if count)
        lines.append(f"  {name:<20} {row['passed']} of {row['clips']} pass; answered with: {given}")
    return lines
