"""What a run keeps on disk: JSON, arrays without pickle, and stamps of finished stages."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asc_edge.atomic import write_atomically

__all__ = [
    "is_stamped",
    "load_arrays",
    "read_json",
    "save_arrays",
    "stamp",
    "stamped_key",
    "write_json",
    "write_text",
]


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    write_atomically(path, text.encode())


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def load_arrays(path: Path | BinaryIO) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def stamp(path: Path, key: str) -> None:
    """Say that the result beside the stamp is complete, and what it depends on."""
    write_json(_stamp_path(path), {"depends_on": key})


def is_stamped(path: Path, key: str) -> bool:
    """Whether a result is there, complete, and made from what ``key`` stands for."""
    return path.exists() and stamped_key(path) == key


def stamped_key(path: Path) -> str | None:
    """What a complete result was made from; None where nothing says that it is complete."""
    try:
        stored = json.loads(_stamp_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored.get("depends_on") if isinstance(stored, dict) else None


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".stamp")
