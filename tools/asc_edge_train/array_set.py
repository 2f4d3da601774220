"""A fixed benchmark of array recordings: chosen clips, each heard by arrays in several rooms, kept as FLAC.

The bytes depend on the clips, the recipe, the seed and the options alone: not on how many workers there were,
nor on whether it was made in one go.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.errors import UsageError
from asc_edge_train.array_set_plan import ArrayRow, Scene, choose_clips, plan_scenes
from asc_edge_train.arrays import FAULTS, MEASURED, ArrayConfig, ArrayResponse
from asc_edge_train.arrays_render import Recording, record
from asc_edge_train.arrays_rooms import measured_arrays, simulated_array
from asc_edge_train.bundling import attribution
from asc_edge_train.clips import Clip
from asc_edge_train.content import clip_keys
from asc_edge_train.datasets.arrays import LIST_NAME
from asc_edge_train.labels import build_table, table_labels
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import Recipe, fingerprint
from asc_edge_train.sound import clip_samples, window_samples
from asc_edge_train.storage import is_stamped, read_json, stamp, write_json, write_text

__all__ = ["FACTS_NAME", "SetOptions", "make_array_set"]

# Raised when the arithmetic in here or in a recording changes: half a set of an older one isn't gone on with.
_VERSION = 2
FACTS_NAME = "array-set.json"
_PLAN_NAME = "array-set.partial.json"
_ROOMS_FOLDER = ".rooms"


@dataclass(frozen=True, kw_only=True)
class SetOptions:
    """What a set is made of.

    Attributes
    ----------
    clips_per_label : int
        Clips of every label and fold.
    rooms_per_clip : int
        How many scenes each clip is put into.
    faults : tuple of str
        Recordings of every scene: ``none``, and twins with one channel ``dead`` or ``noisy``.
    """

    data: Path
    out: Path
    seed: int
    clips_per_label: int = 8
    rooms_per_clip: int = 3
    faults: tuple[str, ...] = FAULTS
    config: ArrayConfig = field(default_factory=ArrayConfig)


def make_array_set(
    recipe: Recipe,
    options: SetOptions,
    *,
    parallel: Parallel = SERIAL,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render a set, or what is left of it to do; returns the path of its list.

    Raises
    ------
    UsageError
        When the folder holds another set, or something else.
    DataError, AudioFileError
        When the corpora or the measured responses can't be read, or pyroomacoustics is missing.
    """
    clips = build_table(recipe, options.data)
    table_labels(recipe, clips)
    chosen = choose_clips(clips, options.clips_per_label)
    scenes = plan_scenes(chosen, options.config, options.rooms_per_clip, options.seed)
    list_path = options.out / LIST_NAME
    key = _claim(recipe, options, chosen)
    total = len(scenes)
    if is_stamped(list_path, key):
        progress(total, total)
        return list_path
    measured = ()
    if MEASURED in options.config.arrays:
        measured = tuple(measured_arrays(options.data, recipe.sample_rate_hz, recipe.licences))
    render = _Render(options, recipe.sample_rate_hz, recipe.window_s, key, measured)
    rows: list[ArrayRow] = []
    for done, made in enumerate(parallel.map(render, scenes), start=1):
        rows += made
        progress(done, total)
    parallel.rest()
    _write_list(list_path, rows)
    write_text(options.out / "ATTRIBUTION.md", _attribution(recipe, chosen, measured))
    write_json(options.out / FACTS_NAME, _facts(recipe, options, rows))
    stamp(list_path, key)
    (options.out / _PLAN_NAME).unlink(missing_ok=True)
    return list_path


def _claim(recipe: Recipe, options: SetOptions, clips: list[Clip]) -> str:
    """What the set depends on; refuses a folder that something else is in."""
    memo = options.out / _ROOMS_FOLDER / "content.json"
    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"{options.out}: is a file; give the folder of the set")
    known = {LIST_NAME, FACTS_NAME, _PLAN_NAME}
    inside = {path.name for path in options.out.iterdir()} if options.out.is_dir() else set()
    if inside - {_ROOMS_FOLDER} and not inside & known:
        raise UsageError(f"{options.out}: holds something else; give a new folder for the set")
    rows = [(clip.clip_id, clip.label, clip.fold, clip.group) for clip in clips]
    key = fingerprint(
        _VERSION,
        rows,
        clip_keys(clips, memo),
        recipe.sample_rate_hz,
        recipe.window_s,
        options.seed,
        options.rooms_per_clip,
        options.faults,
        asdict(options.config),
    )
    plan = options.out / _PLAN_NAME
    if is_stamped(options.out / LIST_NAME, key):
        return key
    if (options.out / LIST_NAME).exists() or (plan.exists() and read_json(plan) != key):
        raise UsageError(f"{options.out}: holds a set of other clips or options; give a new folder")
    write_json(plan, key)
    return key


@dataclass(frozen=True)
class _Render:
    """Makes the recordings of a scene, unless they are there; pickled to workers."""

    options: SetOptions
    sample_rate_hz: int
    window_s: float
    key: str
    measured: tuple[ArrayResponse, ...]

    def __call__(self, scene: Scene) -> list[ArrayRow]:
        note = self.options.out / _ROOMS_FOLDER / "scenes" / f"{scene.name}.json"
        done = self._done(note)
        if done is not None:
            return done
        response = self._response(scene)
        samples = window_samples(
            clip_samples(scene.clip, self.sample_rate_hz), self.sample_rate_hz, self.window_s
        )
        recording = record(
            samples[:, 0],
            response,
            self.options.config,
            sample_rate_hz=self.sample_rate_hz,
            seed=[self.options.seed, zlib.crc32(scene.clip.clip_id.encode()), scene.number],
            faults=self.options.faults,
        )
        rows = [_row(scene, response, recording, fault) for fault in self.options.faults]
        sizes = []
        for row in rows:
            path, data = (
                self.options.out / row.filename,
                _flac(recording.samples[row.fault], self.sample_rate_hz),
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            sizes.append(len(data))
        # Last, and with their sizes: a recording that an interruption has cut short is made again.
        write_json(note, {"depends_on": self.key, "rows": [asdict(row) for row in rows], "bytes": sizes})
        return rows

    def _done(self, note: Path) -> list[ArrayRow] | None:
        """The rows of a scene whose recordings are there already."""
        try:
            stored = read_json(note)
            rows = [ArrayRow(**row) for row in stored["rows"]]
            sizes = [(self.options.out / row.filename).stat().st_size for row in rows]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return rows if stored["depends_on"] == self.key and stored["bytes"] == sizes else None

    def _response(self, scene: Scene) -> ArrayResponse:
        if scene.array == MEASURED:
            # Of those that come nearest in distance and reverberation, one by the clip's name.
            ranked = sorted(
                self.measured,
                key=lambda each: (
                    abs(np.log(each.distance_m / scene.distance_m)) + abs(np.log(each.rt60_s / scene.rt60_s)),
                    each.name,
                ),
            )
            nearest = ranked[:4]
            return nearest[zlib.crc32(scene.name.encode()) % len(nearest)]
        config = self.options.config
        cell = [
            config.distances_m.index(scene.distance_m),
            config.rt60_s.index(scene.rt60_s),
            zlib.crc32(scene.array.encode()),
        ]
        return simulated_array(
            config,
            scene.array,
            distance_m=scene.distance_m,
            rt60_s=scene.rt60_s,
            sample_rate_hz=self.sample_rate_hz,
            seed=[self.options.seed, *cell, scene.place],
            cache=self.options.out / _ROOMS_FOLDER,
        )


def _row(scene: Scene, response: ArrayResponse, recording: Recording, fault: str) -> ArrayRow:
    clip = scene.clip
    return ArrayRow(
        filename=f"audio/{clip.label}/{scene.name}-{fault}.flac",
        scene=scene.name,
        clip_id=clip.clip_id,
        corpus=clip.corpus,
        label=clip.label,
        group=clip.group,
        fold=clip.fold,
        licence=clip.licence,
        attribution=clip.attribution,
        array=scene.array,
        channels=len(response.responses),
        distance_m=response.distance_m,
        rt60_s=round(response.rt60_s, 3),
        room=response.name,
        snr_db=round(recording.snr_db, 2),
        level_db=round(recording.level_db, 2),
        clipping_db=round(recording.clipping_db, 2),
        sound_db_spl=round(recording.sound_db_spl, 2),
        bits=recording.bits,
        fault=fault,
        fault_channel=-1 if fault == "none" else recording.fault_channel,
    )


def _flac(samples: np.ndarray, sample_rate_hz: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _write_list(path: Path, rows: list[ArrayRow]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(ArrayRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())


def _attribution(recipe: Recipe, clips: list[Clip], measured: Sequence[ArrayResponse]) -> str:
    text = attribution(clips, recipe.name).replace(
        f"# Recordings that the bundle `{recipe.name}` was trained on",
        "# Recordings that these array recordings were made from",
    )
    if not measured:
        return text
    lines = ["", "## Measured room responses", "", "| source | licence |", "|---|---|"]
    lines += [f"| {one.source} | {one.licence} |" for one in measured]
    return text + "\n".join(lines) + "\n"


def _facts(recipe: Recipe, options: SetOptions, rows: list[ArrayRow]) -> dict[str, Any]:
    return {
        "version_of_set": _VERSION,
        "recipe": recipe.name,
        "labels": list(recipe.labels),
        "seed": options.seed,
        "sample_rate_hz": recipe.sample_rate_hz,
        "window_s": recipe.window_s,
        "clips": len({row.clip_id for row in rows}),
        "recordings_of_corpora": len({row.group for row in rows}),
        "scenes": len({row.scene for row in rows}),
        "files": len(rows),
        "config": json.loads(json.dumps(asdict(options.config))),
    }
