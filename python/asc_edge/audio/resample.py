"""From the rate of a device or file to the rate of the bundle; chunked and whole are the same to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.samples import Samples, as_float32
from asc_edge.errors import ResamplerMissingError


class StreamResampler:
    """Resamples block by block, with the filter's state carried over; equal rates pass through untouched.

    Parameters
    ----------
    rate_in_hz, rate_out_hz : int
    channels : int

    Raises
    ------
    ResamplerMissingError
        When the rates differ and soxr is not installed.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int, channels: int) -> None:
        self._channels = channels
        self._stream = None if rate_in_hz == rate_out_hz else _soxr_stream(rate_in_hz, rate_out_hz, channels)

    def push(self, block: Samples) -> Samples:
        """Resample a block; what the filter still needs stays inside.

        Parameters
        ----------
        block : np.ndarray [shape=(n, channels), dtype=float32 or int16]

        Returns
        -------
        np.ndarray [shape=(k, channels)]
            float32, k >= 0; the block itself when the rates are equal.
        """
        if self._stream is None:
            return block
        return self._resample(block, last=False)

    def flush(self) -> Samples:
        """The tail that was still inside the filter, shape (k, channels); call it once, at the end."""
        empty = np.zeros((0, self._channels), dtype=np.float32)
        if self._stream is None:
            return empty
        return self._resample(empty, last=True)

    def _resample(self, block: Samples, *, last: bool) -> NDArray[np.float32]:
        assert self._stream is not None
        data: NDArray[np.float32] = self._stream.resample_chunk(
            np.ascontiguousarray(as_float32(block)), last=last
        )
        return data.reshape(-1, self._channels)


def resample(samples: Samples, rate_in_hz: int, rate_out_hz: int) -> Samples:
    """Resample a whole clip, shape (n, channels) -> (k, channels).

    Raises
    ------
    ResamplerMissingError
        When the rates differ and soxr is not installed.
    """
    if rate_in_hz == rate_out_hz:
        return samples
    stream = StreamResampler(rate_in_hz, rate_out_hz, samples.shape[1])
    return np.concatenate([stream.push(samples), stream.flush()])


def _soxr_stream(rate_in_hz: int, rate_out_hz: int, channels: int) -> Any:
    try:
        import soxr
    except ImportError:
        raise ResamplerMissingError(
            f"input runs at {rate_in_hz} Hz, the bundle at {rate_out_hz} Hz, and no resampler is installed; "
            "install it with: pip install soxr"
        ) from None
    return soxr.ResampleStream(rate_in_hz, rate_out_hz, channels, dtype="float32", quality="HQ")
