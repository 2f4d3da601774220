"""RIFF/WAVE headers, read from streams that can't be rewound, and from files whose promise is checked."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.samples import Samples
from asc_edge.errors import AudioFileError

Encoding = Literal["u8", "s16", "s24", "s32", "f32", "f64"]

_FORMAT_PCM = 0x0001
_FORMAT_FLOAT = 0x0003
_FORMAT_EXTENSIBLE = 0xFFFE
_ENCODINGS: dict[tuple[int, int], Encoding] = {
    (_FORMAT_PCM, 8): "u8",
    (_FORMAT_PCM, 16): "s16",
    (_FORMAT_PCM, 24): "s24",
    (_FORMAT_PCM, 32): "s32",
    (_FORMAT_FLOAT, 32): "f32",
    (_FORMAT_FLOAT, 64): "f64",
}
_SAMPLE_BYTES: dict[Encoding, int] = {"u8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8}
# Programs that write to a pipe can't know the size beforehand: arecord writes 0x7fffff00, sox nearly that,
# ffmpeg 0xffffffff, others 0. All of them mean "until the end".
_SURELY_UNKNOWN_BYTES = 0x7FFF0000
_MAX_HEADER_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a WAVE header says.

    Attributes
    ----------
    sample_rate_hz, channels : int
    encoding : {"u8", "s16", "s24", "s32", "f32", "f64"}
        Unsigned, signed or floating point, and bits.
    data_bytes : int or None
        Promised size of the samples; None where the writer didn't know it.
    data_offset : int
        Bytes in front of the first sample.
    """

    sample_rate_hz: int
    channels: int
    encoding: Encoding
    data_bytes: int | None
    data_offset: int

    @property
    def frame_bytes(self) -> int:
        """Bytes that one sample of every channel takes."""
        return self.channels * _SAMPLE_BYTES[self.encoding]


def read_wav_header(stream: BinaryIO, name: str) -> WavHeader:
    """Read up to the first sample.

    Parameters
    ----------
    stream : binary file
        At its beginning. Nothing is sought, so it may be a pipe.
    name : str
        What to call it in errors.

    Raises
    ------
    NotWavError
        When it doesn't begin like one.
    HeaderCutOffError
        When it ends before the first sample.
    AudioFileError
        When its samples are neither PCM nor floating point, or the header is broken.
    """
    reader = _Reader(stream, name)
    riff = reader.take(12)
    if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
        raise NotWavError(f"{name}: not a WAV stream")
    layout: tuple[int, int, Encoding] | None = None
    while True:
        kind, size = struct.unpack("<4sI", reader.take(8))
        if kind == b"data":
            break
        # Chunks are padded to an even length.
        if size > _MAX_HEADER_CHUNK_BYTES:
            raise AudioFileError(
                f"{name}: broken WAV header: a chunk of {size} bytes in front of the samples"
            )
        body = reader.take(size + size % 2)[:size]
        if kind == b"fmt ":
            layout = _layout(body, name)
    if layout is None:
        raise AudioFileError(f"{name}: broken WAV header: samples come before their format")
    rate, channels, encoding = layout
    unknown = size == 0 or size >= _SURELY_UNKNOWN_BYTES
    return WavHeader(rate, channels, encoding, None if unknown else size, reader.position)


class NotWavError(AudioFileError):
    """The stream doesn't begin like a WAVE stream."""


class HeaderCutOffError(AudioFileError):
    """The stream ends inside its header."""

    def __init__(self, name: str, found_bytes: int) -> None:
        super().__init__(f"{name}: ends inside the WAV header, after {found_bytes} bytes")
        self.found_bytes = found_bytes


class _Reader:
    """Counts what it takes, and takes it whole or not at all."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.position = 0

    def take(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise HeaderCutOffError(self._name, self.position + len(data))
        self.position += count
        return data


def _layout(body: bytes, name: str) -> tuple[int, int, Encoding]:
    if len(body) < 16:
        raise AudioFileError(f"{name}: broken WAV header: format chunk of {len(body)} bytes")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if code == _FORMAT_EXTENSIBLE and len(body) >= 26:
        # The sub-format's GUID begins with the plain format code.
        (code,) = struct.unpack_from("<H", body, 24)
    encoding = _ENCODINGS.get((code, bits))
    if encoding is None:
        raise AudioFileError(f"{name}: WAV format {code:#06x} with {bits} bits can't be read; use 16 bit PCM")
    if channels == 0 or rate == 0:
        raise AudioFileError(f"{name}: broken WAV header: {channels} channels at {rate} Hz")
    return rate, channels, encoding


def decode(data: bytes, encoding: Encoding, channels: int) -> Samples:
    """Bytes of whole frames to samples.

    Returns
    -------
    np.ndarray [shape=(n, channels)]
        int16 for ``s16``, else float32 in [-1, 1].
    """
    return _DECODERS[encoding](data).reshape(-1, channels)


def _decode_u8(data: bytes) -> Samples:
    return (np.frombuffer(data, dtype=np.uint8).astype(np.float32) - 128.0) / np.float32(128.0)


def _decode_s16(data: bytes) -> Samples:
    return np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)


def _decode_s24(data: bytes) -> Samples:
    # Three bytes go to the top of four, which keeps the sign.
    wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
    return _from_int32(wide.reshape(-1).view("<i4"))


def _decode_s32(data: bytes) -> Samples:
    return _from_int32(np.frombuffer(data, dtype="<i4"))


def _decode_f32(data: bytes) -> Samples:
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)


def _decode_f64(data: bytes) -> Samples:
    return np.frombuffer(data, dtype="<f8").astype(np.float32)


def _from_int32(values: NDArray[np.int32]) -> NDArray[np.float32]:
    return (values * (1.0 / 2**31)).astype(np.float32)


_DECODERS: dict[Encoding, Callable[[bytes], Samples]] = {
    "u8": _decode_u8,
    "s16": _decode_s16,
    "s24": _decode_s24,
    "s32": _decode_s32,
    "f32": _decode_f32,
    "f64": _decode_f64,
}
