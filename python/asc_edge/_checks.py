"""Checks at the door of the compiled core: wrong values and arrays become typed errors of one line."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from asc_edge import _core
from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CHANNELS = 16
MAX_MELS = 1024


def is_whole(value: object) -> TypeGuard[int]:
    """Whether `value` is a whole number; a bool is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_finite_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number that a float can hold; a bool is none."""
    if is_whole(value):
        return -sys.float_info.max <= value <= sys.float_info.max
    return isinstance(value, float | np.floating) and math.isfinite(value)


def check_whole(name: str, value: object, low: int, high: int) -> int:
    """Return `value` as int, or raise ConfigError unless it is a whole number from `low` to `high`."""
    if not is_whole(value) or not low <= value <= high:
        raise ConfigError(f"{name} is {value!r}: give a whole number from {low} to {high}")
    return int(value)


def check_floor_db(floor_db: object) -> float:
    """Return `floor_db` as float, or raise ConfigError unless it is a level from -1000 to -1 dB."""
    if not is_finite_number(floor_db) or not -1000.0 <= floor_db <= -1.0:
        raise ConfigError(f"floor_db is {floor_db!r}: give a level from -1000 to -1 dB")
    return float(floor_db)


@lru_cache
def _dtypes(allowed: tuple[str, ...]) -> tuple[np.dtype[Any], ...]:
    return tuple(np.dtype(name) for name in allowed)


def check_dtype(array: object, what: str, allowed: tuple[str, ...]) -> None:
    """Raise AudioFormatError unless `array` is a numpy array of an allowed dtype in native byte order."""
    # The name of a dtype takes numpy longer than a hop takes the core.
    if type(array) is np.ndarray and array.dtype in _dtypes(allowed):
        return
    if not isinstance(array, np.ndarray):
        raise AudioFormatError(
            f"{what} must be a numpy array, not {type(array).__name__}: "
            f"convert with np.asarray({what}, np.{allowed[0]})"
        )
    if isinstance(array, np.ma.MaskedArray):
        raise AudioFormatError(f"{what} must not be masked: fill the gaps with {what}.filled(0)")
    dtype = array.dtype
    if dtype.name not in allowed:
        raise AudioFormatError(
            f"{what} have dtype {dtype}: convert to {' or '.join(allowed)}{_conversion(dtype, what, allowed)}"
        )
    if not dtype.isnative:
        raise AudioFormatError(
            f"{what} have dtype {dtype.str}, of the other byte order: convert with "
            f"{what}.astype({what}.dtype.newbyteorder('='))"
        )


def _conversion(dtype: np.dtype[Any], what: str, allowed: tuple[str, ...]) -> str:
    if dtype.kind == "f":
        return f", for instance with {what}.astype(np.{allowed[0]})"
    if dtype.kind in "iu":
        return ", scaled to [-1, 1]" if "int16" in allowed else ""
    return ""


def check_block(samples: object, channels: int, taker: str) -> None:
    """Raise AudioFormatError unless `samples` are float32 or int16 of shape (n, channels)."""
    check_dtype(samples, "samples", ("float32", "int16"))
    assert isinstance(samples, np.ndarray)
    if samples.ndim != 2 or samples.shape[1] != channels:
        raise AudioFormatError(f"samples have shape {samples.shape}: this {taker} takes (n, {channels})")


def check_cells(cells: object, what: str) -> NDArray[np.float32]:
    """Return float32 cells of three dimensions in C order, or raise AudioFormatError or NonFiniteError."""
    check_dtype(cells, what, ("float32",))
    assert isinstance(cells, np.ndarray)
    if cells.ndim != 3:
        raise AudioFormatError(f"{what} have shape {cells.shape}: give three dimensions")
    with in_memory(what, cells):
        if not np.isfinite(cells).all():
            raise NonFiniteError(f"{what} hold NaN or infinity: nothing of them was taken")
        return np.require(cells, requirements=["C", "A"])


def usage_error(what: str, refusal: Exception) -> UsageError:
    """What the core's refusal of a second thread inside one object, or of a finished one, means to a user."""
    if isinstance(refusal, _core.FinishedError):
        return UsageError(f"this {what} is finished: reset it before it takes another signal")
    return UsageError(f"this {what} is in use by another thread: give each thread its own")


def too_large(what: str, array: NDArray[Any]) -> AudioFormatError:
    """What a lack of memory for the answer to `array` means to a user."""
    return AudioFormatError(
        f"{what} of shape {array.shape} ask for more memory than there is: give fewer at once"
    )


@contextmanager
def in_memory(what: str, array: NDArray[Any]) -> Iterator[None]:
    """Turn a lack of memory for the answer to `array` into AudioFormatError."""
    try:
        yield
    except MemoryError:
        raise too_large(what, array) from None


@contextmanager
def not_shared(what: str) -> Iterator[None]:
    """Turn the core's refusals into UsageError."""
    try:
        yield
    except (_core.FinishedError, _core.BusyError) as refusal:
        raise usage_error(what, refusal) from None
