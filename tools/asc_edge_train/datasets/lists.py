"""What the loaders share: reading lists, finding the files that they name, naming audio files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from asc_edge.errors import AudioFileError
from asc_edge_train.clips import DataError, FoldLeakError

__all__ = [
    "AUDIO_SUFFIXES",
    "FoldLists",
    "ListedFiles",
    "audio_files",
    "choose",
    "inner_folder",
    "read_lines",
    "read_list",
    "read_rows",
    "whole_number",
]

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".aiff", ".aif", ".au"}

ABSENT = "listed but absent"


def read_list(path: Path, columns: tuple[str, ...], separator: str = ",") -> list[dict[str, str]]:
    """Rows of a list with a header; LF or CRLF, with or without a byte order mark.

    Raises
    ------
    DataError
        When the list is missing, is not text, or lacks a column or a cell.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, delimiter=separator)
            missing = [column for column in columns if column not in (reader.fieldnames or [])]
            if missing:
                raise DataError(f"{path}: lacks column {', '.join(missing)}")
            rows = list(reader)
    except FileNotFoundError:
        raise _no_such_list(path) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a list with columns: {error}") from None
    for number, row in enumerate(rows, start=2):
        if any(row[column] is None for column in columns):
            raise DataError(f"{path}: line {number} is cut off")
    return rows


def read_lines(path: Path) -> list[str]:
    """Lines of a text list without their ends, empty ones left out.

    Raises
    ------
    DataError
        When the list is missing or is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _no_such_list(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a text list: {error}") from None
    return [line for line in text.splitlines() if line.strip()]


def read_rows(path: Path, least: int = 1) -> list[list[str]]:
    """Cells of a tab-separated list without a header, stripped; at least ``least`` in every row.

    Raises
    ------
    DataError
        When the list is missing, is not text, or a row has too few cells or an empty one among the first.
    """
    rows = [[cell.strip() for cell in line.split("\t")] for line in read_lines(path)]
    for number, row in enumerate(rows, start=1):
        if len(row) < least or not all(row[:least]):
            raise DataError(f"{path}: row {number} has fewer than {least} columns: {' '.join(row)!r}")
    return rows


def _no_such_list(path: Path) -> DataError:
    return DataError(f"{path}: no such list; is --data the folder of this data set?")


class ListedFiles:
    """Finds the files that lists name.

    Parameters
    ----------
    missing : {"error", "skip"}
        What happens to a file that isn't there. Large sets are often held in part; what is skipped is counted
        in ``left_out``, for ``Corpus.left_out``.
    """

    def __init__(self, missing: str = "error") -> None:
        self._skip = choose("missing", missing, ("error", "skip")) == "skip"
        self._names: dict[Path, Collection[str]] = {}
        self.left_out: Counter[str] = Counter()

    def find(self, list_path: Path, folder: Path, name: str) -> Path | None:
        """Path of a file that a list names; None where it is to be skipped.

        Raises
        ------
        AudioFileError
            When it isn't there.
        """
        path = folder / name
        if path.parent not in self._names:  # one look at a folder instead of one at each of 72,984 files
            here = path.parent
            self._names[here] = {entry.name for entry in here.iterdir()} if here.is_dir() else ()
        if path.name in self._names[path.parent]:
            return path
        if not self._skip:
            raise AudioFileError(f"{path}: listed in {list_path.name}, but missing; copy the data set again")
        self.left_out[ABSENT] += 1
        return None


class FoldLists:
    """Official folds, as lists of what each of them trains on and tests on.

    Parameters
    ----------
    folder : Path
        ``evaluation_setup``, with ``fold1_train.txt`` and ``fold1_evaluate.txt`` (or ``fold1_test.txt``) and
        so on: tab-separated, the file first.
    groups : dict of str to str
        Group of every clip, by file name.

    Raises
    ------
    DataError
        When there is no list, or a list names a file that ``groups`` doesn't.
    FoldLeakError
        When a fold trains on a recording that it tests on, or two folds test on one clip.
    """

    def __init__(self, folder: Path, groups: dict[str, str], folds: int = 4) -> None:
        self.folder = folder
        self._fold: dict[str, int] = {}
        for fold in range(1, folds + 1):
            self._read(fold, groups)
        if not self._fold:
            raise DataError(f"{folder}: no fold lists such as fold1_evaluate.txt; copy the data set again")

    def _read(self, fold: int, groups: dict[str, str]) -> None:
        lists = [self.folder / f"fold{fold}_{what}.txt" for what in ("evaluate", "test")]
        tested = next((path for path in lists if path.is_file()), None)
        if tested is None:
            return
        names = self._names(tested, groups)
        for name in names:
            if self._fold.setdefault(name, fold) != fold:
                raise FoldLeakError(f"{tested}: {name} is tested in fold {self._fold[name]} already")
        training = self.folder / f"fold{fold}_train.txt"
        if training.is_file():
            inside = {groups[name]: name for name in names}
            for name in self._names(training, groups):
                if groups[name] in inside:
                    raise FoldLeakError(
                        f"{training}: fold {fold} trains on {name} and tests on {inside[groups[name]]}, "
                        f"which are one recording ({groups[name]})"
                    )

    def _names(self, path: Path, groups: dict[str, str]) -> list[str]:
        names = [Path(row[0]).name for row in read_rows(path)]
        strange = next((name for name in names if name not in groups), None)
        if strange is not None:
            raise DataError(f"{path}: names {strange}, which meta.txt doesn't")
        return names

    def fold_of(self, name: str) -> int:
        """Fold that tests a file.

        Raises
        ------
        DataError
            When none does.
        """
        if name not in self._fold:
            raise DataError(f"{self.folder}: no fold's list names {name}; copy the lists again")
        return self._fold[name]


def choose(option: str, value: object, choices: tuple[str, ...]) -> str:
    """A loader's option that takes one of a few words.

    Raises
    ------
    DataError
    """
    if value not in choices:
        raise DataError(f"option {option} is {value!r}: choose one of {', '.join(choices)}")
    return str(value)


def inner_folder(folder: Path, *names: str) -> Path:
    """The first of these folders that lies inside, or the folder itself: archives unpack one level deeper."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def whole_number(text: str, path: Path, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{path}: {what} {text!r} is not a whole number") from None


def audio_files(folder: Path) -> list[Path]:
    """Audio files directly inside a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES)
