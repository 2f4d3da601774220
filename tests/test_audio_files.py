"""Audio files that are sound, and every way of being broken."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge.audio.files import read_audio
from asc_edge.errors import AudioFileError, NonFiniteError


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_reads_every_format_alike(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Catches transposed channels and a rate that isn't the file's."""
    samples = np.repeat([[0.1, -0.4]], 22050, axis=0) + rng.uniform(-0.05, 0.05, (22050, 2))
    soundfile.write(tmp_path / name, samples, 22050)
    read, rate = read_audio(tmp_path / name)
    assert (read.shape, read.dtype, rate) == ((22050, 2), np.float32, 22050)
    np.testing.assert_allclose(read.mean(axis=0), samples.mean(axis=0), atol=0.01)


def test_mono_is_two_dimensional(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "m.wav", np.full(100, 0.25), 8000)
    assert read_audio(tmp_path / "m.wav")[0].shape == (100, 1)


def _broken(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.wav"
    soundfile.write(path, np.full((16000, 2), 0.1), 16000, subtype="PCM_16")
    whole = path.read_bytes()
    if kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "missing":
        path.unlink()
    elif kind == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif kind == "headerless":
        path = path.with_suffix(".raw")
        path.write_bytes(whole[44:])
    else:
        content = {"text": b"hello " * 99, "empty": b"", "cut": whole[:-1000], "header": whole[:20]}
        path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("fifo", "not a regular file"),
        ("text", "not an audio file"),
        ("headerless", "not an audio file"),
        ("empty", r"is empty \(0 bytes\)"),
        ("header", "ends inside the WAV header, after 20 bytes"),
        ("cut", "promises 64000 bytes of samples, there are 63000"),
    ],
)
def test_broken_files_are_told_apart(kind: str, words: str, tmp_path: Path) -> None:
    """Catches a file that was half copied and is silently taken for a short one."""
    path = _broken(kind, tmp_path)
    with pytest.raises(AudioFileError, match=words) as caught:
        read_audio(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), 16000)
    with pytest.raises(AudioFileError, match="holds no samples"):
        read_audio(tmp_path / "none.wav")


def test_a_flac_that_breaks_off_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    """Catches a check that knows WAV alone."""
    path = tmp_path / "cut.flac"
    soundfile.write(path, rng.uniform(-1, 1, 48000), 16000)
    path.write_bytes(path.read_bytes()[:-30000])
    with pytest.raises(AudioFileError, match=r"promises 48000 frames|can't be decoded"):
        read_audio(path)


def test_a_recording_that_was_piped_is_read_to_its_end(tmp_path: Path) -> None:
    """Catches the placeholder size of a recorder that was interrupted, taken for a truncated file."""
    path = tmp_path / "arecord.wav"
    soundfile.write(path, np.full((8000, 1), 0.5), 16000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data"
    data[40:44] = (0x7FFFFF00).to_bytes(4, "little")
    path.write_bytes(data)
    assert read_audio(path)[0].shape == (8000, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_named_by_place(bad: float, tmp_path: Path) -> None:
    samples = np.zeros((1600, 3), dtype=np.float32)
    samples[800, 1] = bad
    soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(NonFiniteError, match=r"sample at 0\.050 s of channel 2"):
        read_audio(tmp_path / "nan.wav")
