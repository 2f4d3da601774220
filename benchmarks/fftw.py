"""FFTW in single precision through ctypes: a yardstick for benchmarks, and never a part of the package (GPL).

Debian's build knows SSE2 and AVX alone. ``ASC_EDGE_FFTW`` may name another build, which then competes
beside it, say one of the same source after ``./configure --enable-single --enable-shared --enable-avx2
--enable-avx512``.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

EFFORTS = {"estimate": 1 << 6, "measure": 0, "patient": 1 << 5}
PRESERVE_INPUT = 1 << 4
# Interleaved channels to split parts is what asc-edge does; FFTW may prefer another order, so all compete.
LAYOUTS = ("contiguous", "interleaved", "interleaved, split")
PLANNING_LIMIT_S = 60.0
ALIGNMENT = 64


class _Dimension(ctypes.Structure):
    _fields_ = (("n", ctypes.c_ssize_t), ("in_step", ctypes.c_ssize_t), ("out_step", ctypes.c_ssize_t))


def aligned(shape: tuple[int, ...], dtype: type = np.float32) -> NDArray[Any]:
    """Zeros that begin at a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


@cache
def libraries() -> dict[str, ctypes.CDLL]:
    """The builds that are here, by the name that their figures go under; empty where there is none."""
    paths = {"FFTW": "libfftw3f.so.3", "FFTW, own build": os.environ.get("ASC_EDGE_FFTW")}
    found = {}
    for name, path in paths.items():
        if not path:
            continue
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        library.fftwf_plan_guru64_dft_r2c.restype = ctypes.c_void_p
        library.fftwf_plan_guru64_split_dft_r2c.restype = ctypes.c_void_p
        library.fftwf_execute.argtypes = [ctypes.c_void_p]
        library.fftwf_set_timelimit.argtypes = [ctypes.c_double]
        library.fftwf_set_timelimit(PLANNING_LIMIT_S)
        found[name] = library
    return found


def versions() -> dict[str, str]:
    """Version and instruction sets of each build, as the library says it."""
    return {
        name: (ctypes.c_char * 64).in_dll(library, "fftwf_version").value.decode()
        for name, library in libraries().items()
    }


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@dataclass
class Plan:
    """A plan with its arrays; ``run()`` transforms what `fill` put there."""

    layout: str
    effort: str
    source: NDArray[np.float32]
    results: tuple[NDArray[Any], ...]
    run: Any

    def fill(self, samples: NDArray[np.float32]) -> None:
        """Write the input, after planning, which overwrites it."""
        batch, length, channels = samples.shape
        if self.layout == "contiguous":
            self.source[:] = samples.transpose(0, 2, 1).reshape(batch * channels, length)
        else:
            self.source[:] = samples

    def spectrum(self, batch: int, length: int, channels: int) -> NDArray[np.complexfloating]:
        """The result as (batch, bins, channels)."""
        bins = length // 2 + 1
        if self.layout == "contiguous":
            return self.results[0][:, :bins].reshape(batch, channels, bins).transpose(0, 2, 1)
        if len(self.results) == 2:
            return self.results[0] + 1j * self.results[1]
        return self.results[0]


def plan(library: ctypes.CDLL, layout: str, effort: str, shape: tuple[int, int, int]) -> Plan:
    """Plan the transforms of samples of `shape`, (batch, length, channels), as one call."""
    batch, length, channels = shape
    bins = length // 2 + 1
    flags = EFFORTS[effort] | PRESERVE_INPUT
    if layout == "contiguous":
        # Rows of whole cache lines, so that FFTW's aligned code serves every row.
        source, padded = aligned((batch * channels, length)), -(-bins // 8) * 8
        results: tuple[NDArray[Any], ...] = (aligned((batch * channels, padded), np.complex64),)
        inner, outer = (length, 1, 1), [(batch * channels, length, padded)]
    else:
        source = aligned((batch, length, channels))
        count, dtype = (2, np.float32) if layout.endswith("split") else (1, np.complex64)
        results = tuple(aligned((batch, bins, channels), dtype) for _ in range(count))
        inner = (length, channels, channels)
        outer = [(batch, length * channels, bins * channels), (channels, 1, 1)]
    dims = (_Dimension * 1)(_Dimension(*inner))
    many = (_Dimension * len(outer))(*(_Dimension(*each) for each in outer))
    make = library.fftwf_plan_guru64_split_dft_r2c if len(results) == 2 else library.fftwf_plan_guru64_dft_r2c
    handle = make(1, dims, len(outer), many, _pointer(source), *map(_pointer, results), ctypes.c_uint(flags))
    if not handle:
        raise RuntimeError(f"FFTW has no plan for {layout}, length {length}")
    return Plan(layout, effort, source, results, partial(library.fftwf_execute, handle))
