"""Score a folder that the bundle has never seen, through the device's own pipeline."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.bundle import Bundle
from asc_edge.errors import ConfigError
from asc_edge.pipeline import Pipeline, classify_clip
from asc_edge_train.bundling import heard_recordings
from asc_edge_train.clips import DataError
from asc_edge_train.datasets import LAYOUTS, load_corpus
from asc_edge_train.figures import confusion, score_table
from asc_edge_train.labels import map_labels
from asc_edge_train.recipe import Mapping
from asc_edge_train.sound import clip_samples

__all__ = ["evaluate", "evaluation_text", "guess_layout", "load_mapping"]

NO_ANSWER = "(no answer)"


def load_mapping(bundle: Bundle, layout: str, path: Path | None) -> Mapping:
    """The mapping from a layout's classes to the bundle's labels.

    The recipe's mapping stands in the bundle; a TOML file of the same form takes its place
    (``labels = { dog = "dog_bark" }``, ``default``, ``exclude``).

    Raises
    ------
    ConfigError
        When the file is unreadable or names a label that the bundle doesn't have.
    """
    if path is None:
        stored = bundle.manifest.raw.get("training", {}).get("mappings", {}).get(layout, {})
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
    unknown = {*mapping.labels.values(), *([mapping.default] if mapping.default else [])} - set(bundle.labels)
    if unknown:
        raise ConfigError(f"{path or layout}: {sorted(unknown)[0]!r} is not a label of bundle {bundle.name}")
    return mapping


def guess_layout(data: Path) -> str:
    """The layout of a folder, by what lies in it.

    Raises
    ------
    DataError
        When it looks like none.
    """
    if (data / "meta" / "esc50.csv").is_file():
        return "esc50"
    if (data / "kitchen20.csv").is_file():
        return "kitchen20"
    if any(data.glob("[0-9][0-9][0-9] - *")):
        return "esc10"
    if data.is_dir() and any(path.is_dir() for path in data.iterdir()):
        return "folders"
    raise DataError(f"{data}: no data set found here; name its --layout ({', '.join(LAYOUTS)})")


def evaluate(
    bundle: Bundle,
    data: Path,
    *,
    layout: str,
    mapping: Mapping,
    fold: int | None = None,
    unheard: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Figures of a bundle on a folder: accuracy, macro-F1, per label, confusion.

    Labels that the folder has no clip of don't count in the macro-F1. A clip that is silent to the pipeline
    has no answer, and counts as wrong. Clips of recordings that the bundle was trained on are counted as
    ``heard``, and with ``unheard`` left out: they flatter it.

    Raises
    ------
    DataError, AudioFileError
    """
    loaded = load_corpus(layout, data)
    clips = map_labels(loaded, mapping, bundle.labels, {})
    if fold is not None:
        clips = [clip for clip in clips if clip.fold == fold]
    known = heard_recordings(bundle)
    heard = sum(clip.group in known for clip in clips)
    if unheard:
        clips = [clip for clip in clips if clip.group not in known]
    if not clips and unheard and heard:
        raise DataError(f"{data}: bundle {bundle.name} was trained on every one of these recordings")
    if not clips:
        where = "" if fold is None else f" in fold {fold}"
        raise DataError(
            f"{data}: no clip{where} whose class maps to a label of bundle {bundle.name}; see --map"
        )
    present = [label for label in bundle.labels if label in {clip.label for clip in clips}]
    # Answers outside the labels that occur, and no answer at all, share the last column.
    columns = [*present, *(label for label in bundle.labels if label not in present), NO_ANSWER]
    truth = np.array([columns.index(clip.label) for clip in clips])
    predicted = np.empty(len(clips), dtype=np.int64)
    pipeline = Pipeline(bundle)
    for number, clip in enumerate(clips):
        top = classify_clip(pipeline, clip_samples(clip, bundle.sample_rate_hz)).top
        predicted[number] = columns.index(top or NO_ANSWER)
        progress(number + 1, len(clips))
    figures = score_table(truth, predicted, np.array([clip.fold for clip in clips]), present)
    return {
        "bundle": {"name": bundle.name, "version": bundle.version, "sha256": bundle.sha256},
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
        f"warning: {result['heard']} of these clips are from recordings that the bundle was trained on; "
        "--unheard leaves them out"
    ]


def evaluation_text(result: dict[str, Any]) -> list[str]:
    """The figures as lines of text."""
    fold = "" if result["fold"] is None else f", fold {result['fold']}"
    bundle = result["bundle"]
    lines = [
        f"bundle {bundle['name']} {bundle['version']} on {result['clips']} clips ({result['layout']}{fold}; "
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
