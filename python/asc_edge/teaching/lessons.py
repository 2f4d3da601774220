"""What was taught, on the disk: embeddings of every lesson and the bundle that has learnt it, never a sound.

A folder for every bundle that was taught, named by its seal. A lesson is two files, ``0001.lesson.npz`` and
then ``0001.ascb``: where the second is missing, the lesson never happened. So whatever ends the writer, the
newest bundle there is whole, and to undo a lesson is to delete its bundle.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge.errors import BundleError, TeachingError
from asc_edge.npz import read_npz
from asc_edge.store.settings import default_path
from asc_edge.teaching.refit import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.bundle import Bundle

__all__ = ["Lesson", "TaughtFolder", "taught_bundle"]

_BUNDLE = re.compile(r"(\d{4,})\.ascb")


@dataclass(frozen=True)
class Lesson:
    """Something that was taught.

    Attributes
    ----------
    examples : Examples
    taught_at : str
        UTC, ISO 8601.
    seconds : float
        Of sound that could be learnt from.
    recordings : tuple of str
        Names of the recordings' sounds: the same samples have the same one.
    """

    examples: Examples
    taught_at: str
    seconds: float
    recordings: tuple[str, ...]

    def to_npz(self) -> bytes:
        """Embeddings in half precision, and the rest as text."""
        names = list(dict.fromkeys(self.examples.groups))
        about = {
            "label": self.examples.label,
            "taught_at": self.taught_at,
            "seconds": self.seconds,
            "recordings": self.recordings,
            "groups": names,
            "members": list(self.examples.rows),
        }
        arrays: dict[str, NDArray[Any]] = {
            "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            "group": np.array([names.index(group) for group in self.examples.groups], dtype=np.uint16),
        }
        for number, rows in enumerate(self.examples.rows.values()):
            arrays[f"rows{number}"] = np.clip(rows, -65504, 65504).astype(np.float16)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes, members: tuple[str, ...]) -> Lesson:
        """Read what `to_npz` wrote, for a bundle with these members.

        Raises
        ------
        BundleError
            When it is damaged or of another bundle.
        """
        names = [f"rows{number}" for number in range(len(members))]
        arrays = read_npz(data, ["about", "group", *names])
        try:
            about = json.loads(arrays["about"].tobytes())
            groups = tuple(str(about["groups"][number]) for number in arrays["group"])
            rows = {name: arrays[key].astype(np.float64) for name, key in zip(members, names, strict=True)}
            fits = all(array.ndim == 2 and len(array) == len(groups) for array in rows.values())
            if tuple(about["members"]) != members or not fits:
                raise ValueError("it is of another bundle")
            return cls(
                Examples(str(about["label"]), groups, rows),
                str(about["taught_at"]),
                float(about["seconds"]),
                tuple(map(str, about["recordings"])),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BundleError(f"this lesson is damaged ({error})") from None


class TaughtFolder:
    """Lessons and bundles of one bundle that is taught.

    Parameters
    ----------
    base : Bundle
        The one that was taught first.
    root : Path, optional
        Where such folders lie; beside the history by default.
    """

    def __init__(self, base: Bundle, root: Path | None = None) -> None:
        self.base = base
        self.path = (default_path().parent / "taught" if root is None else root) / base.sha256[:16]

    def numbers(self) -> list[int]:
        """Numbers of the lessons, the oldest first."""
        try:
            names = [path.name for path in self.path.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise TeachingError(f"{self.path}: can't be read: {error.strerror}") from None
        found = sorted(int(match[1]) for name in names if (match := _BUNDLE.fullmatch(name)))
        return [number for number in found if self.lesson_path(number).is_file()]

    def bundle_path(self, number: int) -> Path:
        """The bundle that has learnt the lessons up to this one."""
        return self.path / f"{number:04}.ascb"

    def lesson_path(self, number: int) -> Path:
        """A lesson's embeddings."""
        return self.path / f"{number:04}.lesson.npz"

    def newest(self) -> Path | None:
        """The bundle that has learnt everything; None where nothing was taught."""
        numbers = self.numbers()
        return self.bundle_path(numbers[-1]) if numbers else None

    def lessons(self) -> list[Lesson]:
        """All lessons, the oldest first.

        Raises
        ------
        TeachingError
            When one can't be read.
        """
        members = tuple(member.name for member in self.base.members)
        lessons = []
        for number in self.numbers():
            path = self.lesson_path(number)
            try:
                lessons.append(Lesson.from_npz(path.read_bytes(), members))
            except OSError as error:
                raise TeachingError(f"{path}: can't be read: {error.strerror}") from None
            except BundleError as error:
                raise TeachingError(f"{path}: {error}; undo it with: asc-edge teach --undo") from None
        return lessons

    def add(self, lesson: Lesson, write_bundle_to: Callable[[Path], None]) -> Path:
        """Keep a lesson and the bundle that has learnt it; gives the bundle's path.

        Raises
        ------
        TeachingError
            When the disk doesn't take it. Nothing has changed then.
        """
        number = (self.numbers() or [0])[-1] + 1
        lesson_path, path = self.lesson_path(number), self.bundle_path(number)
        try:
            write_atomically(lesson_path, lesson.to_npz())
            write_bundle_to(path)
        except OSError as error:
            raise TeachingError(
                f"{self.path}: can't be written: {error.strerror}; nothing has changed"
            ) from None
        finally:
            if not path.exists():
                lesson_path.unlink(missing_ok=True)
        return path

    def undo(self) -> Path | None:
        """Forget the last lesson; gives the path of the bundle before it, None where that is the base.

        Raises
        ------
        TeachingError
            When there is none.
        """
        numbers = self.numbers()
        if not numbers:
            raise TeachingError(
                f"nothing was taught to {self.base.name} ({self.base.path}), so nothing can be undone"
            )
        try:
            self.bundle_path(numbers[-1]).unlink()
            self.lesson_path(numbers[-1]).unlink(missing_ok=True)
        except OSError as error:
            raise TeachingError(f"{self.path}: can't be changed: {error.strerror}") from None
        return self.newest()


def taught_bundle(base: Bundle) -> Path:
    """Path of the newest bundle that was taught from this one.

    Raises
    ------
    TeachingError
        When nothing was taught.
    """
    newest = TaughtFolder(base).newest()
    if newest is None:
        raise TeachingError(
            f"{base.name} {base.version} was taught nothing here yet; teach it with: asc-edge teach LABEL"
        )
    return newest
