"""ESC-50 and ESC-10 (Piczak 2015), both in their current and in their old layout.

Current: ``audio/{fold}-{clip}-{take}-{target}.*`` and ``meta/esc50.csv``, whose column ``esc10`` marks the
ten. Old: ``001 - Dog bark/1-100032-A.ogg`` (ESC-10), ``101 - Dog/1-100032-A.ogg`` (ESC-50); a file's first
character is its fold.
"""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus, DataError, merge_straddling_groups
from asc_edge_train.datasets.lists import ListedFiles, audio_files, inner_folder, read_list, whole_number

__all__ = ["load_esc10", "load_esc50"]

_CLASS_FOLDER = re.compile(r"(\d)\d{2} - (.+)")
_OLD_FILE = re.compile(r"([1-5])-(\d+)-[A-Z]")

# What the old layout of ESC-50 calls otherwise than the current one.
_OLD_ESC50_NAMES = {"door_knock": "door_wood_knock"}

# What ESC-50 calls otherwise than ESC-10.
_ESC10_NAMES = {
    "dog": "dog_bark",
    "crackling_fire": "fire_crackling",
    "crying_baby": "baby_cry",
    "sneezing": "person_sneeze",
}


def load_esc50(folder: Path, *, missing: str = "error") -> Corpus:
    """Clips of an ESC-50 folder in either layout, in its five folds; the group is the Freesound recording.

    Parameters
    ----------
    folder : Path
        Holds ``meta/esc50.csv``, or class folders such as ``101 - Dog``, or ``ESC-50-master`` with them.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    """
    folder = inner_folder(folder, "ESC-50-master")
    if not (folder / "meta" / "esc50.csv").is_file() and _class_folders(folder, "12345"):
        return Corpus(_old_layout(folder, "12345", "ESC-50", "CC-BY-NC"))
    files = ListedFiles(missing)
    clips = []
    for row, path in _rows(folder, files):
        licence = row.get("licence") or "CC-BY-NC"  # the set's own licence, where none is given per clip
        clips.append(_clip(path, path.stem, row["category"], row, corpus="ESC-50", licence=licence))
    # Two recordings stand in two folds of the copy that this was written against.
    return Corpus(merge_straddling_groups(clips), files.left_out)


def load_esc10(folder: Path, *, missing: str = "error") -> Corpus:
    """Clips of ESC-10, with the class names of its old layout: ``dog_bark``, ``rain``, ...

    Parameters
    ----------
    folder : Path
        Holds class folders such as ``001 - Dog bark``; or is an ESC-50 folder in the current layout.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    """
    folder = inner_folder(folder, "ESC-10-master", "ESC-50-master")
    if not (folder / "meta" / "esc50.csv").is_file():
        return Corpus(_old_layout(folder, "0", "ESC-10", "CC-BY-3.0"))
    files = ListedFiles(missing)
    clips = []
    for row, path in _rows(folder, files, only_ten=True):
        name = path.stem.rpartition("-")[0]  # the old layout's name, which lacks the target
        fine = _ESC10_NAMES.get(row["category"], row["category"])
        clips.append(_clip(path, f"{fine}/{name}", fine, row, corpus="ESC-10", licence="CC-BY-3.0"))
    return Corpus(merge_straddling_groups(clips), files.left_out)


def _rows(folder: Path, files: ListedFiles, only_ten: bool = False) -> list[tuple[dict[str, str], Path]]:
    list_path = folder / "meta" / "esc50.csv"
    columns = ("filename", "fold", "category", "src_file", *(("esc10",) if only_ten else ()))
    rows = []
    for row in read_list(list_path, columns):
        if only_ten and row["esc10"].strip().lower() != "true":
            continue
        whole_number(row["fold"], list_path, "fold")
        path = files.find(list_path, folder / "audio", row["filename"])
        if path is not None:
            rows.append((row, path))
    return rows


def _clip(path: Path, name: str, fine: str, row: dict[str, str], *, corpus: str, licence: str) -> Clip:
    return Clip(
        path=path,
        clip_id=f"{corpus.replace('-', '').lower()}/{name}",
        fine=fine,
        group=f"freesound:{row['src_file']}",
        fold=int(row["fold"]),
        corpus=corpus,
        licence=licence,
        attribution=f"https://freesound.org/s/{row['src_file']}/ by way of {corpus} (K. J. Piczak)",
    )


def _class_folders(folder: Path, hundreds: str) -> list[tuple[Path, str]]:
    found = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        named = _CLASS_FOLDER.fullmatch(path.name)
        if named is not None and named[1] in hundreds:
            found.append((path, re.sub(r"[^a-z0-9]+", "_", named[2].lower()).strip("_")))
    return found


def _old_layout(folder: Path, hundreds: str, corpus: str, licence: str) -> list[Clip]:
    clips = []
    for class_folder, named in _class_folders(folder, hundreds):
        fine = _OLD_ESC50_NAMES.get(named, named)
        for path in audio_files(class_folder):
            parts = _OLD_FILE.fullmatch(path.stem)
            if parts is None:
                raise DataError(f"{path}: not an {corpus} name such as 1-100032-A.ogg")
            row = {"src_file": parts[2], "fold": parts[1]}
            clips.append(_clip(path, f"{fine}/{path.stem}", fine, row, corpus=corpus, licence=licence))
    return merge_straddling_groups(clips)
