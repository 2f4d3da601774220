"""ESC-50 in its current layout and ESC-10 in its old one (Piczak 2015).

ESC-50: ``audio/{fold}-{clip}-{take}-{target}.*`` and ``meta/esc50.csv``.
ESC-10: ``001 - Dog bark/1-100032-A.ogg``, where the first character is the fold.
"""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge_train.clips import Clip, DataError, merge_straddling_groups
from asc_edge_train.datasets.lists import audio_files, listed_file, read_list, whole_number

__all__ = ["load_esc10", "load_esc50"]

_ESC10_FOLDER = re.compile(r"\d{3} - (.+)")
_ESC10_FILE = re.compile(r"([1-5])-(\d+)-[A-Z]")


def load_esc50(folder: Path) -> list[Clip]:
    """Clips of an ESC-50 folder; the group is the Freesound recording, ``licence`` may be absent."""
    list_path = folder / "meta" / "esc50.csv"
    clips = []
    for row in read_list(list_path, ("filename", "fold", "category", "src_file")):
        name = row["filename"]
        licence = row.get("licence") or "CC-BY-NC"  # the set's own licence, where none is given per clip
        clips.append(
            Clip(
                path=listed_file(list_path, folder / "audio", name),
                clip_id=f"esc50/{Path(name).stem}",
                fine=row["category"],
                group=f"freesound:{row['src_file']}",
                fold=whole_number(row["fold"], list_path, "fold"),
                corpus="ESC-50",
                licence=licence,
                attribution=f"https://freesound.org/s/{row['src_file']}/ by way of ESC-50 (K. J. Piczak)",
            )
        )
    # Two recordings stand in two folds of the copy that this was written against.
    return merge_straddling_groups(clips)


def load_esc10(folder: Path) -> list[Clip]:
    """Clips of an ESC-10 folder in the old layout; classes are named ``dog_bark``, ``rain``, ..."""
    clips = []
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        named = _ESC10_FOLDER.fullmatch(class_folder.name)
        if named is None:
            continue
        fine = named[1].strip().lower().replace(" ", "_")
        for path in audio_files(class_folder):
            parts = _ESC10_FILE.fullmatch(path.stem)
            if parts is None:
                raise DataError(f"{path}: not an ESC-10 name such as 1-100032-A.ogg")
            clips.append(
                Clip(
                    path=path,
                    clip_id=f"esc10/{fine}/{path.stem}",
                    fine=fine,
                    group=f"freesound:{parts[2]}",
                    fold=int(parts[1]),
                    corpus="ESC-10",
                    licence="CC-BY-3.0",
                    attribution=f"https://freesound.org/s/{parts[2]}/ by way of ESC-10 (K. J. Piczak)",
                )
            )
    return merge_straddling_groups(clips)
