"""Real FFTs of several channels side by side: asc-edge's own, FFTW's best plan, scipy's and numpy's.

All transform the same samples, several quadruples of channels in one call, as many as stay in the
second-level cache with their results: so calling from Python weighs nothing, and neither does main memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from asc_edge import _core

from . import fftw, oracle
from .rounds import least_time

CHANNELS = 4
LENGTHS = (5120, 512, 1024, 14112, 1411)
CACHE_BYTES = 640 * 1024
# Of the root mean square of the spectrum. A float32 FFT of these lengths stays below; a wrong twiddle
# doesn't.
TOLERANCE = 2e-6


@dataclass(frozen=True)
class Transform:
    """One way to transform `batch` quadruples; ``run()`` does them all."""

    name: str
    detail: str
    run: Callable[[], object]
    spectrum: Callable[[], NDArray[np.complexfloating]]


def nominal_flops(length: int) -> float:
    """The customary count for one real transform, 2.5 N log2 N, whatever an algorithm really does."""
    return 2.5 * length * float(np.log2(length))


def batch_of(length: int) -> int:
    """Quadruples a call."""
    return max(1, CACHE_BYTES // (length * CHANNELS * 4 * 2))


def signal(length: int) -> NDArray[np.float32]:
    """Noise of shape (batch, length, channels)."""
    shape = (batch_of(length), length, CHANNELS)
    samples = fftw.aligned(shape)
    samples[:] = np.random.default_rng(length).standard_normal(shape)
    return samples


def own(length: int, isa: str) -> Transform:
    """asc-edge on one instruction set."""
    samples = signal(length)
    bins = (batch_of(length), length // 2 + 1, CHANNELS)
    re, im = fftw.aligned(bins), fftw.aligned(bins)
    fft = _core.RealFft(length, CHANNELS, isa)
    return Transform(
        f"asc-edge {isa}", isa, lambda: fft.transform_into(samples, re, im), lambda: re + 1j * im
    )


def own_isas() -> list[str]:
    """Instruction sets that asc-edge's FFT has here; none before it can be called by itself."""
    if not hasattr(_core, "RealFft"):
        return []
    return list(_core.available_isas())


def fftw_transforms(length: int) -> Iterator[Transform]:
    """The fastest layout of each planning effort of each build."""
    samples = signal(length)

    def transform(name: str, effort: str, layout: str) -> Transform:
        plan = fftw.plan(fftw.libraries()[name], layout, effort, samples.shape)
        plan.fill(samples)
        return Transform(f"{name} {effort}", layout, plan.run, lambda: plan.spectrum(*samples.shape))

    for name in fftw.libraries():
        for effort in fftw.EFFORTS:
            yield fastest(transform(name, effort, layout) for layout in fftw.LAYOUTS)


def scipy_transform(length: int) -> Transform:
    """scipy's batched transform, along rows or down columns, whichever is faster."""
    samples = signal(length)
    rows = np.ascontiguousarray(samples.transpose(0, 2, 1))

    def forms() -> Iterator[Transform]:
        yield Transform(
            "scipy.fft", "rows", lambda: scipy.fft.rfft(rows), lambda: scipy.fft.rfft(rows).transpose(0, 2, 1)
        )
        yield Transform(
            "scipy.fft",
            "columns",
            lambda: scipy.fft.rfft(samples, axis=1),
            lambda: scipy.fft.rfft(samples, axis=1),
        )

    return fastest(forms())


def numpy_transform(length: int) -> Transform:
    """numpy's batched transform, into memory that is there already."""
    rows = np.ascontiguousarray(signal(length).transpose(0, 2, 1))
    out = fftw.aligned((*rows.shape[:2], length // 2 + 1), np.complex64)
    return Transform("numpy.fft", "rows", lambda: np.fft.rfft(rows, out=out), lambda: out.transpose(0, 2, 1))


def fastest(transforms: Iterator[Transform]) -> Transform:
    """The one with the least time."""
    return min(transforms, key=lambda transform: least_time(transform.run))


def everyone(length: int) -> list[Transform]:
    """All transforms that can be had here, each checked against the one in double precision."""
    found = [own(length, isa) for isa in own_isas()]
    found += [*fftw_transforms(length), scipy_transform(length), numpy_transform(length)]
    expected = oracle.spectrum(signal(length))
    for transform in found:
        check(transform, expected)
    return found


def check(transform: Transform, expected: NDArray[Any]) -> float:
    """Largest error relative to the root mean square of the spectrum.

    Raises
    ------
    AssertionError
        When it is more than `TOLERANCE`.
    """
    transform.run()
    error = float(np.abs(transform.spectrum() - expected).max() / np.sqrt(np.mean(np.abs(expected) ** 2)))
    assert error <= TOLERANCE, f"{transform.name} is off by {error:.2g} of the spectrum's root mean square"
    return error
