"""Household noise: long takes named ``vacuuming_0.ogg``, cut into pieces of five seconds."""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge.errors import AudioFileError
from asc_edge_train.clips import Clip, DataError
from asc_edge_train.datasets.lists import audio_files

__all__ = ["PIECE_S", "load_household"]

PIECE_S = 5.0
_NAME = re.compile(r"([A-Za-z]+)_(\d+)")


def load_household(folder: Path) -> list[Clip]:
    """Five-second pieces of every take, without folds; the group is the take.

    A last piece that is shorter than half its length is left out.
    """
    clips = []
    for path in audio_files(folder):
        named = _NAME.fullmatch(path.stem)
        if named is None:
            raise DataError(f"{path}: not a name such as vacuuming_0.ogg")
        pieces = max(1, int(_duration_s(path) / PIECE_S + 0.5))
        for piece in range(pieces):
            clips.append(
                Clip(
                    path=path,
                    clip_id=f"household/{path.stem}@{piece:03d}",
                    fine=named[1],
                    group=f"household:{path.stem}",
                    corpus="household noise",
                    licence="CC0 (Freesound) or the recordist's own recording",
                    attribution=f"household noise collection, take {path.stem}",
                    offset_s=piece * PIECE_S,
                    duration_s=PIECE_S,
                )
            )
    return clips


def _duration_s(path: Path) -> float:
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError as error:
        raise AudioFileError(f"{path}: not readable as audio ({error}); copy it again") from None
