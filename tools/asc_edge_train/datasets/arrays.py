"""Sets of array recordings made by ``asc-edge-train make-array-set``: ``array-set.csv`` and its files."""

from __future__ import annotations

from pathlib import Path

from asc_edge_train.clips import Clip, Corpus
from asc_edge_train.datasets.lists import ListedFiles, choose, read_list, whole_number

__all__ = ["LIST_NAME", "load_arrays_set", "read_array_list"]

LIST_NAME = "array-set.csv"
_COLUMNS = ("filename", "label", "group", "fold", "licence", "attribution", "array", "fault")


def read_array_list(folder: Path) -> list[dict[str, str]]:
    """Rows of a set's list.

    Raises
    ------
    DataError
        When it is missing or damaged.
    """
    return read_list(folder / LIST_NAME, _COLUMNS)


def load_arrays_set(folder: Path, *, missing: str = "error", fault: str = "none") -> Corpus:
    """Recordings of a set with the folds and groups of the clips that they were made from.

    Parameters
    ----------
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    fault : {"none", "dead", "noisy", "all"}
        Which recordings of every scene: those of a healthy array, or their twins with one bad channel.

    Raises
    ------
    DataError, AudioFileError
    """
    choose("fault", fault, ("none", "dead", "noisy", "all"))
    files = ListedFiles(missing)
    list_path = folder / LIST_NAME
    clips = []
    for row in read_array_list(folder):
        if fault not in ("all", row["fault"]):
            continue
        path = files.find(list_path, folder, row["filename"])
        if path is not None:
            clips.append(
                Clip(
                    path=path,
                    clip_id=f"arrays/{row['filename']}",
                    fine=row["label"],
                    group=row["group"],
                    corpus=folder.resolve().name,
                    licence=row["licence"],
                    attribution=row["attribution"],
                    fold=whole_number(row["fold"], list_path, "fold"),
                )
            )
    return Corpus(clips, files.left_out)
