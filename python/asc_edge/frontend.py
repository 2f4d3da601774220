"""The front end: samples of a microphone array to log-mel frames, and the pictures that networks see.

The arithmetic is by default that of the paper's front end (CRNN + Deep Spectrum + late fusion, section on
spectrogram extraction): periodic Hann windows without padding, 128 mel bands, dB, shifted so that the loudest
cell is at 0 dB and clipped at a floor. The module `presets` holds those of other networks. It runs in C++;
training, files and streams use this one implementation.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from asc_edge import _core
from asc_edge._checks import (
    MAX_CHANNELS,
    check_block,
    check_dtype,
    check_whole,
    in_memory,
    not_shared,
    too_large,
    usage_error,
)
from asc_edge.delta_features import deltas
from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError
from asc_edge.frontend_config import LogMelConfig
from asc_edge.window import FrameWindow, picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FrameWindow", "LogMelConfig", "LogMelStream", "deltas", "log_mel", "mel_filter_bank", "picture"]


def _check_config(config: object) -> None:
    if not isinstance(config, LogMelConfig):
        raise ConfigError(f"config must be a LogMelConfig, not {type(config).__name__}")


def mel_filter_bank(config: LogMelConfig) -> NDArray[np.float64]:
    """Weights of the bank of `config`, of shape ``(mels, fft_length // 2 + 1)``.

    With an interpolation, those of the higher rate's bank over the bins that there are.

    Examples
    --------
    >>> mel_filter_bank(LogMelConfig()).shape
    (128, 2561)
    """
    _check_config(config)
    return _core.mel_filter_bank(**config._bank_settings())[:, : config.fft_length // 2 + 1]


def _plan(config: LogMelConfig) -> _core.LogMelPlan:
    _check_config(config)
    return _plan_on(config, os.environ.get("ASC_EDGE_ISA", ""))


@lru_cache(maxsize=32)
def _plan_on(config: LogMelConfig, isa: str) -> _core.LogMelPlan:
    """Tables of `config`, which take longer to make than a short clip takes to compute."""
    if isa and isa not in _core.available_isas():
        known = ", ".join(_core.available_isas())
        raise ConfigError(f"ASC_EDGE_ISA is {isa!r}: this processor has {known}; unset it for the best")
    return _core.LogMelPlan(isa=isa, **config._stream_settings())


class LogMelStream:
    """Log-mel frames of a stream of samples, for all channels of an array at once.

    The same samples give the same frames to the last bit, however they are cut into blocks and however many
    channels run side by side. A frame comes out as soon as the last sample under its window is in. Centred
    frames also wait at the start until there is enough to reflect, and the last ones come from `finish`.

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
        _check_config(config)
        self._config = config
        self._channels = check_whole("channels", channels, 1, MAX_CHANNELS)
        self._core = _core.LogMelStream(_plan(config), self._channels)

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
        frames of shape ``(k, channels, mels)``, k >= 0, in dB unless the front end says otherwise; there a
        full-scale sine on a bin centre has 0 dB.

        Raises
        ------
        AudioFormatError
            If dtype, shape or channel count is wrong; nothing is consumed.
        NonFiniteError
            If a sample is NaN or infinite; nothing is consumed.
        UsageError
            If another thread is pushing into the same stream, or the stream is finished.
        """
        check_block(samples, self._channels, "stream")
        try:  # no context manager: this is the hot path
            return self._core.push(samples)
        except _core.NonFiniteSampleError as error:
            raise NonFiniteError(f"{error}: repair or drop this block; nothing of it was taken") from None
        except (_core.FinishedError, _core.BusyError) as refusal:
            raise usage_error("stream", refusal) from None
        except MemoryError:
            raise too_large("samples", samples) from None

    def finish(self) -> NDArray[np.float32]:
        """End the signal and return the frames that were waiting for its end.

        Only centred frames wait: those whose window reaches past the last sample, where the signal goes on
        reflected. Afterwards the stream takes nothing until it is `reset`.

        Returns
        -------
        frames of shape ``(k, channels, mels)``, k >= 0; with those before, ``config.frames(n)`` of n samples.

        Raises
        ------
        UsageError
            If the stream is finished already, or another thread is using it.

        Examples
        --------
        >>> import numpy as np
        >>> stream = LogMelStream(LogMelConfig(centred=True))
        >>> len(stream.push(np.zeros((16000, 1), np.float32))), len(stream.finish())
        (6, 1)
        """
        with not_shared("stream"):
            return self._core.finish()

    def reset(self) -> None:
        """Forget all samples, as if the stream were new."""
        with not_shared("stream"):
            self._core.reset()


def log_mel(samples: NDArray[np.float32] | NDArray[np.int16], config: LogMelConfig) -> NDArray[np.float32]:
    """Log-mel frames of a whole clip: those that a `LogMelStream` gives out up to its end, to the last bit.

    Parameters
    ----------
    samples
        float32 in [-1, 1], or int16, of shape ``(n,)`` or ``(n, channels)``.
    config
        The front end.

    Returns
    -------
    cells of shape ``(channels, mels, frames)``, in dB unless `config` says otherwise, with
    ``config.frames(n)`` frames; none if the clip is shorter than a window, or half of one if centred.

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
    try:
        with in_memory("samples", samples):
            return _core.log_mel(_plan(config), samples)
    except _core.NonFiniteSampleError as error:
        raise NonFiniteError(f"{error}: repair the clip") from None
