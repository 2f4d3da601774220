"""Loaders: each reads one layout and returns rows of the clip table (see ``asc_edge_train.clips``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asc_edge_train.clips import Clip, DataError
from asc_edge_train.datasets.esc import load_esc10, load_esc50
from asc_edge_train.datasets.folders import load_folders
from asc_edge_train.datasets.household import load_household
from asc_edge_train.datasets.kitchen20 import load_kitchen20
from asc_edge_train.datasets.manifest import load_manifest

__all__ = ["LAYOUTS", "load_corpus"]

LAYOUTS: dict[str, Callable[[Path], list[Clip]]] = {
    "esc50": load_esc50,
    "esc10": load_esc10,
    "kitchen20": load_kitchen20,
    "household": load_household,
    "manifest": load_manifest,
    "folders": load_folders,
}


def load_corpus(layout: str, folder: Path) -> list[Clip]:
    """Rows of one corpus, sorted by name.

    Raises
    ------
    DataError
        For an unknown layout, a missing folder or list, or a folder without a clip.
    AudioFileError
        For a file that is listed but missing.
    """
    if layout not in LAYOUTS:
        raise DataError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder for layout {layout!r}; check --data")
    clips = LAYOUTS[layout](folder)
    if not clips:
        raise DataError(f"{folder}: no clip found in layout {layout!r}")
    return sorted(clips, key=lambda clip: clip.clip_id)
