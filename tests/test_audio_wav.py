"""WAVE headers and samples, against files that libsndfile and the standard library wrote."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
import soundfile

from asc_edge.audio.wav import decode, read_wav_header
from asc_edge.errors import AudioFileError


def _written(samples: np.ndarray, form: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 44100, format=form, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_decodes_what_libsndfile_wrote(form: str, subtype: str, rng: np.random.Generator) -> None:
    """Catches a wrong sign or scale, and extensible headers read as plain ones."""
    samples = rng.uniform(-1, 1, (1000, 3))
    data = _written(samples, form, subtype)
    stream = io.BytesIO(data)
    header = read_wav_header(stream, "x.wav")
    decoded = decode(stream.read(header.data_bytes), header.encoding, header.channels)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    scale = 32768.0 if decoded.dtype == np.int16 else 1.0
    assert (header.sample_rate_hz, header.channels) == (44100, 3)
    assert (decoded.dtype == np.int16) == (subtype == "PCM_16")
    np.testing.assert_allclose(decoded / scale, expected, rtol=0, atol=1e-7)


def _arecord_like(promise: int, samples: bytes, extra: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 2, 16000, 64000, 4, 16)
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + extra
    return head + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", promise) + samples


@pytest.mark.parametrize("promise", [0, 0x7FFFFF00, 0x7FFFF000, 0xFFFFFFFF])
def test_sizes_that_pipes_carry_mean_until_the_end(promise: int) -> None:
    """Catches a recorder's placeholder taken for a promise of two gigabytes."""
    assert read_wav_header(io.BytesIO(_arecord_like(promise, b"")), "-").data_bytes is None


def test_a_plausible_size_is_a_promise() -> None:
    assert read_wav_header(io.BytesIO(_arecord_like(64000, b"")), "-").data_bytes == 64000


def test_chunks_of_odd_length_before_the_samples_are_stepped_over() -> None:
    """Catches the forgotten padding byte, which shifts everything behind it."""
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    stream = io.BytesIO(_arecord_like(4, b"\1\0\2\0", extra))
    header = read_wav_header(stream, "-")
    assert header.data_offset == stream.tell()
    assert decode(stream.read(), header.encoding, header.channels).tolist() == [[1, 2]]


def test_agrees_with_the_standard_library(rng: np.random.Generator) -> None:
    samples = rng.integers(-32768, 32768, (500, 4)).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((4, 2, 16000, 500, "NONE", ""))
        writer.writeframes(samples.tobytes())
    stream = io.BytesIO(buffer.getvalue())
    header = read_wav_header(stream, "-")
    np.testing.assert_array_equal(decode(stream.read(), header.encoding, 4), samples)
    assert header.frame_bytes == 8


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"OggS" + bytes(40), "not a WAV stream"),
        (b"RIFF\0\0\0\0WAVE", "inside the WAV header, after 12 bytes"),
        (b"", "after 0 bytes"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "samples come before their format"),
        (_arecord_like(4, b"")[:41], "inside the WAV header"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f", "a chunk of 2147483647 bytes"),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0ab", "format chunk of 2 bytes"),
    ],
)
def test_broken_headers_are_told_apart(data: bytes, words: str) -> None:
    """Catches struct errors and endless reads that come through to the user."""
    with pytest.raises(AudioFileError, match=words):
        read_wav_header(io.BytesIO(data), "x")


@pytest.mark.parametrize(("code", "bits", "channels"), [(1, 12, 2), (6, 8, 2), (3, 16, 2), (1, 16, 0)])
def test_layouts_that_are_not_read_are_refused(code: int, bits: int, channels: int) -> None:
    form = struct.pack("<HHIIHH", code, channels, 8000, 0, 0, bits)
    data = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\4\0\0\0"
    with pytest.raises(AudioFileError, match=r"bits|channels"):
        read_wav_header(io.BytesIO(data), "x")
