"""The front end: samples of a microphone array to log-mel frames in dB, and the pictures that networks see.

The arithmetic is that of the paper's front end (CRNN + Deep Spectrum + late fusion, section on spectrogram
extraction): periodic Hann windows without padding, 128 mel bands, dB, shifted so that the loudest cell is at
0 dB and clipped at a floor. It runs in C++; training, files and streams use this one implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge import _core
from asc_edge._checks import MAX_CHANNELS, MAX_MELS, check_dtype, check_whole, is_finite_number, not_shared
from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError
from asc_edge.window import FrameWindow, picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FrameWindow", "LogMelConfig", "LogMelStream", "log_mel", "mel_filter_bank", "picture"]

MAX_SAMPLE_RATE_HZ = 768_000
# Shorter windows have no bins to speak of; longer ones are a typing error that would take all memory.
MIN_WINDOW_SAMPLES = 16
MAX_WINDOW_SAMPLES = 1 << 18

_SCALES = {"htk": _core.MelScale.htk, "slaney": _core.MelScale.slaney}
_NORMS = {"peak": _core.MelNorm.peak, "area": _core.MelNorm.area}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMelConfig:
    """How samples become log-mel frames; equal configurations give equal frames to the last bit.

    Parameters
    ----------
    sample_rate_hz
        Samples a second of every channel.
    window_s, hop_s
        Length of the Hann window and step between windows, in seconds, rounded to whole samples.
    mels
        Number of mel bands.
    mel_scale
        ``"htk"`` (the paper's) or ``"slaney"``. With short windows low bands may be too narrow to hold a bin,
        and stay at -160 dB: fewer with the Slaney scale.
    mel_norm
        ``"peak"``: triangles of height 1; ``"area"``: triangles of area 1 over Hz.
    fmin_hz, fmax_hz
        Range of the bank in Hz; ``fmax_hz=None`` is half the sample rate.

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

    def __post_init__(self) -> None:
        for name, low, high in (("sample_rate_hz", 1, MAX_SAMPLE_RATE_HZ), ("mels", 1, MAX_MELS)):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), low, high))
        for name in ("window_s", "hop_s", "fmin_hz", "fmax_hz"):
            value = getattr(self, name)
            if value is None and name == "fmax_hz":
                continue
            if not is_finite_number(value):
                raise ConfigError(f"{name} is {value!r}: give a finite number")
            # 1 and 1.0 are one configuration, in a manifest too.
            object.__setattr__(self, name, float(value))
        for name, values in (("mel_scale", _SCALES), ("mel_norm", _NORMS)):
            if getattr(self, name) not in tuple(values):
                raise ConfigError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(values)}")
        self._check_lengths()
        self._check_range()

    def _check_lengths(self) -> None:
        window = self.window_s * self.sample_rate_hz
        if not MIN_WINDOW_SAMPLES <= round(window) <= MAX_WINDOW_SAMPLES:
            raise ConfigError(
                f"window_s is {self.window_s} s, which is {window:.6g} samples at {self.sample_rate_hz} Hz: "
                f"choose a window of {MIN_WINDOW_SAMPLES} to {MAX_WINDOW_SAMPLES} samples"
            )
        hop = self.hop_s * self.sample_rate_hz
        if not 1 <= round(hop) <= MAX_WINDOW_SAMPLES:
            raise ConfigError(
                f"hop_s is {self.hop_s} s, which is {hop:.6g} samples at {self.sample_rate_hz} Hz: "
                f"choose a hop of 1 to {MAX_WINDOW_SAMPLES} samples"
            )

    def _check_range(self) -> None:
        nyquist_hz = self.sample_rate_hz / 2
        if not 0 <= self.fmin_hz < self._fmax_hz() <= nyquist_hz:
            raise ConfigError(
                f"the mel bank would run from {self.fmin_hz} Hz to {self._fmax_hz()} Hz: "
                f"choose 0 <= fmin_hz < fmax_hz <= {nyquist_hz} Hz, half the sample rate"
            )

    def _fmax_hz(self) -> float:
        return self.sample_rate_hz / 2 if self.fmax_hz is None else self.fmax_hz

    @property
    def window_samples(self) -> int:
        """Length of the window in samples."""
        return round(self.window_s * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Step between two windows in samples."""
        return round(self.hop_s * self.sample_rate_hz)

    def frames(self, n_samples: int) -> int:
        """Frames in `n_samples` samples: ``floor((n - window) / hop) + 1``, or 0; nothing is padded."""
        return max(0, (n_samples - self.window_samples) // self.hop_samples + 1)

    def to_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON; `from_dict` takes them back."""
        return asdict(self)

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

    def _core_settings(self) -> dict[str, Any]:
        return {
            "sample_rate_hz": float(self.sample_rate_hz),
            "mels": self.mels,
            "mel_scale": _SCALES[self.mel_scale],
            "mel_norm": _NORMS[self.mel_norm],
            "fmin_hz": self.fmin_hz,
            "fmax_hz": self._fmax_hz(),
        }


def mel_filter_bank(config: LogMelConfig) -> NDArray[np.float64]:
    """Weights of the mel bank of `config`, of shape ``(mels, window_samples // 2 + 1)``.

    Examples
    --------
    >>> mel_filter_bank(LogMelConfig()).shape
    (128, 2561)
    """
    return _core.mel_filter_bank(fft_length=config.window_samples, **config._core_settings())


class LogMelStream:
    """Log-mel frames of a stream of samples, for all channels of an array at once.

    The same samples give the same frames to the last bit, however they are cut into blocks and however many
    channels run side by side. A frame comes out as soon as the last sample under its window is in.

    Parameters
    ----------
    config
        The front end.
    channels
        Number of channels, 1 to 16.

    Raises
    ------
    ConfigError
        If `channels` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> stream = LogMelStream(LogMelConfig(sample_rate_hz=16000), channels=4)
    >>> stream.push(np.zeros((4000, 4), np.float32)).shape
    (0, 4, 128)
    >>> stream.push(np.zeros((4000, 4), np.int16)).shape
    (2, 4, 128)
    >>> stream.frames_emitted
    2
    """

    def __init__(self, config: LogMelConfig, channels: int = 1) -> None:
        if not isinstance(config, LogMelConfig):
            raise ConfigError(f"config must be a LogMelConfig, not {type(config).__name__}")
        self._config = config
        self._channels = check_whole("channels", channels, 1, MAX_CHANNELS)
        self._core = _core.LogMelStream(
            window_samples=config.window_samples,
            hop_samples=config.hop_samples,
            channels=self._channels,
            **config._core_settings(),
        )

    @property
    def config(self) -> LogMelConfig:
        """The front end."""
        return self._config

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._channels

    @property
    def frames_emitted(self) -> int:
        """Frames given out since the start or the last `reset`."""
        return self._core.frames_emitted

    def push(self, samples: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.float32]:
        """Take samples of shape ``(n, channels)`` and return the frames that they complete.

        Parameters
        ----------
        samples
            float32 in [-1, 1], or int16, of shape ``(n, channels)``; any n, any memory layout.

        Returns
        -------
        frames of shape ``(k, channels, mels)`` in dB, k >= 0; a full-scale sine on a bin centre has 0 dB.

        Raises
        ------
        AudioFormatError
            If dtype, shape or channel count is wrong; nothing is consumed.
        NonFiniteError
            If a sample is NaN or infinite; nothing is consumed.
        UsageError
            If another thread is pushing into the same stream.
        """
        check_dtype(samples, "samples", ("float32", "int16"))
        if samples.ndim != 2 or samples.shape[1] != self._channels:
            raise AudioFormatError(
                f"samples have shape {samples.shape}: this stream takes (n, {self._channels})"
            )
        with not_shared("stream"):
            try:
                return self._core.push(samples)
            except _core.NonFiniteSampleError as error:
                raise NonFiniteError(f"{error}: repair or drop this block; nothing of it was taken") from None

    def reset(self) -> None:
        """Forget all samples, as if the stream were new."""
        with not_shared("stream"):
            self._core.reset()


def log_mel(samples: NDArray[np.float32] | NDArray[np.int16], config: LogMelConfig) -> NDArray[np.float32]:
    """Log-mel frames of a whole clip: those that a `LogMelStream` gives out, to the last bit.

    Parameters
    ----------
    samples
        float32 in [-1, 1], or int16, of shape ``(n,)`` or ``(n, channels)``.
    config
        The front end.

    Returns
    -------
    cells of shape ``(channels, mels, frames)`` in dB, with ``config.frames(n)`` frames; none if the clip is
    shorter than a window.

    Raises
    ------
    AudioFormatError, NonFiniteError
        As `LogMelStream.push`.

    Examples
    --------
    >>> import numpy as np
    >>> config = LogMelConfig(sample_rate_hz=16000)
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    >>> cells = log_mel(tone, config)
    >>> cells.shape
    (1, 128, 5)
    """
    check_dtype(samples, "samples", ("float32", "int16"))
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise AudioFormatError(
            f"samples have shape {samples.shape}: give (n,) or (n, channels), 1 to {MAX_CHANNELS} channels"
        )
    frames = LogMelStream(config, channels=samples.shape[1]).push(samples)
    return np.ascontiguousarray(frames.transpose(1, 2, 0))
