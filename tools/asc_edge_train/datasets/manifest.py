"""Sets that share one ``manifest.csv`` in the folder above them: one row per file, with source and licence.

``folder`` is the set; the manifest is ``folder/../manifest.csv`` with the columns ``set``, ``filename``,
``source`` and ``licence``. The class of a clip is the name of its set.
"""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge_train.clips import Clip
from asc_edge_train.datasets.lists import listed_file, read_list

__all__ = ["load_manifest"]

_PIECE = re.compile(r"(.+)_\d+")


def load_manifest(folder: Path) -> list[Clip]:
    """Clips of one set, without folds; the group is the source file, or the person where the note says."""
    list_path = folder.parent / "manifest.csv"
    clips = []
    for row in read_list(list_path, ("set", "filename", "source", "licence")):
        if row["set"] != folder.name:
            continue
        stem = Path(row["filename"]).stem
        note = row.get("note") or ""
        clips.append(
            Clip(
                path=listed_file(list_path, folder, row["filename"]),
                clip_id=f"{folder.name}/{stem}",
                fine=folder.name,
                group=f"{folder.name}:{_source(stem, note)}",
                corpus=folder.name,
                licence=row["licence"],
                attribution=row["source"],
            )
        )
    return clips


def _source(stem: str, note: str) -> str:
    if re.fullmatch(r"speaker \d+", note):
        return note
    piece = _PIECE.fullmatch(stem)
    return piece[1] if piece else stem
