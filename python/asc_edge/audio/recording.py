"""Clips of a labelled set, written on purpose: whole ones only, each with what is known of it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge.audio.channels import take_channels
from asc_edge.audio.samples import Samples, as_float32
from asc_edge.errors import RecordingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.audio.sources import Source

__all__ = ["ClipWriter", "record_clips"]

# So much stays free on the disk: a full one stops more than a recording.
KEEP_FREE_BYTES = 100 * 10**6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class ClipWriter:
    """Writes clips as ``folder/label/take/HHMMSS-NNNN.flac``, the layout ``folders`` of the trainer.

    A take is a group there: what was recorded together stays together in cross-validation.

    Attributes
    ----------
    folder : Path
    label, take : str
    rate_hz : int
    about : mapping
        Goes into the JSON beside every clip.
    form : {"flac", "wav"}
        Both hold 16 bit.
    free_bytes : callable
        How much the disk of a folder has left; replaceable for tests.

    Raises
    ------
    RecordingError
        When label or take can't be names of folders.
    """

    folder: Path
    label: str
    take: str
    rate_hz: int
    about: Mapping[str, Any]
    form: str = "flac"
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free

    def __post_init__(self) -> None:
        for what, name in (("label", self.label), ("take", self.take)):
            if not _NAME.fullmatch(name):
                raise RecordingError(f"{what} {name!r} can't name a folder: use letters, digits, _, - and .")

    def write(self, samples: Samples, started: datetime, number: int) -> Path:
        """Write one clip; it is there whole, with its JSON, or not at all.

        Parameters
        ----------
        samples : ndarray [shape=(n, channels)]
        started : datetime
            When its first sample was heard, UTC.
        number : int
            Of the clip in its take, from 1.

        Raises
        ------
        RecordingError
            When the disk is full or doesn't take it.
        """
        folder = self.folder / self.label / self.take
        path = folder / f"{started:%H%M%S}-{number:04}.{self.form}"
        side = path.with_suffix(".json")
        about = {
            **self.about,
            "label": self.label,
            "take": self.take,
            "started": started.isoformat(timespec="milliseconds"),
            "rate_hz": self.rate_hz,
            "channels": samples.shape[1],
            "frames": len(samples),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.free_bytes(folder) < KEEP_FREE_BYTES + samples.shape[0] * samples.shape[1] * 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            _whole(side, (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())
            try:
                self._write_sound(path, samples)
            except BaseException:
                side.unlink(missing_ok=True)
                raise
        except OSError as error:
            reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
            raise RecordingError(
                f"{path}: can't be written: {reason}; {number - 1} clips are complete"
            ) from None
        return path

    def _write_sound(self, path: Path, samples: Samples) -> None:
        import soundfile

        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w+b") as stream:
                try:
                    soundfile.write(stream, _int16(samples), self.rate_hz, "PCM_16", format=self.form.upper())
                except soundfile.LibsndfileError as error:
                    raise OSError(errno.EIO, f"{error.error_string}".strip()) from None
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _whole(path: Path, data: bytes) -> None:
    from asc_edge.atomic import write_atomically

    write_atomically(path, data)


def _int16(samples: Samples) -> NDArray[np.int16]:
    if samples.dtype == np.int16:
        return samples.astype(np.int16, copy=False)
    return np.clip(np.round(as_float32(samples) * 32768.0), -32768, 32767).astype(np.int16)


def record_clips(
    source: Source,
    writer: ClipWriter,
    *,
    channels: Sequence[int],
    clip_s: float,
    duration_s: float | None,
    started: datetime,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Path]:
    """Cut what a source delivers into clips and write each as soon as it is complete; yields their paths.

    What is left at the end is too short for a clip and is let go, as is a clip in which audio was lost.

    Parameters
    ----------
    channels : sequence of int
        Indices (from 0) of the channels to keep.
    duration_s : float or None
        Hear no more than so much.
    started : datetime
        When the source's first sample was heard, UTC.
    stopped : callable
        Asked after every block whether it is enough.

    Raises
    ------
    AscEdgeError
        When the source fails or the disk is full. Complete clips stay.
    """
    rate_hz = source.sample_rate_hz
    size = round(clip_s * rate_hz)
    left = sys.maxsize if duration_s is None else round(duration_s * rate_hz)
    waiting: list[Samples] = []
    held, position, number = 0, 0, 0
    for block in source.blocks():
        if source.lost_frames:
            position += held + source.lost_frames
            waiting, held = [], 0
        waiting.append(take_channels(block[: max(0, left)], channels))
        held += len(waiting[-1])
        left -= len(block)
        while held >= size:
            heard: Samples = np.concatenate(waiting)  # type: ignore[assignment]
            number += 1
            yield writer.write(heard[:size], started + timedelta(seconds=position / rate_hz), number)
            position += size
            waiting, held = [heard[size:]], held - size
        if left <= 0 or stopped():
            return
