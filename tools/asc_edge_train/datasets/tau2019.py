"""DCASE 2019 task 1A: TAU Urban Acoustic Scenes 2019 (Mesaros et al. 2018), ten scenes in ten cities.

``audio/airport-barcelona-0-0-a.wav`` (scene, city, location, piece, device), ``meta.csv`` and
``evaluation_setup/fold1_train.csv`` and ``fold1_evaluate.csv``, all tab-separated with a header.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus, DataError, FoldLeakError, check_groups
from asc_edge_train.datasets.lists import ListedFiles, choose, inner_folder, read_list

__all__ = ["DEVELOPMENT_FOLDER", "load_tau2019"]

DEVELOPMENT_FOLDER = "TAU-urban-acoustic-scenes-2019-development"


def load_tau2019(folder: Path, *, missing: str = "error", fold_by: str = "location") -> Corpus:
    """Clips of the official split: its training list is the development part, its test list the evaluation.

    The subset of an evaluation clip is ``seen city`` or ``unseen city``: Milan is in no training list. Files
    in neither list are left out and counted.

    Parameters
    ----------
    folder : Path
        ``TAU-urban-acoustic-scenes-2019-development``, or the folder around it.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    fold_by : {"location", "city"}
        What must not be split over the folds, which are assigned later (the corpus has none inside its
        development part).

    Raises
    ------
    DataError, FoldLeakError, AudioFileError
    """
    choose("fold_by", fold_by, ("location", "city"))
    files = ListedFiles(missing)
    folder = inner_folder(folder, DEVELOPMENT_FOLDER)
    setup = folder / "evaluation_setup"
    training = _names(setup / "fold1_train.csv")
    tested = [path for path in (setup / "fold1_evaluate.csv", setup / "fold1_test.csv") if path.is_file()]
    testing = _names(tested[0] if tested else setup / "fold1_evaluate.csv")
    if training & testing:
        raise FoldLeakError(f"{setup}: {min(training & testing)} is trained on and tested")
    list_path = folder / "meta.csv"
    clips = []
    heard = set()
    unknown = training | testing
    for row in read_list(list_path, ("filename", "scene_label", "identifier"), "\t"):
        name = Path(row["filename"]).name
        unknown.discard(name)
        if name not in training and name not in testing:
            files.left_out["in neither list of fold 1"] += 1
            continue
        if name in training:
            heard.add(_city(row["identifier"]))
        path = files.find(list_path, folder, row["filename"])
        if path is not None:
            clip = _clip(path, row["scene_label"], row["identifier"])
            clips.append(replace(clip, part="evaluation") if name in testing else clip)
    if unknown:
        raise DataError(f"{list_path}: lacks {min(unknown)}, which a list of fold 1 names")
    if clips:
        check_groups(clips, folded=False)  # while groups are still locations
    return Corpus([_finished(clip, heard, fold_by) for clip in clips], files.left_out)


def _finished(clip: Clip, heard: set[str], fold_by: str) -> Clip:
    """A clip with the subset of the evaluation part, grouped as asked."""
    city = _city(clip.group.removeprefix("tau2019:"))
    if clip.part == "evaluation":
        return replace(clip, subset="seen city" if city in heard else "unseen city")
    return replace(clip, group=f"tau2019:city:{city}") if fold_by == "city" else clip


def _city(identifier: str) -> str:
    return identifier.rpartition("-")[0]


def _names(path: Path) -> set[str]:
    return {Path(row["filename"]).name for row in read_list(path, ("filename",), "\t")}


def _clip(path: Path, scene: str, identifier: str) -> Clip:
    return Clip(
        path=path,
        clip_id=f"dcase2019-task1a/{path.stem}",
        fine=scene,
        group=f"tau2019:{identifier}",
        corpus="TAU Urban Acoustic Scenes 2019",
        licence="non-commercial research (licence of Tampere University)",
        attribution="TAU Urban Acoustic Scenes 2019 (T. Heittola, A. Mesaros, T. Virtanen)",
    )
