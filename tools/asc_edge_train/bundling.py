"""The last stage: networks, SVMs, manifest and attribution into one bundle."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.bundle import Bundle, write_bundle
from asc_edge.frontend import LogMelConfig
from asc_edge.fusion import LinearSvm
from asc_edge.manifest import MemberSpec
from asc_edge_train.card import model_card
from asc_edge_train.clips import Clip, licence_family
from asc_edge_train.exporting import export_onnx, module_to_onnx
from asc_edge_train.exporting.stream_parts import StreamParts, make_stream_parts
from asc_edge_train.figures import score_table
from asc_edge_train.frozen import (
    FrozenTask,
    ShippedTask,
    foreign_networks,
    front_end_names,
    frozen_costs,
    frozen_task,
)
from asc_edge_train.fusing import FusedScores
from asc_edge_train.members import MemberScores
from asc_edge_train.models import multiply_accumulates, parameter_count
from asc_edge_train.networks import ALL_FOLDS, NetworkTask, load_network
from asc_edge_train.recipe import MemberConfig, fingerprint
from asc_edge_train.rejection import shipped_threshold
from asc_edge_train.remembering import memory_files
from asc_edge_train.run import Run
from asc_edge_train.storage import is_stamped, stamp

__all__ = [
    "ShippedNetwork",
    "attribution",
    "describe_bundle",
    "float_networks",
    "heard_recordings",
    "make_bundle",
    "shipped_tasks",
    "stream_parts",
    "write_system",
]

# One recording per line, so that an evaluation can tell which clips a bundle was trained on.
RECORDINGS_NAME = "recordings.txt"

# Raised when what a bundle holds changes.
_VERSION = 6


def make_bundle(run: Run, members: dict[str, MemberScores], fused: FusedScores) -> Path:
    """Export the networks of the fusion that ships and write ``<recipe>.ascb``; returns its path."""
    recipe = run.recipe
    path = run.options.out / f"{recipe.name}.ascb"
    tasks = shipped_tasks(run, members, fused)
    recall = [run.recipe.unknown_recall] if run.recipe.unknown_recall else []
    key = fingerprint(_VERSION, fused.key, [task.key for task in tasks.values()], _facts(run), *recall)
    if is_stamped(path, key):
        Bundle.open(path)
        return path
    networks = float_networks(run, tasks)
    write_system(path, run, members, fused, networks=networks, card=model_card(run, fused))
    stamp(path, key)
    return path


def float_networks(run: Run, tasks: dict[str, ShippedTask]) -> dict[str, ShippedNetwork]:
    """Networks as ONNX files in 32 bits, by member."""
    networks = {}
    for name, task in tasks.items():
        if isinstance(task, FrozenTask):
            data = module_to_onnx(task.module(), task.shape, dynamic_time=False)
            networks[name] = ShippedNetwork("onnx", data)
            continue
        mels, frames = _picture_size(run, task)
        data = export_onnx(load_network(task, mels), task.member.kind, mels, frames)
        networks[name] = ShippedNetwork("onnx", data, parts=stream_parts(run, task, data, "onnx"))
    return networks


@dataclass(frozen=True)
class ShippedNetwork:
    """A member's network as a file of the bundle.

    Attributes
    ----------
    ending : {"onnx", "tflite"}
    precision : {"float32", "int8"}
    parts : StreamParts or None
        The same network in two parts, where it can be computed so.
    """

    ending: str
    data: bytes
    precision: str = "float32"
    parts: StreamParts | None = None


def shipped_tasks(
    run: Run, members: dict[str, MemberScores], fused: FusedScores, fold: int = ALL_FOLDS
) -> dict[str, ShippedTask]:
    """The network of each member of a fusion that ships, or the ones of a fold that stand for them."""
    system = next(system for system in run.recipe.fusions if system.name == fused.name)
    tasks: dict[str, ShippedTask] = {}
    for name in system.members:
        if not run.recipe.member(name).trained:
            tasks[name] = frozen_task(run, run.recipe.member(name), fold)
            continue
        point = members[name].notes.get("point", 0)
        own = run.tasks_of(name)
        tasks[name] = next(task for task in own if task.fold == fold and task.point == point)
    return tasks


def write_system(
    path: Path,
    run: Run,
    members: dict[str, MemberScores],
    fused: FusedScores,
    *,
    networks: dict[str, ShippedNetwork],
    card: dict[str, Any],
    fold: int = ALL_FOLDS,
) -> None:
    """Write a bundle of a fusion.

    Parameters
    ----------
    networks : dict
        By member, in the fusion's order.
    fold : int
        Which fold the networks never heard, where they are a fold's.
    """
    heard = [clip for clip in run.clips if fold == ALL_FOLDS or clip.fold not in (0, fold)]
    files: dict[str, bytes] = {
        "fusion.npz": fused.fusion.to_npz(),
        "ATTRIBUTION.md": attribution(heard, run.recipe.name, foreign_networks(run, fused.name)).encode(),
        RECORDINGS_NAME: "".join(f"{group}\n" for group in sorted(_groups(heard))).encode(),
    }
    specs, costs = [], {}
    tasks = shipped_tasks(run, members, fused, fold)
    front_ends = front_end_names(run.recipe.front_ends, list(tasks.values()))
    for name, shipped in networks.items():
        task, svm = tasks[name], members[name].svm
        costs[name] = _cost(run, task)
        files[f"{name}.{shipped.ending}"] = shipped.data
        if shipped.parts is not None:
            files[f"{name}.trunk.{shipped.ending}"] = shipped.parts.trunk
            files[f"{name}.head.{shipped.ending}"] = shipped.parts.head
        if svm is not None:
            files[f"{name}.npz"] = svm.to_npz()
        if isinstance(task, FrozenTask):
            assert svm is not None
            specs.append(_frozen_spec(task, front_ends[name][0], shipped, svm))
            files |= _colour_files(task)
        else:
            specs.append(_member_spec(run, task.member, shipped, svm))
    manifest = _manifest(run, fused, specs, costs, dict(front_ends.values()))
    # A fold's bundle is there to be judged; the memory's embeddings are of the network that ships.
    remembered, memory = memory_files(run, members, fused) if fold == ALL_FOLDS else ({}, None)
    extra = {} if memory is None else {"memory": memory}
    write_bundle(path, {**manifest, **extra, "card": card}, {**files, **remembered})


def _groups(clips: list[Clip]) -> set[str]:
    return {source.group for clip in clips for source in clip.all_sources}


def _cost(run: Run, task: ShippedTask) -> dict[str, int]:
    if isinstance(task, FrozenTask):
        return frozen_costs(task)
    mels, frames = _picture_size(run, task)
    network = load_network(task, mels)
    return {
        "parameters": parameter_count(network),
        "multiply_accumulates": multiply_accumulates(network, mels, frames),
    }


def _frozen_spec(task: FrozenTask, front_end: str, shipped: ShippedNetwork, svm: LinearSvm) -> MemberSpec:
    name, image = task.member.name, task.network.image
    return MemberSpec(
        name=name,
        kind="embedding_svm",
        front_end=front_end,
        floor_db=None,
        network=f"{name}.{shipped.ending}",
        outputs=svm.outputs,
        svm=f"{name}.npz",
        input="frames" if image is None else "image",
        precision=shipped.precision,  # type: ignore[arg-type]
        image=image,
    )


def _colour_files(task: FrozenTask) -> dict[str, bytes]:
    """The colours of an image's map, where the device doesn't have them."""
    name = None if task.network.image is None else task.network.image.colour_file
    if name is None or task.network.colours is None:
        return {}
    return {name: task.network.colours.tobytes()}


def _member_spec(
    run: Run, member: MemberConfig, shipped: ShippedNetwork, svm: LinearSvm | None
) -> MemberSpec:
    ending, parts = shipped.ending, shipped.parts
    return MemberSpec(
        name=member.name,
        kind=member.kind,  # type: ignore[arg-type]
        front_end=member.front_end,
        floor_db=member.floor_db,
        network=f"{member.name}.{shipped.ending}",
        outputs=len(run.recipe.labels) if svm is None else svm.outputs,
        svm=None if svm is None else f"{member.name}.npz",
        input=member.fed,  # type: ignore[arg-type]
        precision=shipped.precision,  # type: ignore[arg-type]
        stream=parts and parts.spec(f"{member.name}.trunk.{ending}", f"{member.name}.head.{ending}"),
    )


def stream_parts(
    run: Run, task: NetworkTask, data: bytes, ending: str, precision: str = "float32"
) -> StreamParts | None:
    """Trunk and head of an exported network, for networks that can be computed as the sound comes in."""
    mels, frames = _picture_size(run, task)
    return make_stream_parts(
        data,
        load_network(task, mels),
        task.member.kind,
        mels=mels,
        frames=frames,
        hop_frames=run.recipe.hop_s / run.recipe.front_ends[task.member.front_end].hop_s,
        ending=ending,
        precision=precision,
    )


def _picture_size(run: Run, task: NetworkTask) -> tuple[int, int]:
    """Mel bands and frames of a window, as a network sees it."""
    config = run.recipe.front_ends[task.member.front_end]
    return config.mels, config.frames(round(run.recipe.window_s * run.recipe.sample_rate_hz))


def describe_bundle(path: Path) -> dict[str, Any]:
    """What the report says about a bundle: its size, its seal and what its networks cost."""
    opened = Bundle.open(path)
    return {
        "bytes": path.stat().st_size,
        "sha256": opened.sha256,
        "networks": opened.manifest.raw["training"]["networks"],
    }


def heard_recordings(bundle: Bundle) -> set[str]:
    """Groups (recordings, speakers) that a bundle was trained on; empty where it doesn't say."""
    if RECORDINGS_NAME not in bundle.file_names:
        return set()
    return set(bundle.read(RECORDINGS_NAME).decode("utf-8").splitlines())


def _facts(run: Run) -> dict[str, Any]:
    """What the manifest says that is in the recipe and the clip table alone."""
    recipe = run.recipe
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
        "training": {
            "recipe": recipe.name,
            "seed": run.seed,
            "clips": len(run.clips),
            "clips_by_label": dict(sorted(Counter(clip.label for clip in run.clips).items())),
            "clips_by_corpus": dict(sorted(Counter(clip.corpus for clip in run.clips).items())),
            "licences": dict(sorted(Counter(licence_family(clip.licence) for clip in run.clips).items())),
            "mappings": {layout: asdict(mapping) for layout, mapping in recipe.mappings.items()},
        },
        "accuracy": {
            "protocol": recipe.protocol,
            "caveats": list(recipe.caveats),
            "smoke": run.options.smoke,
        },
        "licence": "weights: Apache-2.0; training recordings: see ATTRIBUTION.md",
    }


def _manifest(
    run: Run,
    fused: FusedScores,
    members: list[MemberSpec],
    costs: dict[str, Any],
    frozen: dict[str, LogMelConfig],
) -> dict[str, Any]:
    facts = _facts(run)
    own = {**facts["front_ends"], **{name: config.to_dict() for name, config in frozen.items()}}
    foreign = foreign_networks(run, fused.name)
    development = np.array([clip.part == "development" for clip in run.clips])
    clips = [clip for clip in run.clips if clip.part == "development"]
    truth = np.array([run.recipe.labels.index(clip.label) for clip in clips])
    folds = np.array([clip.fold for clip in clips])
    predicted = np.argmax(fused.posteriors[development], axis=1)
    figures = score_table(truth, predicted, folds, run.recipe.labels)
    used = {member.front_end for member in members}
    recall = run.recipe.unknown_recall
    below = shipped_threshold(fused.posteriors[development], recall) if recall else None
    return {
        **facts,
        "front_ends": {name: config for name, config in own.items() if name in used},
        "licence": " ".join([facts["licence"], *foreign]) if foreign else facts["licence"],
        "members": [asdict(member) for member in members],
        "fusion": "fusion.npz",
        **({} if below is None else {"thresholds": {"unknown_below": below}}),
        "accuracy": {
            **facts["accuracy"],
            "macro_f1": figures["macro_f1"],
            "accuracy": figures["accuracy"],
            "per_class_f1": {label: row["f1"] for label, row in figures["per_class"].items()},
        },
        "training": {**facts["training"], "networks": costs},
    }


def attribution(
    clips: list[Clip],
    name: str,
    networks: Sequence[str] = (),
    *,
    what: str = "the bundle `{}` was trained on",
) -> str:
    """Every source of clips with its licence, as Markdown, and networks of somebody else's.

    Simulated clips are listed by what they are made of.
    """
    sources: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    for clip in clips:
        for source in clip.all_sources:
            sources[source.corpus][source.attribution, source.licence] += 1
    lines = [f"# Recordings that {what.format(name)}", ""]
    lines.append(f"{len(clips)} clips. Each row is one source recording.")
    simulated = sum(bool(clip.sources) for clip in clips)
    if simulated:
        lines.append(f"{simulated} of the clips are simulated from pieces of several recordings.")
    for corpus, rows in sorted(sources.items()):
        lines += ["", f"## {corpus}", "", "| source | licence | clips |", "|---|---|---|"]
        lines += [f"| {source} | {licence} | {count} |" for (source, licence), count in sorted(rows.items())]
    if networks:
        lines += ["", "## Networks of others", "", *(f"- {sentence}" for sentence in networks)]
    return "\n".join(lines) + "\n"
