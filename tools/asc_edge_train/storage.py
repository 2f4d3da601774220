"""Files that are complete or not there: atomic writes, arrays without pickle, stamps of finished stages."""

from __future__ import annotations

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["is_stamped", "load_arrays", "save_arrays", "stamp", "write_bytes", "write_json"]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader (or an interrupted run) never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def stamp(path: Path, key: str) -> None:
    """Say that the result beside the stamp is complete, and what it depends on."""
    write_json(_stamp_path(path), {"depends_on": key})


def is_stamped(path: Path, key: str) -> bool:
    """Whether a result is there, complete, and made from what ``key`` stands for."""
    try:
        stored = json.loads(_stamp_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return path.exists() and isinstance(stored, dict) and stored.get("depends_on") == key


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".stamp")
