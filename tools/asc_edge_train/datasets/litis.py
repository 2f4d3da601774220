"""LITIS Rouen (Rakotomamonjy and Gasso 2015): nineteen scenes, examples of thirty seconds, twenty splits.

``data_rouen/avion1.wav``, ``relation_wav_examples.txt`` (file and number) and
``fold3026-matrices_Learn.txt`` / ``_Test.txt``: one line per split, with the numbers of its examples, which
are printed as floats.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus, DataError, FoldLeakError
from asc_edge_train.datasets.lists import ListedFiles, read_lines

__all__ = ["load_litis"]

_SPLITS = 20


def load_litis(folder: Path, *, split: int = 1, missing: str = "error") -> Corpus:
    """One split: its learning list is the development part, without folds; its test list is the evaluation.

    Each example is a group of its own: which recording it was cut from isn't published.

    Parameters
    ----------
    folder : Path
    split : int
        1 to 20. The published figures are means over all twenty.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.

    Raises
    ------
    DataError, FoldLeakError, AudioFileError
    """
    if isinstance(split, bool) or split not in range(1, _SPLITS + 1):
        raise DataError(f"option split is {split!r}: choose one of 1 to {_SPLITS}")
    list_path = folder / "relation_wav_examples.txt"
    names = _read_numbers(list_path)
    learn = _read_split(folder / "fold3026-matrices_Learn.txt", split, names)
    test = _read_split(folder / "fold3026-matrices_Test.txt", split, names)
    both = learn & test
    if both:
        raise FoldLeakError(f"{folder}: split {split} learns from {names[min(both)]} and tests on it")
    files = ListedFiles(missing)
    clips = []
    for number, name in names.items():
        if number not in learn and number not in test:
            files.left_out[f"in neither list of split {split}"] += 1
            continue
        path = files.find(list_path, folder / "data_rouen", name)
        if path is not None:
            clip = _clip(path)
            clips.append(replace(clip, part="evaluation") if number in test else clip)
    return Corpus(clips, files.left_out)


def _read_numbers(path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in read_lines(path):
        cells = line.split()
        if len(cells) != 2:
            raise DataError(f"{path}: {line.strip()!r} is not a file and a number")
        name = cells[0] if cells[0].lower().endswith(".wav") else f"{cells[0]}.wav"
        number = _number(cells[1], path)
        if names.setdefault(number, name) != name:
            raise DataError(f"{path}: number {number} is {names[number]} and {name}")
    return names


def _read_split(path: Path, split: int, names: dict[int, str]) -> set[int]:
    lines = read_lines(path)
    if len(lines) < split:
        raise DataError(f"{path}: has {len(lines)} splits, not {split}")
    numbers = {_number(cell, path) for cell in lines[split - 1].split()}
    strange = numbers - names.keys()
    if strange:
        raise DataError(
            f"{path}: split {split} has example {min(strange)}, which relation_wav_examples.txt lacks"
        )
    return numbers


def _number(text: str, path: Path) -> int:
    try:
        value = float(text)
    except ValueError:
        value = 0.5
    if not value.is_integer():
        raise DataError(f"{path}: {text!r} is not the number of an example")
    return int(value)


def _clip(path: Path) -> Clip:
    # What stands before the number, and nothing shorter: "bus" also begins "busystreet".
    named = re.match(r"\D+", path.stem)
    if named is None:
        raise DataError(f"{path}: not a name such as avion1.wav")
    return Clip(
        path=path,
        clip_id=f"litis-rouen/{path.stem}",
        fine=named[0],
        group=f"litis:{path.stem}",
        corpus="LITIS Rouen",
        licence="none stated",
        attribution="LITIS Rouen audio scene data set (A. Rakotomamonjy, G. Gasso)",
    )
