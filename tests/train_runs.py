"""Folders of finished runs, made of random scores: what reports and comparisons are drawn from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge_train.figures import answers, confusion, interval_table, score_table

ODD_LABELS = ["<b>bold</b>", "cafe/restaurant", "a|b & *c* `d`", "_home_", "tram"]


def run_arrays(
    labels: Sequence[str],
    skills: dict[str, float],
    *,
    seed: int = 0,
    groups: int = 40,
    evaluation: int = 0,
) -> dict[str, np.ndarray]:
    """``predictions.npz``: groups of one label each, four folds, and systems that are right as often as told.

    Parameters
    ----------
    evaluation : int
        Clips of the evaluation part, half of them known and half unknown.
    """
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(groups), 4)
    truth = number % len(labels)
    clips = len(truth)
    if evaluation:
        session = 1000 + np.arange(evaluation) // 4
        number = np.concatenate([number, session])
        truth = np.concatenate([truth, session % len(labels)])
    part = (np.arange(len(truth)) >= clips).astype(np.int64)
    subset = np.where(part == 0, "", np.where(np.arange(len(truth)) % 2, "known", "unknown"))
    arrays = {
        "clip_ids": np.array([f"clip{place}" for place in range(len(truth))]),
        "groups": np.array([f"s{one}" for one in number]),
        "folds": np.where(part == 0, number // len(labels) % 4 + 1, 0),
        "truth": truth,
        "part": part,
        "subset": subset,
    }
    for name, skill in skills.items():
        scores = rng.normal(size=(len(truth), len(labels)))
        scores[np.arange(len(truth)), truth] += np.where(rng.random(len(truth)) < skill, 4.0, 0.0)
        arrays[f"scores:{name}"] = scores.astype(np.float32)
    return arrays


def run_report(
    arrays: dict[str, np.ndarray], labels: Sequence[str], fusions: Sequence[str] = ("late",), **changes: Any
) -> dict[str, Any]:
    """``report.json`` of these predictions; every system that isn't a fusion is a member."""
    names = [key.removeprefix("scores:") for key in arrays if key.startswith("scores:")]
    members = [name for name in names if name not in fusions]

    def table(name: str, rows: np.ndarray) -> dict[str, Any]:
        truth, predicted = arrays["truth"][rows], answers(arrays[f"scores:{name}"][rows])
        figures = score_table(truth, predicted, arrays["folds"][rows], labels)
        figures["confusion"] = confusion(truth, predicted, len(labels))
        figures["interval"] = interval_table(
            truth, predicted, arrays["groups"][rows], len(labels), resamples=100
        )
        return figures

    systems = []
    for name in names:
        fusion = name in fusions
        system: dict[str, Any] = {
            "name": name,
            "title": name.upper(),
            "kind": "fusion" if fusion else "member",
            "members": members if fusion else [name],
            "development": table(name, arrays["part"] == 0),
            "c": 0.1 if fusion else None,
            "c_by_fold": {"1": 0.1, "2": 0.01} if fusion else None,
            "cost": {"parameters": 123456, "bytes": None, "multiply_accumulates": 5.4e7},
            "seconds": 12.5,
        }
        if fusion:
            system["score_by_c"] = {"1e-09": 0.4, "0.001": 0.5, "0.01": 0.6, "0.1": 0.7, "1": 0.65}
        if arrays["part"].any():
            kinds = {"all": arrays["part"] == 1}
            kinds |= {kind: arrays["subset"] == kind for kind in ("known", "unknown")}
            system["evaluation"] = {kind: table(name, rows) for kind, rows in kinds.items()}
        systems.append(system)
    report = {
        "recipe": "made",
        "version": "1.0.0",
        "summary": "Made of random scores",
        "labels": list(labels),
        "labels_not_covered": ["absence"],
        "metric": "macro_f1",
        "protocol": "4-fold cross-validation by recording",
        "caveats": ["Nothing here was ever heard."],
        "seed": 1,
        "smoke": False,
        "command": "asc-edge-train run made --out runs/made",
        "data": {
            "clips": int(np.sum(arrays["part"] == 0)),
            "groups": len(set(arrays["groups"])),
            "folds": {"1": 40, "2": 40},
            "by_label": dict.fromkeys(labels, 3),
            "by_corpus": {"made": 160},
            "by_licence": {"CC0": 160},
            "evaluation_clips": int(np.sum(arrays["part"])),
        },
        "systems": systems,
        "reference": [
            {"system": members[0], "title": "CRNN", "figures": {"test macro-F1 %": 79.3}},
            {"system": "", "title": "PANN", "figures": {"test macro-F1 %": 84.6, "dev": "below 78.8"}},
        ],
        "bundle": {
            "bytes": 1000,
            "sha256": "ab" * 32,
            "networks": {members[0]: {"parameters": 10, "multiply_accumulates": 2e6}},
        },
    }
    return {**report, **changes}


def run_history(networks: int = 5, epochs: int = 30, members: int = 1) -> dict[str, list[dict[str, Any]]]:
    """``history.json``: losses that fall and scores that rise."""
    rows = {}
    for member in range(members):
        for fold in range(1, networks + 1):
            rows[f"crnn{member}-fold{fold}" if fold < 5 else f"crnn{member}-all"] = [
                {
                    "epoch": epoch,
                    "loss": 2.0 / (epoch + fold),
                    "validation_loss": 2.2 / (epoch + fold) + 0.1 if fold < 5 else None,
                    "validation_score": 1 - 1 / (epoch + fold) if fold < 5 else None,
                    "learning_rate": 0.001,
                    "seconds": 3.0,
                }
                for epoch in range(1, epochs + 1)
            ]
    return rows


def write_run(
    folder: Path,
    report: dict[str, Any],
    arrays: dict[str, np.ndarray] | None,
    recipe: dict[str, Any] | None = None,
) -> Path:
    """Write a run's folder as the trainer leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report))
    if arrays is not None:
        np.savez(folder / "predictions.npz", **arrays)  # type: ignore[arg-type]
    if recipe is not None:
        (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder
