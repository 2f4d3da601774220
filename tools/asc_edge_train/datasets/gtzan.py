"""GTZAN (Tzanetakis and Cook 2002): ten genres of music, a hundred excerpts of thirty seconds each.

``genres/blues/blues.00000.au``, or ``Data/genres_original/blues/blues.00000.wav`` in the mirror that most
people have. The set has no folds. Its known faults (repeated songs, one artist on both sides) are met by the
fault-filtered lists ``train_filtered.txt``, ``valid_filtered.txt`` and ``test_filtered.txt`` of later work.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus, DataError, FoldLeakError
from asc_edge_train.datasets.lists import audio_files, choose, read_lines

__all__ = ["GENRES", "load_gtzan"]

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")

_PLACES = ("genres", "Data/genres_original", "genres_original", "")
_UNREADABLE = "jazz.00054"  # cut off in the mirror


def load_gtzan(folder: Path, *, lists: str = "auto") -> Corpus:
    """Excerpts without folds, each a group of its own.

    Parameters
    ----------
    folder : Path
        Holds ``genres``, ``Data/genres_original`` or the ten genres themselves.
    lists : {"auto", "none"}
        ``auto``: where the three fault-filtered lists lie in the folder, training and validation list are the
        development part and the test list is the evaluation part, and what no list names is left out.
        ``none``: everything is development.

    Raises
    ------
    DataError, FoldLeakError
    """
    choose("lists", lists, ("auto", "none"))
    place = next((folder / name for name in _PLACES if (folder / name / GENRES[0]).is_dir()), None)
    if place is None:
        raise DataError(f"{folder}: no folder such as genres/{GENRES[0]} or Data/genres_original/{GENRES[0]}")
    left_out: Counter[str] = Counter()
    clips = []
    for genre in (genre for genre in GENRES if (place / genre).is_dir()):
        for path in audio_files(place / genre):
            if path.stem == _UNREADABLE and not _readable(path):
                left_out[f"unreadable {path.name}, a known fault"] += 1
            else:
                clips.append(_clip(path, genre))
    split = _read_split(folder, place) if lists == "auto" else {}
    if not split:
        return Corpus(clips, left_out)
    left_out["in no fault-filtered list"] = sum(clip.path.stem not in split for clip in clips)
    listed = [clip for clip in clips if clip.path.stem in split]
    return Corpus([replace(clip, part=split[clip.path.stem]) for clip in listed], left_out)


def _read_split(*folders: Path) -> dict[str, str]:
    """Part by name without suffix; empty where there are no lists."""
    lists = ("train_filtered.txt", "valid_filtered.txt", "test_filtered.txt")
    home = next((f for f in folders if any((f / name).is_file() for name in lists)), None)
    split: dict[str, str] = {}
    for name in lists if home is not None else ():
        assert home is not None
        part = "evaluation" if name.startswith("test") else "development"
        for line in read_lines(home / name):
            stem = Path(line.strip()).stem
            if split.setdefault(stem, part) != part:
                raise FoldLeakError(f"{home / name}: {stem} is trained on and tested")
    return split


def _readable(path: Path) -> bool:
    import soundfile

    try:
        return bool(soundfile.info(str(path)).frames)
    except soundfile.LibsndfileError:
        return False


def _clip(path: Path, genre: str) -> Clip:
    return Clip(
        path=path,
        clip_id=f"gtzan/{path.stem}",
        fine=genre,
        group=f"gtzan:{path.stem}",
        corpus="GTZAN",
        licence="none stated (excerpts of published music)",
        attribution="GTZAN genre collection (G. Tzanetakis, P. Cook)",
    )
