"""What a run found: the report's figures, and every system's scores for every clip."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge_train.clips import Clip, licence_family
from asc_edge_train.costs import member_cost, summed_cost
from asc_edge_train.figures import answers, clip_score, confusion, interval_table, score_table
from asc_edge_train.fusing import FusedScores
from asc_edge_train.members import MemberScores
from asc_edge_train.recipe import Recipe
from asc_edge_train.run import Run
from asc_edge_train.scenes import CORPUS as SCENES
from asc_edge_train.splits import held_out_figures, pooled_figures
from asc_edge_train.svm import class_scores

__all__ = ["PREDICTIONS_NAME", "build_report", "system_scores", "write_predictions"]

PREDICTIONS_NAME = "predictions.npz"


def system_scores(
    recipe: Recipe, members: dict[str, MemberScores], fusions: dict[str, FusedScores]
) -> dict[str, np.ndarray]:
    """Scores (clips, labels) of every member and fusion, by name."""
    scores = {name: class_scores(member.scores, len(recipe.labels)) for name, member in members.items()}
    return {**scores, **{name: fusion.posteriors for name, fusion in fusions.items()}}


def write_predictions(path: Path, recipe: Recipe, clips: list[Clip], scores: dict[str, np.ndarray]) -> None:
    """Write ``predictions.npz``: the table's columns and ``scores:<system>``, float32 (clips, labels)."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        clip_ids=np.array([clip.clip_id for clip in clips]),
        groups=np.array([clip.group for clip in clips]),
        folds=np.array([clip.fold for clip in clips]),
        truth=np.array([recipe.labels.index(clip.label) for clip in clips]),
        part=np.array([int(clip.part == "evaluation") for clip in clips]),
        subset=np.array([clip.subset for clip in clips]),
        **{f"scores:{name}": values.astype(np.float32) for name, values in scores.items()},  # type: ignore[arg-type]
    )
    write_atomically(path, buffer.getvalue())


def build_report(
    run: Run,
    members: dict[str, MemberScores],
    fusions: dict[str, FusedScores],
    scores: dict[str, np.ndarray],
    bundle: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything that ``report.json`` holds."""
    recipe = run.recipe
    costs = {member.name: member_cost(run, member) for member in recipe.members}
    systems = []
    for member in recipe.members:
        notes = members[member.name].notes
        systems.append(
            {
                "name": member.name,
                "title": member.title or member.name,
                "kind": "member",
                "members": [member.name],
                "cost": costs[member.name],
                **_figures(run, scores[member.name]),
                **_chosen(notes),
            }
        )
    for fusion in recipe.fusions:
        systems.append(
            {
                "name": fusion.name,
                "title": fusion.title or fusion.name,
                "kind": "fusion",
                "members": list(fusion.members),
                "cost": summed_cost([costs[name] for name in fusion.members]),
                **_figures(run, scores[fusion.name]),
                **_chosen(fusions[fusion.name].notes),
            }
        )
    return {
        "version_of_report": 2,
        "recipe": recipe.name,
        "version": recipe.version,
        "summary": recipe.summary,
        "labels": list(recipe.labels),
        "labels_not_covered": list(recipe.labels_not_covered),
        "metric": recipe.metric,
        "fold_average": recipe.fold_average,
        "chosen": recipe.ship or _best(systems, recipe.metric),
        "protocol": recipe.protocol,
        "caveats": list(recipe.caveats),
        "seed": run.seed,
        "smoke": run.options.smoke,
        "command": run.options.command,
        "left_out": run.left_out,
        "data": _data(run.clips),
        "systems": systems,
        "ship": recipe.ship,
        "reference": list(recipe.reference),
        "bundle": bundle,
    }


def _best(systems: list[dict[str, Any]], metric: str) -> str:
    """The system that is best on the development part, whether fused or not."""
    return str(max(systems, key=lambda row: row["development"][metric])["name"])


def _chosen(notes: dict[str, Any]) -> dict[str, Any]:
    names = ("c", "c_by_fold", "score_by_c", "log_loss", "point", "score_by_point", "seconds")
    return {name: notes.get(name) for name in names if name in notes or name in ("c", "c_by_fold", "seconds")}


def _figures(run: Run, scores: np.ndarray) -> dict[str, Any]:
    clips, recipe = run.clips, run.recipe
    part = np.array([clip.part for clip in clips])
    subset = np.array([clip.subset for clip in clips])
    figures = {"development": _table(run, scores, part == "development", recipe.fold_average)}
    if (part == "evaluation").any():
        chosen = {"all": part == "evaluation"}
        chosen |= {name: (part == "evaluation") & (subset == name) for name in sorted(set(subset) - {""})}
        figures["evaluation"] = {
            name: _table(run, scores, rows, fold_average=False) for name, rows in chosen.items()
        }
    scenes = np.array([clip.corpus == SCENES for clip in clips])
    if scenes.any():
        recorded = (part == "development") & ~scenes
        truth = np.array([recipe.labels.index(clip.label) for clip in clips])
        groups = np.unique([clip.group for clip in clips], return_inverse=True)[1]
        figures["recorded"] = pooled_figures(truth, answers(scores), groups, recorded, recipe.labels)
    return figures


def _table(run: Run, scores: np.ndarray, rows: np.ndarray, fold_average: bool) -> dict[str, Any]:
    labels = run.recipe.labels
    clips = [clip for clip, chosen in zip(run.clips, rows, strict=True) if chosen]
    truth = np.array([labels.index(clip.label) for clip in clips])
    predicted = answers(scores[rows])
    folds = np.array([clip.fold for clip in clips])
    groups = np.unique([clip.group for clip in clips], return_inverse=True)[1]
    table = score_table(truth, predicted, folds, labels)
    if fold_average:
        for metric in ("macro_f1", "accuracy"):
            table[metric] = clip_score(truth, predicted, len(labels), metric, folds=folds, fold_average=True)
    if run.recipe.split != "folds":
        # What is held out lacks labels, which must not count as never told.
        for fold, row in table["per_fold"].items():
            held_out = held_out_figures(truth, predicted, groups, folds == int(fold), labels)
            row |= {name: held_out[name] for name in ("macro_f1", "macro_f1_interval", "labels")}
    table["confusion"] = confusion(truth, predicted, len(labels))
    table["interval"] = interval_table(
        truth, predicted, groups, len(labels), folds=folds, fold_average=fold_average
    )
    return table


def _data(clips: list[Clip]) -> dict[str, Any]:
    development = [clip for clip in clips if clip.part == "development"]
    return {
        "clips": len(development),
        "evaluation_clips": len(clips) - len(development),
        "groups": len({clip.group for clip in development}),
        "folds": dict(sorted(Counter(str(clip.fold) for clip in development).items())),
        "by_label": dict(sorted(Counter(clip.label for clip in clips).items())),
        "by_corpus": dict(sorted(Counter(clip.corpus for clip in clips).items())),
        "by_licence": dict(sorted(Counter(licence_family(clip.licence) for clip in clips).items())),
    }
