"""The simplest layout: a folder per label, audio files inside."""

from __future__ import annotations

from pathlib import Path

from asc_edge_train.clips import Clip
from asc_edge_train.datasets.lists import audio_files

__all__ = ["load_folders"]


def load_folders(folder: Path) -> list[Clip]:
    """Clips of ``folder/<label>/*.wav``, without folds. Every file is a group of its own."""
    clips = []
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in audio_files(class_folder):
            clips.append(
                Clip(
                    path=path,
                    clip_id=f"folders/{class_folder.name}/{path.name}",
                    fine=class_folder.name,
                    group=f"file:{class_folder.name}/{path.name}",
                    corpus=folder.name,
                    licence="unknown",
                    attribution=f"{class_folder.name}/{path.name}",
                )
            )
    return clips
