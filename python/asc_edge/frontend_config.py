"""What a front end is made of: from samples to the cells that a network was trained on."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from asc_edge import _core
from asc_edge._checks import MAX_MELS, check_whole, is_finite_number
from asc_edge.errors import ConfigError

MAX_SAMPLE_RATE_HZ = 768_000
# Shorter windows have no bins to speak of; longer ones are a typing error that would take all memory.
MIN_WINDOW_SAMPLES = 16
MAX_WINDOW_SAMPLES = 1 << 18
# The transform's cost goes with its length times this; and a bundle from elsewhere chooses the length.
MAX_PRIME_FACTOR = 4096
# Every band of a gammatone bank weighs every bin: 64 bands of a transform of 2^17 points are 32 MiB.
MAX_GAMMATONE_WEIGHTS = 1 << 22
MAX_INTERPOLATION = 8

_SCALES = {
    "htk": _core.MelScale.htk,
    "slaney": _core.MelScale.slaney,
    "kaldi": _core.MelScale.kaldi,
    "gammatone": _core.MelScale.gammatone,
}
_NORMS = {"peak": _core.MelNorm.peak, "area": _core.MelNorm.area}
_WINDOWS = {"hann": _core.WindowShape.hann_periodic, "hann_symmetric": _core.WindowShape.hann_symmetric}
_SPECTRA = {"power": _core.SpectrumKind.power, "magnitude": _core.SpectrumKind.magnitude}
_LEVELS = {"db": _core.LevelKind.db, "natural_log": _core.LevelKind.natural_log}

_CHOICES: dict[str, Mapping[str, object]] = {
    "mel_scale": _SCALES,
    "mel_norm": _NORMS,
    "window_shape": _WINDOWS,
    "spectrum": _SPECTRA,
    "level": _LEVELS,
}
# Lowest and highest value of the numbers that depend on no other.
_RANGES = {
    "preemphasis": (0.0, 1.0),
    "log_offset": (1e-30, 1e6),
    "shift": (-1e6, 1e6),
    "scale": (1e-6, 1e6),
}
_DEFAULT_LOG_OFFSET = 1e-10


def _largest_prime_factor(number: int) -> int:
    largest, factor = 1, 2
    while factor * factor <= number:
        if number % factor == 0:
            largest, number = factor, number // factor
        else:
            factor += 1
    return max(largest, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMelConfig:
    """How samples become log-mel frames; equal configurations give equal frames to the last bit.

    The defaults are the paper's front end. A cell is ``(level(bank @ spectrum) + shift) * scale``, where the
    spectrum is that of a windowed frame of the pre-emphasised signal.

    Parameters
    ----------
    sample_rate_hz
        Samples a second of every channel.
    window_s, hop_s
        Length of the window and step between windows, in seconds, rounded to whole samples.
    mels
        Number of mel bands.
    mel_scale
        ``"htk"`` (the paper's), ``"slaney"``, ``"kaldi"`` or ``"gammatone"``. HTK and Slaney are librosa's
        triangles, straight over Hz. Kaldi's (``1127 ln(1 + f / 700)``), which are also TensorFlow's
        (``tf.signal.linear_to_mel_weight_matrix``), are straight over mel and leave out half the sample rate.
        Gammatone bands are no triangles but the magnitude responses of fourth-order gammatone filters on the
        ERB scale (Slaney 1993; Ellis 2009), weights of the spectrum like the others. With short windows
        low triangles may be too narrow to hold a bin, and stay at the floor: fewer with the Slaney scale.
    mel_norm
        ``"peak"``: bands of height 1; ``"area"``: triangles of area 1 over Hz, HTK and Slaney only.
    fmin_hz, fmax_hz
        Range of the bank in Hz; ``fmax_hz=None`` is half the (interpolated) sample rate.
    fft_samples
        Length of the Fourier transform, at least the window, which is filled up with zeros; None is the
        window's own length.
    window_shape
        ``"hann"``, which is periodic, or ``"hann_symmetric"``, whose both ends are 0.
    interpolation
        Cells as of the sound interpolated to so many times `sample_rate_hz`, 1 to 8, without computing it,
        for a network that was trained on a higher rate: the bank and `preemphasis` are those of that rate.
        Nothing lies above half of `sample_rate_hz`.
    remove_mean
        Whether the mean of each frame's samples is taken off before the window is laid on.
    preemphasis
        ``a`` of ``y[n] = x[n + 1] - a x[n]``, a filter over the whole signal, 0 to 1; 0 is none. It is a
        valid convolution: y is one sample shorter than x.
    centred
        Whether frames lie around the multiples of the hop, with both ends of the (pre-emphasised) signal
        reflected, as ``torch.stft(center=True, pad_mode="reflect")``; otherwise nothing is padded.
    spectrum
        ``"power"`` or ``"magnitude"``.
    full_scale
        Whether the spectrum is scaled so that a full-scale sine on a bin centre is 1 (0 dB), or left alone.
    level
        ``"db"``: ``10 log10`` of a power or ``20 log10`` of a magnitude, never below -160 dB;
        ``"natural_log"``: ``ln(band + log_offset)``.
    log_offset
        Offset of the natural logarithm.
    shift, scale
        Fixed normalisation of the level.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or can't work.

    Examples
    --------
    >>> config = LogMelConfig(sample_rate_hz=16000, window_s=0.32, hop_s=0.16)
    >>> config.window_samples, config.hop_samples, config.frames(10 * 16000)
    (5120, 2560, 61)
    """

    sample_rate_hz: int = 16000
    window_s: float = 0.32
    hop_s: float = 0.16
    mels: int = 128
    mel_scale: str = "htk"
    mel_norm: str = "peak"
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    fft_samples: int | None = None
    interpolation: int = 1
    window_shape: str = "hann"
    remove_mean: bool = True
    preemphasis: float = 0.0
    centred: bool = False
    spectrum: str = "power"
    full_scale: bool = True
    level: str = "db"
    log_offset: float = _DEFAULT_LOG_OFFSET
    shift: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("sample_rate_hz", 1, MAX_SAMPLE_RATE_HZ),
            ("mels", 1, MAX_MELS),
            ("interpolation", 1, MAX_INTERPOLATION),
        ):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), low, high))
        for name in ("window_s", "hop_s", "fmin_hz", "fmax_hz", *_RANGES):
            value = getattr(self, name)
            if value is None and name == "fmax_hz":
                continue
            if not is_finite_number(value):
                raise ConfigError(f"{name} is {value!r}: give a finite number")
            # 1 and 1.0 are one configuration, in a manifest too.
            object.__setattr__(self, name, float(value))
        for name, values in _CHOICES.items():
            value = getattr(self, name)
            # An array compares element by element, which is no answer.
            if not isinstance(value, str) or value not in values:
                raise ConfigError(f"{name} is {value!r}: choose one of {', '.join(values)}")
        for name in ("remove_mean", "centred", "full_scale"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}: give True or False")
        for name, (lowest, highest) in _RANGES.items():
            if not lowest <= getattr(self, name) <= highest:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}: give a number from {lowest:g} to {highest:g}"
                )
        self._check_lengths()
        self._check_range()
        self._check_fit()

    def _check_lengths(self) -> None:
        # Not infinity, which can't be rounded.
        window = min(self.window_s * self.sample_rate_hz, sys.float_info.max)
        if not MIN_WINDOW_SAMPLES <= round(window) <= MAX_WINDOW_SAMPLES:
            raise ConfigError(
                f"window_s is {self.window_s} s, which is {window:.6g} samples at {self.sample_rate_hz} Hz: "
                f"choose a window of {MIN_WINDOW_SAMPLES} to {MAX_WINDOW_SAMPLES} samples"
            )
        hop = min(self.hop_s * self.sample_rate_hz, sys.float_info.max)
        if not 1 <= round(hop) <= MAX_WINDOW_SAMPLES:
            raise ConfigError(
                f"hop_s is {self.hop_s} s, which is {hop:.6g} samples at {self.sample_rate_hz} Hz: "
                f"choose a hop of 1 to {MAX_WINDOW_SAMPLES} samples"
            )
        if self.fft_samples is not None:
            least = self.window_samples
            length = check_whole("fft_samples", self.fft_samples, least, MAX_WINDOW_SAMPLES)
            object.__setattr__(self, "fft_samples", length)
        length = self.window_samples if self.fft_samples is None else self.fft_samples
        if _largest_prime_factor(length) > MAX_PRIME_FACTOR:
            better = next(n for n in range(length, 0, -1) if _largest_prime_factor(n) <= 7)
            raise ConfigError(
                f"a transform of {length} samples has a prime factor above {MAX_PRIME_FACTOR} and would take "
                f"seconds a frame: choose a window of {better} samples, or a longer fft_samples"
            )

    def _check_range(self) -> None:
        nyquist_hz = self.bank_rate_hz / 2
        half = "half the sample rate" if self.interpolation == 1 else "half the interpolated sample rate"
        if not 0 <= self.fmin_hz < self._fmax_hz() <= nyquist_hz:
            raise ConfigError(
                f"the mel bank would run from {self.fmin_hz} Hz to {self._fmax_hz()} Hz: "
                f"choose 0 <= fmin_hz < fmax_hz <= {nyquist_hz} Hz, {half}"
            )

    def _check_fit(self) -> None:
        """Settings that would silently do nothing, or too much, beside each other."""
        if self.mel_norm == "area" and self.mel_scale not in ("htk", "slaney"):
            raise ConfigError(f"mel_norm 'area' doesn't go with mel_scale {self.mel_scale!r}: choose peak")
        if self.level != "natural_log" and self.log_offset != _DEFAULT_LOG_OFFSET:
            raise ConfigError(
                f"log_offset does nothing at level {self.level!r}: leave it out, or natural_log"
            )
        if self.fft_length * self.interpolation > MAX_WINDOW_SAMPLES:
            raise ConfigError(
                f"interpolation {self.interpolation} of a transform of {self.fft_length} samples: "
                f"choose up to {MAX_WINDOW_SAMPLES} samples in all"
            )
        weights = self.mels * (self.fft_length * self.interpolation // 2 + 1)
        if self.mel_scale == "gammatone" and weights > MAX_GAMMATONE_WEIGHTS:
            raise ConfigError(
                f"mels {self.mels} and fft_samples {self.fft_length} make a gammatone bank of {weights} "
                f"weights: choose up to {MAX_GAMMATONE_WEIGHTS}"
            )

    def _fmax_hz(self) -> float:
        return self.bank_rate_hz / 2 if self.fmax_hz is None else self.fmax_hz

    @property
    def bank_rate_hz(self) -> int:
        """Sample rate that the bank and the pre-emphasis are made for."""
        return self.sample_rate_hz * self.interpolation

    @property
    def window_samples(self) -> int:
        """Length of the window in samples."""
        return round(self.window_s * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Step between two windows in samples."""
        return round(self.hop_s * self.sample_rate_hz)

    @property
    def fft_length(self) -> int:
        """Length of the Fourier transform in samples."""
        return self.window_samples if self.fft_samples is None else self.fft_samples

    @property
    def db_per_unit(self) -> float:
        """Decibels between two cells that differ by 1, well above the floor or the offset.

        Examples
        --------
        >>> LogMelConfig().db_per_unit
        1.0
        """
        if self.level == "db":
            return 1.0 / self.scale
        return (20.0 if self.spectrum == "magnitude" else 10.0) / math.log(10.0) / self.scale

    @property
    def is_plain_db(self) -> bool:
        """Whether cells are in dB one for one, of frames that come out of a stream as it goes on.

        Examples
        --------
        >>> LogMelConfig().is_plain_db, LogMelConfig(centred=True).is_plain_db
        (True, False)
        """
        return self.level == "db" and self.scale == 1.0 and not self.centred

    def frames(self, n_samples: int) -> int:
        """Frames of a clip of `n_samples` samples, of which a pre-emphasis takes one.

        ``floor((n - window) / hop) + 1``, or 0, as nothing is padded. Centred, ``floor(n / hop) + 1`` (with
        an odd transform ``floor((n - 1) / hop) + 1``), or 0 where there are too few samples to reflect, which
        is up to half a window.
        """
        filtered = n_samples - (1 if self.preemphasis else 0)
        if not self.centred:
            return max(0, (filtered - self.window_samples) // self.hop_samples + 1)
        lead = self.fft_length // 2 - (self.fft_length - self.window_samples) // 2
        return 0 if filtered <= lead else (filtered - self.fft_length % 2) // self.hop_samples + 1

    def to_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON; `from_dict` takes them back.

        No interpolation is left out: what was written or kept before there was one stays equal.
        """
        values = asdict(self)
        if self.interpolation == 1:
            del values["interpolation"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LogMelConfig:
        """Build from values by name; absent names have their defaults.

        Raises
        ------
        ConfigError
            If `values` is no mapping, a name is unknown, or a value can't work.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"a front end is described by names and values, not by {type(values).__name__}")
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f"a front end has no setting {name!r}: choose among {', '.join(known)}")
        return cls(**values)

    def _bank_settings(self) -> dict[str, Any]:
        return {
            **self._band_settings(),
            "sample_rate_hz": float(self.bank_rate_hz),
            "fft_length": self.fft_length * self.interpolation,
        }

    def _band_settings(self) -> dict[str, Any]:
        return {
            "mels": self.mels,
            "mel_scale": _SCALES[self.mel_scale],
            "mel_norm": _NORMS[self.mel_norm],
            "fmin_hz": self.fmin_hz,
            "fmax_hz": self._fmax_hz(),
        }

    def _stream_settings(self) -> dict[str, Any]:
        return {
            **self._band_settings(),
            "sample_rate_hz": float(self.sample_rate_hz),
            "fft_length": self.fft_length,
            "interpolation": self.interpolation,
            "window_samples": self.window_samples,
            "hop_samples": self.hop_samples,
            "window_shape": _WINDOWS[self.window_shape],
            "remove_mean": self.remove_mean,
            "preemphasis": self.preemphasis,
            "centred": self.centred,
            "spectrum": _SPECTRA[self.spectrum],
            "full_scale": self.full_scale,
            "level": _LEVELS[self.level],
            "log_offset": self.log_offset,
            "shift": self.shift,
            "scale": self.scale,
        }
