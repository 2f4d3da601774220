"""DCASE 2017 task 1: TUT Acoustic Scenes 2017 (Mesaros et al. 2016), fifteen scenes, ten-second pieces.

``audio/b020_90_100.wav`` (location, start and end in seconds), ``meta.txt`` (file, scene, location), four
folds in ``evaluation_setup``, and ``error.txt`` with the stretches in which a microphone failed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus, DataError
from asc_edge_train.datasets.lists import FoldLists, ListedFiles, read_rows

__all__ = ["DEVELOPMENT_FOLDER", "EVALUATION_FOLDER", "load_tut2017"]

DEVELOPMENT_FOLDER = "TUT-acoustic-scenes-2017-development"
EVALUATION_FOLDER = "TUT-acoustic-scenes-2017-evaluation"
_NO_LABEL = "without a label"


def load_tut2017(folder: Path, *, missing: str = "error") -> Corpus:
    """Clips of the development and the evaluation set, as far as they are there; the group is the location.

    Parameters
    ----------
    folder : Path
        Holds ``TUT-acoustic-scenes-2017-development``, ``TUT-acoustic-scenes-2017-evaluation`` or both, or is
        one of them.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.

    Raises
    ------
    DataError, FoldLeakError, AudioFileError
    """
    files = ListedFiles(missing)
    inside = [folder / name for name in (DEVELOPMENT_FOLDER, EVALUATION_FOLDER)]
    if not any(path.is_dir() for path in inside):
        is_development = any((folder / "evaluation_setup").glob("fold*_*.txt"))
        inside = (
            [folder, folder / EVALUATION_FOLDER] if is_development else [folder / DEVELOPMENT_FOLDER, folder]
        )
    clips: list[Clip] = []
    if inside[0].is_dir():
        clips += _development(inside[0], files)
    if inside[1].is_dir():
        clips += _evaluation(inside[1], files)
    if not clips and files.left_out[_NO_LABEL]:
        raise DataError(f"{folder}: an evaluation set without labels, which can't be scored")
    return Corpus(clips, files.left_out)


def _development(folder: Path, files: ListedFiles) -> list[Clip]:
    list_path = folder / "meta.txt"
    rows = read_rows(list_path, least=3)
    groups = {Path(name).name: _group(location) for name, _, location, *_ in rows}
    folds = FoldLists(folder / "evaluation_setup", groups)
    faults = _read_faults(folder / "error.txt", set(groups))
    clips = []
    for listed, scene, *_ in rows:
        name = Path(listed).name
        path = files.find(list_path, folder, listed)
        if path is not None:
            clip = _clip(path, "dev", scene, groups[name], faults.get(name, ()))
            clips.append(replace(clip, fold=folds.fold_of(name)))
    return clips


def _evaluation(folder: Path, files: ListedFiles) -> list[Clip]:
    setup = folder / "evaluation_setup"
    lists = [folder / "meta.txt", setup / "evaluate.txt", setup / "test.txt"]
    tables = {path: read_rows(path) for path in lists if path.is_file()}
    if not tables:
        raise DataError(
            f"{folder}: neither meta.txt nor evaluation_setup/evaluate.txt; copy the data set again"
        )
    labelled = [path for path, rows in tables.items() if rows and len(rows[0]) > 1]
    if not labelled:
        files.left_out[_NO_LABEL] += max(len(rows) for rows in tables.values())
        return []
    list_path = labelled[0]
    rows = tables[list_path]
    origins = _read_map(setup / "map.txt", {Path(row[0]).name for row in rows})
    faults = _read_faults(folder / "error.txt", {Path(row[0]).name for row in rows})
    clips = []
    for row in rows:
        name = Path(row[0]).name
        if len(row) < 2 or not row[1]:
            raise DataError(f"{list_path}: {name} has no label, while others have")
        path = files.find(list_path, folder, row[0])
        if path is not None:
            location = row[2] if len(row) > 2 else origins.get(name, f"eval:{Path(name).stem}")
            clip = _clip(path, "eval", row[1], _group(location), faults.get(name, ()))
            clips.append(replace(clip, part="evaluation"))
    return clips


def _read_map(path: Path, names: set[str]) -> dict[str, str]:
    """Location of the evaluation files, from the original names that the map gives them."""
    locations: dict[str, str] = {}
    for row in read_rows(path, least=2) if path.is_file() else []:
        here, origin = (Path(cell).name for cell in row[:2])
        if here not in names:
            here, origin = origin, here
        if here in names and "_" in origin:
            locations[here] = origin.split("_")[0]
    return locations


def _read_faults(path: Path, names: set[str]) -> dict[str, tuple[tuple[float, float], ...]]:
    """Faulty stretches by file name, in seconds.

    Raises
    ------
    DataError
        When a row isn't a file with an onset before its offset, or no row is about a file of this set.
    """
    faults: dict[str, list[tuple[float, float]]] = defaultdict(list)
    rows = read_rows(path, least=3) if path.is_file() else []
    for row in rows:
        try:
            start_s, stop_s = float(row[1]), float(row[2])
        except ValueError:
            start_s = stop_s = 0.0
        if not 0 <= start_s < stop_s:
            raise DataError(f"{path}: {' '.join(row)!r} is not a file, an onset and an offset in seconds")
        faults[Path(row[0]).name].append((start_s, stop_s))
    if faults and not names & faults.keys():
        raise DataError(f"{path}: names no file of this set; copy the list again")
    return {name: tuple(sorted(stretches)) for name, stretches in faults.items()}


def _group(location: str) -> str:
    return f"tut2017:{location}"


def _clip(path: Path, part: str, scene: str, group: str, faults_s: tuple[tuple[float, float], ...]) -> Clip:
    return Clip(
        path=path,
        clip_id=f"dcase2017-task1/{part}/{path.stem}",
        fine=scene,
        group=group,
        corpus="TUT Acoustic Scenes 2017",
        licence="non-commercial research (licence of Tampere University of Technology)",
        attribution="TUT Acoustic Scenes 2017 (A. Mesaros, T. Heittola, T. Virtanen)",
        faults_s=faults_s,
    )
