"""The real FFT of four channels at a time beside FFTW, scipy and numpy."""

from __future__ import annotations

from functools import cache

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from . import fftw, figures, oracle, peak, real_fft

EVERY_ISA = tuple(isa for isas in peak.FLAGS.values() for isa in isas)


@cache
def expected(length: int):  # type: ignore[no-untyped-def]
    return oracle.spectrum(real_fft.signal(length))


def timed(benchmark: BenchmarkFixture, transform: real_fft.Transform, length: int) -> None:
    benchmark.group = f"real FFT of {length}, {real_fft.CHANNELS} channels"
    benchmark.pedantic(transform.run, rounds=15, iterations=10, warmup_rounds=1)
    real_fft.check(transform, expected(length))


@pytest.mark.parametrize("length", real_fft.LENGTHS)
@pytest.mark.parametrize("isa", EVERY_ISA)
def test_own(benchmark: BenchmarkFixture, isa: str, length: int) -> None:
    if isa not in real_fft.own_isas():
        pytest.skip(
            f"this build of asc-edge, on this machine, has no FFT for {isa} that can be called by itself"
        )
    timed(benchmark, real_fft.own(length, isa), length)


@pytest.mark.parametrize("length", real_fft.LENGTHS)
@pytest.mark.parametrize("make", [real_fft.scipy_transform, real_fft.numpy_transform], ids=["scipy", "numpy"])
def test_python(benchmark: BenchmarkFixture, make, length: int) -> None:  # type: ignore[no-untyped-def]
    timed(benchmark, make(length), length)


@pytest.mark.parametrize("length", real_fft.LENGTHS)
def test_fftw(benchmark: BenchmarkFixture, length: int) -> None:
    if not fftw.libraries():
        pytest.skip("FFTW: not installed (Debian: libfftw3-single3)")
    samples = real_fft.signal(length)
    library = next(iter(fftw.libraries().values()))
    plan = fftw.plan(library, "contiguous", "measure", samples.shape)
    plan.fill(samples)
    transform = real_fft.Transform(
        "FFTW measure", "contiguous", plan.run, lambda: plan.spectrum(*samples.shape)
    )
    timed(benchmark, transform, length)


# Catches a transform that is wrong on one length (check() raises), and a peak that is none: faster than
# the peak.
@pytest.mark.performance
@pytest.mark.parametrize("length", real_fft.LENGTHS)
def test_fft_in_turns(length: int) -> None:
    for row in figures.fft_rows(length):
        assert not row["share_of_highest_peak"] > 1, row
