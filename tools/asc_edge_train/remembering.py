"""A bundle's memory: of which training clips it keeps embeddings, so that it can be taught on a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from asc_edge.teaching.memory import MEMORY_NAME, Memory
from asc_edge_train.clips import Clip
from asc_edge_train.fusing import FusedScores
from asc_edge_train.members import MemberScores
from asc_edge_train.networks import ALL_FOLDS, load_answers
from asc_edge_train.run import Run, frozen_embedding

__all__ = ["choose_clips", "make_memory", "memory_files"]

# What all of it may take in a bundle.
_MOST_BYTES = 300_000
# Each label keeps some clips, if it has them.
_FEWEST = 20


def memory_files(
    run: Run, members: dict[str, MemberScores], fused: FusedScores
) -> tuple[dict[str, bytes], dict[str, Any] | None]:
    """The memory as a file, and what the manifest says of it; nothing where a bundle can't be taught."""
    system = next(system for system in run.recipe.fusions if system.name == fused.name)
    config = run.recipe.fusion_of(system)
    trained = [members[name] for name in system.members if members[name].svm is not None]
    # Two labels share one decision value, and shared weights are another problem than the device's.
    if config.weights == "shared" or len(run.recipe.labels) < 3 or not trained:
        return {}, None
    memory = make_memory(run, members, system.members)
    labels = run.recipe.labels
    if any(set(memory.truth[memory.folds != fold]) != set(range(len(labels))) for fold in set(memory.folds)):
        return {}, None
    spec = {
        "file": MEMORY_NAME,
        "member_c": {member.name: member.notes["c"] for member in trained},
        "fusion_c": fused.notes["c"],
        "balanced": config.class_weight == "balanced",
        "uniform_prior": config.prior == "uniform",
    }
    return {MEMORY_NAME: memory.to_npz()}, spec


def make_memory(run: Run, members: dict[str, MemberScores], names: tuple[str, ...]) -> Memory:
    """Scores and embeddings of the clips that are kept, which fit into 300 kB."""
    embeddings = {name: _embedding(run, name) for name in names if members[name].svm is not None}
    row_bytes = 6 + sum(rows.shape[1] for rows in embeddings.values())
    row_bytes += sum(2 * members[name].scores.shape[1] for name in names)
    kept, weights = choose_clips(run.clips, _MOST_BYTES // row_bytes)
    return Memory(
        np.array([run.recipe.labels.index(run.clips[row].label) for row in kept]),
        np.array([run.clips[row].fold for row in kept]),
        weights,
        {name: members[name].scores[kept] for name in names},
        {name: rows[kept].astype(np.float64) for name, rows in embeddings.items()},
    )


def choose_clips(clips: list[Clip], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the development clips that are kept, and how many clips of its label each stands for.

    A label's share grows with the root of its clips. Of each label they are taken evenly from its sounds,
    recordings and folds.
    """
    by_label: dict[str, list[int]] = {}
    for row, clip in enumerate(clips):
        if clip.fold > 0:
            by_label.setdefault(clip.label, []).append(row)
    quota = _quotas({label: len(rows) for label, rows in by_label.items()}, most)
    chosen: dict[int, float] = {}
    for label, rows in by_label.items():
        rows.sort(key=lambda row: (clips[row].fold, clips[row].fine, clips[row].group, clips[row].clip_id))
        places = np.unique(np.floor((np.arange(quota[label]) + 0.5) * len(rows) / quota[label]).astype(int))
        chosen |= {rows[place]: len(rows) / len(places) for place in places}
    kept = np.array(sorted(chosen))
    return kept, np.array([chosen[row] for row in kept])


def _quotas(counts: dict[str, int], most: int) -> dict[str, int]:
    """How many clips each label keeps."""
    quota, left, open_labels = {}, most, dict(counts)
    while open_labels:
        unit = left / sum(count**0.5 for count in open_labels.values())
        full = [label for label, count in open_labels.items() if unit * count**0.5 >= count]
        for label in full or list(open_labels):
            count = open_labels.pop(label)
            quota[label] = min(count, max(_FEWEST, int(unit * count**0.5)))
            left -= quota[label]
    return quota


def _embedding(run: Run, name: str) -> np.ndarray:
    """What the network that ships makes of every clip."""
    member = run.recipe.member(name)
    if not member.trained:
        return np.asarray(frozen_embedding(run, member)[0])
    task = next(task for task in run.tasks_of(name) if task.fold == ALL_FOLDS)
    return np.asarray(load_answers(task)["answers"])
