"""Sets that share one ``manifest.csv`` in the folder above them: one row per file, with source and licence.

``folder`` is the set; the manifest is ``folder/../manifest.csv`` with the columns ``set``, ``filename``,
``source`` and ``licence``. The class of a clip is the name of its set, or of its source file.
"""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus
from asc_edge_train.datasets.lists import ListedFiles, choose, read_list

__all__ = ["load_manifest"]

_PIECE = re.compile(r"(.+)_\d+")


def load_manifest(folder: Path, *, missing: str = "error", classes: str = "set") -> Corpus:
    """Clips of one set, without folds; the group is the source file, or the person where the note says.

    ``missing="skip"`` leaves listed files out that aren't there, and counts them. ``classes="source"`` makes
    a class of every source file: sets of several kinds of sounds.
    """
    choose("classes", classes, ("set", "source"))
    files = ListedFiles(missing)
    list_path = folder.parent / "manifest.csv"
    clips = []
    for row in read_list(list_path, ("set", "filename", "source", "licence")):
        if row["set"] != folder.name:
            continue
        path = files.find(list_path, folder, row["filename"])
        if path is None:
            continue
        stem = Path(row["filename"]).stem
        source = _source(stem, row.get("note") or "")
        clips.append(
            Clip(
                path=path,
                clip_id=f"{folder.name}/{stem}",
                fine=source if classes == "source" else folder.name,
                group=f"{folder.name}:{source}",
                corpus=folder.name,
                licence=row["licence"],
                attribution=row["source"],
            )
        )
    return Corpus(clips, files.left_out)


def _source(stem: str, note: str) -> str:
    if re.fullmatch(r"speaker \d+", note):
        return note
    piece = _PIECE.fullmatch(stem)
    return piece[1] if piece else stem
