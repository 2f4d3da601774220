"""Sources yield blocks of samples: what they have in common, and those that read files and streams."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from asc_edge.audio.files import check_finite, open_audio, read_block, truncated
from asc_edge.audio.samples import Samples
from asc_edge.audio.wav import HeaderCutOffError, NotWavError, WavHeader, decode, read_wav_header
from asc_edge.errors import AudioFileError
from asc_edge.notices import Notice

BLOCK_S = 0.1


class Source(Protocol):
    """Somewhere that audio comes from.

    Attributes
    ----------
    name : str
        What to call it in messages.
    description : dict of str to object
        What the start line of the output says about it; ``kind`` first.
    sample_rate_hz, channels : int
        Of the blocks that it yields.
    live : bool
        Whether audio goes on without us, so that decisions may have to be skipped to keep up.
    lost_frames : int
        Frames that were lost directly before the block that was yielded last.
    overruns : int
        How often something was lost so far.
    waiting_frames : int
        Frames that are there already but not yet yielded.
    on_notice : callable or None
        Told what happens to the source, where more can happen to it than an end; who listens sets it.
    """

    on_notice: Callable[[Notice], None] | None

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> dict[str, object]: ...
    @property
    def sample_rate_hz(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def live(self) -> bool: ...
    @property
    def lost_frames(self) -> int: ...
    @property
    def overruns(self) -> int: ...
    @property
    def waiting_frames(self) -> int: ...

    def blocks(self) -> Iterator[Samples]:
        """Yield blocks, shape (n, channels), n > 0, until the source ends."""
        ...

    def close(self) -> None:
        """Let go of the file or device; may be called twice."""
        ...


class Pace:
    """Delivers at the speed of a microphone: a block comes when its last sample would have been heard.

    Parameters
    ----------
    sample_rate_hz : int
    clock, sleep
        Replaceable, so that tests need not wait.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._sleep = sleep
        self._start_s: float | None = None
        self._delivered = 0

    def wait_for(self, frames: int) -> None:
        """Return when the next ``frames`` would have been heard."""
        if self._start_s is None:
            self._start_s = self._clock()
        self._delivered += frames
        early_s = self._start_s + self._delivered / self._sample_rate_hz - self._clock()
        if early_s > 0:
            self._sleep(early_s)

    @property
    def waiting_frames(self) -> int:
        """Frames that would have been heard by now, and were not delivered."""
        if self._start_s is None:
            return 0
        heard = (self._clock() - self._start_s) * self._sample_rate_hz
        return max(0, int(heard) - self._delivered)


class FileSource:
    """An audio file, as fast as it can be read or at the speed of a microphone.

    Parameters
    ----------
    path : path
    realtime : bool
        Makes it behave as if live.

    Raises
    ------
    AudioFileError
        As :func:`asc_edge.audio.files.open_audio`; while reading, when the file breaks off.
    NonFiniteError
        While reading, when samples are NaN or infinite.
    """

    overruns = 0
    lost_frames = 0
    on_notice: Callable[[Notice], None] | None = None

    def __init__(self, path: str | os.PathLike[str], *, realtime: bool = False) -> None:
        self._sound = open_audio(path)
        self._path = path
        self.name = os.fspath(path)
        self.sample_rate_hz = int(self._sound.samplerate)
        self.channels = int(self._sound.channels)
        self._pace = Pace(self.sample_rate_hz) if realtime else None
        self.live = realtime
        self.description: dict[str, object] = {
            "kind": "file",
            "path": self.name,
            "channels": self.channels,
            "sample_rate_hz": self.sample_rate_hz,
            "duration_s": round(self._sound.frames / self.sample_rate_hz, 6),
        }

    @property
    def waiting_frames(self) -> int:
        return 0 if self._pace is None else self._pace.waiting_frames

    def blocks(self) -> Iterator[Samples]:
        promised, found = int(self._sound.frames), 0
        step = max(1, round(BLOCK_S * self.sample_rate_hz))
        while len(block := read_block(self._sound, step, self._path)):
            found += len(block)
            if self._pace is not None:
                self._pace.wait_for(len(block))
            yield block
        if found < promised:
            raise AudioFileError(truncated(self._path, promised, found, "frames"))

    def close(self) -> None:
        self._sound.close()


class StdinSource:
    """A WAV stream on standard input, or headerless 16-bit samples; as fast as they come.

    Parameters
    ----------
    stream : binary file or None
        None when standard input is closed.
    raw : (sample_rate_hz, channels), optional
        Given for headerless little-endian int16.
    realtime : bool
        Holds a fast writer back. It isn't live even then: a pipe waits, nothing is lost in it.

    Raises
    ------
    AudioFileError
        When the stream is closed, empty or no WAV stream; while reading, when it ends before its promise.
    """

    live = False
    overruns = 0
    lost_frames = 0
    waiting_frames = 0
    on_notice: Callable[[Notice], None] | None = None
    name = "standard input"

    def __init__(
        self, stream: BinaryIO | None, raw: tuple[int, int] | None = None, *, realtime: bool = False
    ) -> None:
        if stream is None:
            raise AudioFileError("standard input is closed; pipe a WAV stream into it")
        self._stream = stream
        self._header = self._read_header() if raw is None else WavHeader(*raw, "s16", None, 0)
        self.sample_rate_hz = self._header.sample_rate_hz
        self._pace = Pace(self.sample_rate_hz) if realtime else None
        self.channels = self._header.channels
        self.description: dict[str, object] = {
            "kind": "stdin",
            "encoding": self._header.encoding,
            "channels": self.channels,
            "sample_rate_hz": self.sample_rate_hz,
        }

    def _read_header(self) -> WavHeader:
        try:
            return read_wav_header(self._stream, self.name)
        except NotWavError as error:
            raise AudioFileError(f"{error}; for headerless samples give --raw RATE,CHANNELS") from None
        except HeaderCutOffError as error:
            if error.found_bytes:
                raise
            raise AudioFileError(f"{self.name} ended before any audio came") from None

    def blocks(self) -> Iterator[Samples]:
        header = self._header
        step = max(1, round(BLOCK_S * self.sample_rate_hz)) * header.frame_bytes
        found, heard = 0, 0
        while header.data_bytes is None or found < header.data_bytes:
            ask = step if header.data_bytes is None else min(step, header.data_bytes - found)
            data = self._stream.read(ask)
            if not data:
                break
            found += len(data)
            # An end inside a frame loses that frame, as it would in a file.
            block = decode(data[: len(data) - len(data) % header.frame_bytes], header.encoding, self.channels)
            if len(block) == 0:
                break
            check_finite(block, heard, self.sample_rate_hz, self.name)
            heard += len(block)
            if self._pace is not None:
                self._pace.wait_for(len(block))
            yield block
        if found < header.frame_bytes:
            raise AudioFileError(f"{self.name} ended before any audio came")
        if header.data_bytes is not None and found < header.data_bytes:
            raise AudioFileError(truncated(self.name, header.data_bytes, found, "bytes of samples"))

    def close(self) -> None:
        """Standard input is not ours to close."""


def stdin_stream() -> BinaryIO | None:
    """Standard input as bytes; None when it is closed."""
    return None if sys.stdin is None else sys.stdin.buffer
