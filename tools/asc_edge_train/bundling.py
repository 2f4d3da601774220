"""The last stage: networks, SVMs, manifest and attribution into one bundle."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asc_edge.bundle import Bundle, write_bundle
from asc_edge.manifest import MemberSpec
from asc_edge_train.clips import Clip, licence_family
from asc_edge_train.export import export_onnx
from asc_edge_train.fusing import FusedRun
from asc_edge_train.models import multiply_accumulates, parameter_count
from asc_edge_train.networks import ALL_FOLDS, load_network
from asc_edge_train.recipe import fingerprint
from asc_edge_train.run import Run
from asc_edge_train.storage import is_stamped, stamp

__all__ = ["attribution", "heard_recordings", "make_bundle"]

# One recording per line, so that an evaluation can tell which clips a bundle was trained on.
RECORDINGS_NAME = "recordings.txt"

# Raised when what a bundle holds changes.
_VERSION = 3


def make_bundle(run: Run, fused: FusedRun) -> Path:
    """Export the networks that ship and write ``<recipe>.ascb``; returns its path."""
    path = run.out / f"{run.recipe.name}.ascb"
    key = fingerprint(_VERSION, run.key, fused.figures)
    if is_stamped(path, key):
        Bundle.open(path)
        return path
    files: dict[str, bytes] = {
        "fusion.npz": fused.fusion.to_npz(),
        "ATTRIBUTION.md": attribution(run.clips, run.recipe.name).encode(),
        RECORDINGS_NAME: "".join(f"{group}\n" for group in sorted({c.group for c in run.clips})).encode(),
    }
    members, costs = [], {}
    for member in run.recipe.members:
        task = next(task for task in run.tasks if task.member.name == member.name and task.fold == ALL_FOLDS)
        config = run.recipe.front_ends[member.front_end]
        frames = config.frames(round(run.recipe.window_s * run.recipe.sample_rate_hz))
        network = load_network(task, config.mels)
        costs[member.name] = {
            "parameters": parameter_count(network),
            "multiply_accumulates": multiply_accumulates(network, config.mels, frames),
        }
        files[f"{member.name}.onnx"] = export_onnx(network, member.kind, config.mels, frames)
        svm = fused.svms.get(member.name)
        if svm is not None:
            files[f"{member.name}.npz"] = svm.to_npz()
        members.append(
            MemberSpec(
                name=member.name,
                kind=member.kind,  # type: ignore[arg-type]
                front_end=member.front_end,
                floor_db=member.floor_db,
                network=f"{member.name}.onnx",
                outputs=len(run.recipe.labels) if svm is None else svm.outputs,
                svm=None if svm is None else f"{member.name}.npz",
            )
        )
    write_bundle(path, _manifest(run, fused, members, costs), files)
    stamp(path, key)
    return path


def heard_recordings(bundle: Bundle) -> set[str]:
    """Groups (recordings, speakers) that a bundle was trained on; empty where it doesn't say."""
    if RECORDINGS_NAME not in bundle.file_names:
        return set()
    return set(bundle.read(RECORDINGS_NAME).decode("utf-8").splitlines())


def _manifest(run: Run, fused: FusedRun, members: list[MemberSpec], costs: dict[str, Any]) -> dict[str, Any]:
    recipe = run.recipe
    figures = fused.figures["fusion"]
    return {
        "name": recipe.name,
        "version": recipe.version,
        "summary": recipe.summary,
        "labels": list(recipe.labels),
        "labels_not_covered": list(recipe.labels_not_covered),
        "sample_rate_hz": recipe.sample_rate_hz,
        "window_s": recipe.window_s,
        "hop_s": recipe.hop_s,
        "silence_db": recipe.silence_db,
        "front_ends": {name: config.to_dict() for name, config in recipe.front_ends.items()},
        "members": [asdict(member) for member in members],
        "fusion": "fusion.npz",
        "accuracy": {
            "protocol": recipe.protocol,
            "macro_f1": figures["macro_f1"],
            "accuracy": figures["accuracy"],
            "per_class_f1": {label: row["f1"] for label, row in figures["per_class"].items()},
            "caveats": list(recipe.caveats),
            "smoke": run.smoke,
        },
        "training": {
            "recipe": recipe.name,
            "seed": run.seed,
            "clips": len(run.clips),
            "clips_by_label": dict(sorted(Counter(clip.label for clip in run.clips).items())),
            "clips_by_corpus": dict(sorted(Counter(clip.corpus for clip in run.clips).items())),
            "licences": dict(sorted(Counter(licence_family(clip.licence) for clip in run.clips).items())),
            "mappings": {layout: asdict(mapping) for layout, mapping in recipe.mappings.items()},
            "networks": costs,
        },
        "licence": "weights: Apache-2.0; training recordings: see ATTRIBUTION.md",
    }


def attribution(clips: list[Clip], name: str) -> str:
    """Every source of the training clips with its licence, as Markdown."""
    sources: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    for clip in clips:
        sources[clip.corpus][clip.attribution, clip.licence] += 1
    lines = [f"# Recordings that the bundle `{name}` was trained on", ""]
    lines.append(f"{len(clips)} clips. Each row is one source recording.")
    for corpus, rows in sorted(sources.items()):
        lines += ["", f"## {corpus}", "", "| source | licence | clips |", "|---|---|---|"]
        lines += [f"| {source} | {licence} | {count} |" for (source, licence), count in sorted(rows.items())]
    return "\n".join(lines) + "\n"
