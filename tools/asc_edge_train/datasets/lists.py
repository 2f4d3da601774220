"""What the loaders share: reading lists, finding the files that they name, naming audio files."""

from __future__ import annotations

import csv
from pathlib import Path

from asc_edge.errors import AudioFileError
from asc_edge_train.clips import DataError

__all__ = ["AUDIO_SUFFIXES", "audio_files", "listed_file", "read_list", "whole_number"]

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".aiff", ".aif"}


def read_list(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a comma-separated list with a header; LF or CRLF, with or without a byte order mark.

    Raises
    ------
    DataError
        When the list is missing, is not text, or lacks a column or a cell.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in columns if column not in (reader.fieldnames or [])]
            if missing:
                raise DataError(f"{path}: lacks column {', '.join(missing)}")
            rows = list(reader)
    except FileNotFoundError:
        raise DataError(f"{path}: no such list; is --data the folder of this data set?") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a comma-separated list: {error}") from None
    for number, row in enumerate(rows, start=2):
        if any(row[column] is None for column in columns):
            raise DataError(f"{path}: line {number} is cut off")
    return rows


def listed_file(list_path: Path, folder: Path, name: str) -> Path:
    """Path of a file that a list names.

    Raises
    ------
    AudioFileError
        When it isn't there.
    """
    path = folder / name
    if not path.is_file():
        raise AudioFileError(f"{path}: listed in {list_path.name}, but missing; copy the data set again")
    return path


def whole_number(text: str, path: Path, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{path}: {what} {text!r} is not a whole number") from None


def audio_files(folder: Path) -> list[Path]:
    """Audio files directly inside a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES)
