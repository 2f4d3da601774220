"""The simplest layout: a folder per label, audio files inside, for a person's own recordings.

``folder/<label>/x.wav``, where every file is a group of its own, or ``folder/<label>/<group>/x.wav``: the
group is the take, day, room or person that must not be split over folds. A ``clips.csv`` in the folder takes
the place of both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asc_edge_train.clips import Clip, Corpus, DataError
from asc_edge_train.datasets.lists import AUDIO_SUFFIXES, ListedFiles, choose, read_list, whole_number

__all__ = ["load_folders"]

_LIST = "clips.csv"
_COLUMNS = ("filename", "label", "group")


def load_folders(folder: Path, *, missing: str = "error", licence: str = "unknown") -> Corpus:
    """Clips of a folder per label, without folds unless ``clips.csv`` gives them.

    Parameters
    ----------
    folder : Path
        Group and clip names begin with its name, so that two such folders don't mix. The same group under two
        labels is one group: what was recorded together stays together.
        ``clips.csv`` has the columns ``filename`` (from the folder), ``label`` and ``group``, and as it likes
        ``fold``, ``part`` (``development`` or ``evaluation``), ``subset``, ``licence`` and ``attribution``.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    licence : str
        Of every clip that ``clips.csv`` gives none, for instance ``own recordings`` or ``CC-BY-4.0``.

    Raises
    ------
    DataError, FoldLeakError, AudioFileError
    """
    if (folder / _LIST).is_file():
        return _listed(folder, ListedFiles(missing), licence)
    choose("missing", missing, ("error", "skip"))
    clips = []
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(class_folder.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
                inside = path.relative_to(class_folder)
                group = inside.parts[0] if len(inside.parts) > 1 else f"{class_folder.name}/{path.name}"
                clips.append(_clip(path, folder, label=class_folder.name, group=group, licence=licence))
    return Corpus(clips)


def _listed(folder: Path, files: ListedFiles, licence: str) -> Corpus:
    list_path = folder / _LIST
    clips = []
    for number, row in enumerate(read_list(list_path, _COLUMNS), start=2):
        cells = {column: (row.get(column) or "").strip() for column in row if column is not None}
        if not (cells["filename"] and cells["label"]):
            raise DataError(f"{list_path}: line {number} lacks a file or a label")
        path = files.find(list_path, folder, cells["filename"])
        if path is None:
            continue
        part = cells.get("part") or "development"
        if part not in ("development", "evaluation"):
            raise DataError(
                f"{list_path}: line {number}: part {part!r} is neither development nor evaluation"
            )
        clips.append(
            _clip(
                path,
                folder,
                label=cells["label"],
                group=cells["group"] or cells["filename"],
                licence=cells.get("licence") or licence,
                fold=whole_number(cells.get("fold") or "0", list_path, "fold"),
                part=part,
                subset=cells.get("subset", ""),
                **({"attribution": cells["attribution"]} if cells.get("attribution") else {}),
            )
        )
    return Corpus(clips, files.left_out)


def _clip(path: Path, folder: Path, *, label: str, group: str, licence: str, **fields: Any) -> Clip:
    name = folder.resolve().name
    inside = path.relative_to(folder).as_posix()
    return Clip(
        path=path,
        clip_id=f"folders/{name}/{inside}",
        fine=label,
        group=f"folders:{name}:{group}",
        corpus=name,
        licence=licence,
        **{"attribution": f"{name}/{inside}", **fields},
    )
