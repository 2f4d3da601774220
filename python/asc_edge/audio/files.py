"""Audio files, opened with every way of being broken told apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.samples import Samples
from asc_edge.audio.wav import HeaderCutOffError, read_wav_header
from asc_edge.errors import AudioFileError, NonFiniteError


def open_audio(path: str | os.PathLike[str]) -> Any:
    """Open an audio file of any format that libsndfile reads.

    Returns
    -------
    soundfile.SoundFile

    Raises
    ------
    AudioFileError
        When it is missing, no regular file, empty, not audio, or a WAV file that holds less than its header
        promises.
    """
    import soundfile

    path = Path(path)
    _check_regular(path)
    _check_wav_is_whole(path)
    try:
        sound = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError):
        # TypeError: by its ending the file is taken for headerless samples.
        raise AudioFileError(f"{path}: not an audio file that can be read here") from None
    if sound.frames == 0:
        sound.close()
        raise AudioFileError(f"{path}: holds no samples")
    return sound


def read_audio(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """Read a whole audio file.

    Returns
    -------
    samples : np.ndarray [shape=(n, channels), dtype=float32]
        In [-1, 1], at the file's own rate, n > 0.
    sample_rate_hz : int

    Raises
    ------
    AudioFileError
        As :func:`open_audio`, or when the file breaks off.
    NonFiniteError
        When samples are NaN or infinite.
    """
    with open_audio(path) as sound:
        promised, rate = sound.frames, int(sound.samplerate)
        samples = read_block(sound, promised, path)
        if len(samples) < promised:
            raise AudioFileError(truncated(path, promised, len(samples), "frames"))
    return samples, rate


def read_block(sound: Any, frames: int, path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read up to ``frames`` frames, shape (n, channels); n = 0 at the end.

    Raises
    ------
    AudioFileError
        When the file can't be decoded here.
    NonFiniteError
        When samples are NaN or infinite.
    """
    import soundfile

    start = sound.tell()
    try:
        samples: NDArray[np.float32] = sound.read(frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        at_s = start / sound.samplerate
        raise AudioFileError(f"{path}: can't be decoded from {at_s:.1f} s on: {error.error_string}") from None
    check_finite(samples, start, sound.samplerate, path)
    return samples


def check_finite(
    samples: Samples, first_frame: int, sample_rate_hz: int, name: str | os.PathLike[str]
) -> None:
    """Refuse NaN and infinity, and say where they are.

    Raises
    ------
    NonFiniteError
    """
    finite = np.isfinite(samples)
    if not finite.all():
        row, channel = np.argwhere(~finite)[0]
        at_s = (first_frame + row) / sample_rate_hz
        raise NonFiniteError(f"{name}: sample at {at_s:.3f} s of channel {channel + 1} is NaN or infinite")


def truncated(path: str | os.PathLike[str], promised: int, found: int, unit: str) -> str:
    """The sentence for a file or stream that holds less than it says."""
    return f"{path}: cut off: the header promises {promised} {unit}, there are {found}; copy it again"


def _check_regular(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioFileError(f"{path}: is a folder, not an audio file")
        if not path.is_file():
            if path.exists():
                raise AudioFileError(f"{path}: not a regular file; give a stream by '--input -'")
            raise AudioFileError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path}: is empty (0 bytes)")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioFileError(f"{path}: can't be read: {reason}") from None


def _check_wav_is_whole(path: Path) -> None:
    """Libsndfile reads what is left of a WAV file that was cut off, and says nothing."""
    with path.open("rb") as stream:
        if stream.read(4) != b"RIFF":
            return
        stream.seek(0)
        try:
            header = read_wav_header(stream, str(path))
        except HeaderCutOffError:
            raise
        except AudioFileError:
            # A layout that only libsndfile knows, or broken in a way that it will tell.
            return
    found = path.stat().st_size - header.data_offset
    if header.data_bytes is not None and found < header.data_bytes:
        raise AudioFileError(truncated(path, header.data_bytes, found, "bytes of samples"))
