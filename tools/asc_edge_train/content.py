"""What clips hold, as fingerprints, so that results are found again by content, not by place or date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from asc_edge.errors import AudioFileError
from asc_edge_train.clips import Clip
from asc_edge_train.recipe import fingerprint
from asc_edge_train.storage import write_json

__all__ = ["clip_keys"]

_READ_BYTES = 1 << 20


def clip_keys(
    clips: Sequence[Clip], memo: Path, progress: Callable[[int], None] = lambda clips: None
) -> list[str]:
    """A fingerprint of the samples that each clip stands for: bytes of its file, and which piece of it.

    Parameters
    ----------
    memo : Path
        Where digests of files are kept; one is computed anew when the file's size or time has changed.

    Raises
    ------
    AudioFileError
        When a file can't be read.
    """
    known = _read_memo(memo)
    digests: dict[str, str] = {}
    for clip in clips:
        name = str(clip.path.resolve())
        if name not in digests:
            digests[name] = _digest(clip.path, known.get(name, []))
            known[name] = [_state(clip.path), digests[name]]
        progress(1)
    memo.parent.mkdir(parents=True, exist_ok=True)
    write_json(memo, known)
    pieces = [(clip.offset_s, clip.duration_s, clip.faults_s) for clip in clips]
    return [
        fingerprint(digests[str(clip.path.resolve())], piece)
        for clip, piece in zip(clips, pieces, strict=True)
    ]


def _digest(path: Path, remembered: list[str]) -> str:
    if len(remembered) == 2 and remembered[0] == _state(path):
        return remembered[1]
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            while block := stream.read(_READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise AudioFileError(f"{path}: can't be read: {error.strerror}") from None
    return digest.hexdigest()


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise AudioFileError(f"{path}: can't be read: {error.strerror}") from None
    return f"{status.st_size} {status.st_mtime_ns}"


def _read_memo(memo: Path) -> dict[str, list[str]]:
    try:
        stored = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
