"""Files and streams as sources, and the pace of a microphone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge.audio.sources import FileSource, Pace, StdinSource
from asc_edge.errors import AudioFileError, NonFiniteError


def _wav(samples: np.ndarray, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16000, format="WAV", subtype=subtype)
    return buffer.getvalue()


class _Pipe(io.RawIOBase):
    """Gives what is there, a few bytes at a time, and can't be rewound."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = data, step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        count = min(self._step, len(buffer), len(self._data))
        buffer[:count], self._data = self._data[:count], self._data[count:]
        return count


def test_a_file_comes_whole_and_in_order(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = rng.uniform(-1, 1, (16123, 3)).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", samples, 16000, subtype="FLOAT")
    source = FileSource(tmp_path / "x.wav")
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), samples)
    assert (source.channels, source.sample_rate_hz, source.live) == (3, 16000, False)
    source.close()
    source.close()


@pytest.mark.parametrize("step", [1, 3, 4096])
def test_a_stream_comes_whole_however_the_pipe_cuts_it(step: int, rng: np.random.Generator) -> None:
    """Catches frames torn apart at the end of a short read."""
    samples = rng.integers(-32768, 32768, (5003, 4)).astype(np.int16)
    source = StdinSource(io.BufferedReader(_Pipe(_wav(samples), step)))
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), samples)


def test_headerless_samples(rng: np.random.Generator) -> None:
    samples = rng.integers(-32768, 32768, (5000, 2)).astype("<i2")
    source = StdinSource(io.BytesIO(samples.tobytes() + b"\1"), raw=(48000, 2))
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), samples)
    assert source.sample_rate_hz == 48000


@pytest.mark.parametrize(
    ("data", "raw", "words"),
    [
        (None, None, "standard input is closed"),
        (b"", None, "ended before any audio came"),
        (b"", (16000, 2), "ended before any audio came"),
        (b"fLaC" + bytes(100), None, "--raw RATE,CHANNELS"),
        (b"RIFF\0\0\0\0WAVEfmt ", None, "inside the WAV header"),
    ],
)
def test_streams_that_bring_no_audio(data: bytes | None, raw: tuple[int, int] | None, words: str) -> None:
    """Catches a session that ends well without having heard anything."""
    with pytest.raises(AudioFileError, match=words):
        list(StdinSource(None if data is None else io.BytesIO(data), raw).blocks())


def test_a_stream_that_breaks_off_says_so_after_its_last_block(rng: np.random.Generator) -> None:
    data = _wav(rng.integers(-9, 9, (16000, 1)).astype(np.int16))
    heard = []
    with pytest.raises(AudioFileError, match="promises 32000 bytes of samples, there are 31000"):
        heard.extend(StdinSource(io.BytesIO(data[:-1000])).blocks())
    assert sum(map(len, heard)) == 15500


def test_what_follows_the_samples_is_not_played() -> None:
    """Catches a trailing chunk of text that is heard as a click."""
    data = _wav(np.zeros((1600, 1), dtype=np.int16)) + b"LIST" + bytes(500)
    assert sum(map(len, StdinSource(io.BytesIO(data)).blocks())) == 1600


def test_nan_in_a_stream_is_named_by_place() -> None:
    samples = np.zeros((4000, 2), dtype=np.float32)
    samples[3200, 0] = np.nan
    with pytest.raises(NonFiniteError, match=r"standard input: sample at 0\.200 s of channel 1"):
        list(StdinSource(io.BytesIO(_wav(samples, "FLOAT"))).blocks())


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_a_block_comes_when_its_last_sample_would_be_heard() -> None:
    """Catches a pace that drifts by the time that the work takes."""
    clock = _Clock()
    pace = Pace(1000, clock=lambda: clock.now, sleep=clock.sleep)
    pace.wait_for(100)
    clock.now += 0.03
    pace.wait_for(100)
    assert clock.slept == pytest.approx([0.1, 0.07])
    clock.now += 0.55
    assert pace.waiting_frames == 550
    pace.wait_for(100)
    assert len(clock.slept) == 2
    assert pace.waiting_frames == 450


def test_a_file_at_the_speed_of_a_microphone_is_live(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(4800), 48000)
    assert FileSource(tmp_path / "x.wav", realtime=True).live
