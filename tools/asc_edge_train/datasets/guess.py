"""Which layout a folder is in, by what lies in it."""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge_train.clips import DataError
from asc_edge_train.datasets import sins, tau2019, tut2017
from asc_edge_train.datasets.gtzan import GENRES
from asc_edge_train.datasets.lists import inner_folder, read_lines

__all__ = ["guess_layout"]

# The first of these that is there decides. More telling names stand first.
_MARKS = (
    (f"{sins.DEVELOPMENT_FOLDER}/meta.txt", "dcase2018-task5"),
    (sins.EVALUATION_FOLDER, "dcase2018-task5"),
    (tut2017.DEVELOPMENT_FOLDER, "dcase2017-task1"),
    (tut2017.EVALUATION_FOLDER, "dcase2017-task1"),
    (tau2019.DEVELOPMENT_FOLDER, "dcase2019-task1a"),
    ("evaluation_setup/fold1_train.csv", "dcase2019-task1a"),
    ("meta/esc50.csv", "esc50"),
    ("kitchen20.csv", "kitchen20"),
    ("metadata/UrbanSound8K.csv", "urbansound8k"),
    ("relation_wav_examples.txt", "litis-rouen"),
    (f"genres/{GENRES[0]}", "gtzan"),
    (f"Data/genres_original/{GENRES[0]}", "gtzan"),
    (f"genres_original/{GENRES[0]}", "gtzan"),
    ("array-set.csv", "arrays"),
    ("clips.csv", "folders"),
)


def guess_layout(data: Path) -> str:
    """The layout of a folder.

    Raises
    ------
    DataError
        When it looks like none.
    """
    from asc_edge_train.datasets import LAYOUTS

    folder = inner_folder(data, "ESC-50-master", "ESC-10-master", "UrbanSound8K")
    found = next((layout for mark, layout in _MARKS if (folder / mark).exists()), None)
    if found is None:
        found = _by_list(folder)
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if found is None and set(GENRES) <= set(inside):
        found = "gtzan"
    if found is None and any(re.match(r"\d{3} - ", name) for name in inside):
        found = "esc10" if any(re.match(r"0\d{2} - ", name) for name in inside) else "esc50"
    if found is None and inside:
        found = "folders"
    if found is None:
        raise DataError(f"{data}: no data set found here; name its --layout ({', '.join(LAYOUTS)})")
    return found


def _by_list(folder: Path) -> str | None:
    """The older DCASE sets have lists of one form; file names and sessions tell them apart."""
    setup = folder / "evaluation_setup"
    lists = (folder / "meta.txt", setup / "evaluate.txt", setup / "evaluation.txt")
    path = next((path for path in lists if path.is_file()), None)
    if path is None or not setup.is_dir():
        return None
    first = next(iter(read_lines(path)), "").split("\t")
    session = len(first) > 2 and re.fullmatch(r"s\d+\s*", first[2])
    return "dcase2018-task5" if session or "task5" in folder.name else "dcase2017-task1"
