"""What the core has promised: each promise a ratio between two things measured in the same rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import figures

LONG, SHORT = "0.32/0.16", "0.032/0.016"


@dataclass(frozen=True)
class Promise:
    """`measure` gives the ratio; it must be at least `bound`, or at most where `at_most` is set."""

    name: str
    bound: float
    measure: Callable[[], float]
    at_most: bool = False
    # Reported beside the promises, and asserted by no test.
    only_information: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` keeps the promise."""
        return value <= self.bound if self.at_most else value >= self.bound

    def row(self) -> dict[str, Any]:
        """Name, bound, value and whether it holds; None where it can't be measured."""
        row: dict[str, Any] = {"name": self.name, "bound": self.bound, "at_most": self.at_most}
        row["only_information"] = self.only_information
        try:
            value = self.measure()
        except figures.NotMeasuredError as error:
            return {**row, "measured": None, "holds": None, "why_not": str(error)}
        return {**row, "measured": value, "holds": self.holds(value)}


def _log_mel(preset: str, own: str, peer: str, bound: float, words: str) -> Promise:
    name = f"{preset} s, 4 channels, {words}"
    return Promise(
        name,
        bound,
        lambda: figures.log_mel_ratio(preset, figures.PROMISED_CHANNELS, peer, f"{own}: asc-edge"),
    )


def _fft(isa: str, peer: str, bound: float, **more: bool) -> Promise:
    name = f"real FFT of 5120, four channels, {isa} beside {peer}"
    return Promise(name, bound, lambda: figures.fft_ratio(figures.PROMISED_LENGTH, peer, isa), **more)


def _latency(preset: str) -> Promise:
    def measure() -> float:
        rows = {row["preset"]: row for row in figures.latency_rows()}
        return float(rows[preset]["least_of_runs"]["p99_over_median"])

    return Promise(f"{preset} s, 4 channels, an hour hop by hop: p99 over median", 2.0, measure, at_most=True)


PROMISES = [
    _log_mel(LONG, "streaming", "clip: numpy + scipy", 4, "hop by hop beside numpy + scipy on a whole clip"),
    _log_mel(LONG, "streaming", "clip: librosa", 12, "hop by hop beside librosa on a whole clip"),
    _log_mel(LONG, "streaming", "streaming: kaldi", 40, "hop by hop beside kaldi-native-fbank hop by hop"),
    _log_mel(SHORT, "clip", "clip: numpy + scipy", 3, "whole clip beside numpy + scipy on a whole clip"),
    _log_mel(SHORT, "clip", "clip: librosa", 8, "whole clip beside librosa on a whole clip"),
    _log_mel(SHORT, "streaming", "streaming: numpy + scipy", 5, "hop by hop beside numpy + scipy hop by hop"),
    _log_mel(SHORT, "streaming", "streaming: kaldi", 15, "hop by hop beside kaldi-native-fbank hop by hop"),
    *(_fft(isa, "FFTW patient", 1.5) for isa in ("avx2", "avx512")),
    *(_fft(isa, "scipy.fft", 3) for isa in ("avx2", "avx512")),
    *(_fft(isa, "FFTW, own build patient", 1.5, only_information=True) for isa in ("avx2", "avx512")),
    _latency(LONG),
    _latency(SHORT),
    Promise(
        "four single-channel inferences of YAMNet beside a decision for 4 channels", 1, figures.yamnet_ratio
    ),
    Promise(
        "a decision for 4 channels that computes its window anew beside one that keeps what it computed",
        3,
        figures.recomputing_ratio,
    ),
]
