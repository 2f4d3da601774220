"""Arrays as no one should pass them, and what they would be if someone had been careful."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

DTYPES = ("f4", "i2", "f8", ">f4", ">i2", ">f8", "f2", "g", "i4", "u2", "?", "c8", "O", "S4", "M8[s]")
LAYOUTS = ("plain", "fortran", "backwards", "strided", "broadcast", "unaligned", "read-only")
KINDS = ("array", "array", "array", "subclass", "matrix", "masked", "list")


class Tagged(np.ndarray[Any, Any]):
    """A subclass such as users make to carry a unit along."""


def laid_out(array: NDArray[Any], layout: str) -> NDArray[Any]:
    """The same values elsewhere in memory; broadcast repeats the first row instead."""
    result = array
    if layout == "fortran":
        result = np.asfortranarray(array)
    elif layout == "backwards":
        backwards = (slice(None, None, -1),) * array.ndim
        result = array[backwards].copy()[backwards]
    elif layout == "strided":
        wide = np.zeros([2 * size for size in array.shape], array.dtype)
        result = wide[(slice(None, None, 2),) * array.ndim]
        result[...] = array
    elif layout == "broadcast" and len(array):
        result = np.broadcast_to(array[:1], array.shape)
    elif layout == "unaligned" and array.dtype != object:
        data = np.frombuffer(b"x" + array.tobytes(), np.uint8)[1:]
        result = data.view(array.dtype).reshape(array.shape)
    elif layout == "read-only":
        result.flags.writeable = False
    return result


def of_kind(array: NDArray[Any], kind: str) -> Any:
    """The array as its plain self, a subclass of ndarray, a masked array, or a list."""
    if kind == "subclass":
        return array.view(Tagged)
    if kind == "matrix" and array.ndim == 2:
        return array.view(np.matrix)
    if kind == "masked":
        return np.ma.masked_array(array, mask=np.zeros(array.shape, bool))
    return array.tolist() if kind == "list" else array


@st.composite
def odd_arrays(draw: st.DrawFn, shape: tuple[int | None, ...], dtypes: tuple[str, ...]) -> Any:
    """Arrays of which about half have the right `shape` (None: any length) and one of the right `dtypes`."""
    dtype = np.dtype(draw(st.sampled_from(dtypes) | st.sampled_from(dtypes + DTYPES)))
    lengths = st.sampled_from((0, 1, 2, 5, 40, 300))
    right = st.tuples(*(lengths if size is None else st.just(size) for size in shape))
    wrong = st.lists(st.integers(0, 5), max_size=4).map(tuple)
    actual = draw(st.one_of(right, right, right, wrong))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loudness = draw(st.sampled_from((0.0, 1e-40, 1e-3, 1.0, 30.0)))
    # Not negative, which every one of the dtypes takes without a warning.
    values = np.asarray(np.abs(loudness * rng.standard_normal(actual)))
    array = np.asarray((values.astype(np.int64) if dtype.kind == "M" else values).astype(dtype))
    if dtype.kind == "f" and draw(st.booleans()):
        np.negative(array, out=array)
    if array.size and dtype.kind in "fc" and draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, array.size - 1))
        array.reshape(-1)[place] = draw(st.sampled_from((np.nan, np.inf, -np.inf)))
    layout = draw(st.sampled_from(LAYOUTS)) if array.ndim else "plain"
    return of_kind(laid_out(array, layout), draw(st.sampled_from(KINDS)))


def is_good(array: Any, shape: tuple[int | None, ...], dtypes: tuple[str, ...]) -> bool:
    """Whether a wrapper that takes arrays of this shape and these native dtypes must take `array`."""
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        return False
    fits = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    return fits and array.dtype in [np.dtype(name) for name in dtypes] and bool(np.isfinite(array).all())


def careful(array: NDArray[Any]) -> NDArray[Any]:
    """The same values as a fresh array in C order."""
    return np.array(array, order="C", subok=False)
