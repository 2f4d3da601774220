"""Arrays of one row per clip, computed a few clips at a time and kept on disk: nothing is lost half-way."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from asc_edge.errors import AscEdgeError
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.storage import is_stamped, stamp, write_json

__all__ = ["CacheError", "cached_rows"]

Item = TypeVar("Item")


class CacheError(AscEdgeError):
    """What was computed can't be kept: the disk is full, say."""


CLIPS_AT_A_TIME = 32


def cached_rows(
    path: Path,
    key: str,
    items: Sequence[Item],
    compute: Callable[[Sequence[Item]], np.ndarray],
    *,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda rows: None,
    at_a_time: int = CLIPS_AT_A_TIME,
) -> np.ndarray:
    """``compute`` of all items, (len(items), ...), mapped into memory read-only from ``path``.

    What is there already for the same key isn't computed again; an interrupted computation goes on where it
    stopped, at most ``at_a_time`` rows (times the workers) earlier.

    Parameters
    ----------
    path : Path
        The array's file, ``.npy``.
    key : str
        What the rows depend on beside their order.
    compute : callable
        From a few items to their rows; pickled to workers. A row must not depend on the items beside it.
    """
    if is_stamped(path, key):
        progress(len(items))
        return _open(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    state = path.with_name(path.name + ".partial.json")
    done = _rows_done(partial, state, key)
    progress(done)
    array = np.load(partial, mmap_mode="r+", allow_pickle=False) if done else None
    pieces = [items[start : start + at_a_time] for start in range(done, len(items), at_a_time)]
    for rows in parallel.map(compute, pieces):
        if array is None:
            array = _allocate(partial, rows.dtype, (len(items), *rows.shape[1:]))
        array[done : done + len(rows)] = rows
        array.flush()
        done += len(rows)
        write_json(state, {"key": key, "rows": done})
        progress(len(rows))
    del array
    partial.replace(path)
    state.unlink(missing_ok=True)
    stamp(path, key)
    return _open(path)


def _allocate(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.memmap:
    """An array on disk with all its space taken: a full disk would later end the process by a signal."""
    try:
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        needed = f"{dtype.itemsize * math.prod(shape) / 2**30:.1f} GiB"
        raise CacheError(f"{path}: {needed} can't be written: {error.strerror}; free some space") from None
    return array


def _open(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _rows_done(partial: Path, state: Path, key: str) -> int:
    try:
        stored = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    if not partial.exists() or not isinstance(stored, dict) or stored.get("key") != key:
        return 0
    return int(stored.get("rows", 0))
