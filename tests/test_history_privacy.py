"""No sample that was heard is ever written down."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge.audio.sources import FileSource
from asc_edge.bundle import Bundle
from asc_edge.monitor import Monitor
from asc_edge.pipeline import Pipeline
from asc_edge.sinks.history import open_history
from asc_edge.store import HistorySettings
from asc_edge.store.reader import HistoryReader
from command import asc_edge
from privacy_scan import audio_found

from tiny_system import LABELS, band_noise


@pytest.fixture(scope="module")
def played() -> np.ndarray:
    """Noise of three bands in four channels, each of its own level."""
    mono = np.concatenate([band_noise(label, 8.0) for label in LABELS])
    return np.round(mono[:, np.newaxis] * np.array([1.0, 0.6, 0.4, 0.25]) * 32767).astype(np.int16)


# Catches: audio in the database, its log, or a file beside it.
def test_the_history_holds_no_audio(played: np.ndarray, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    state = tmp_path / "state"
    clip = tmp_path / "in" / "clip.wav"
    soundfile.write(clip, played, 16000)
    said: list[str] = []
    sink = open_history(HistorySettings(path=str(state / "history.db")), said.append)
    Monitor(FileSource(str(clip)), Pipeline(Bundle.open(tiny_bundle), channels=4), [sink]).run()
    assert said == []
    with HistoryReader(state / "history.db") as reader:
        assert [event.activity for event in reader.events(0, 2**52)] == list(LABELS)
        assert sum(minute.ok for minute in reader.minutes(0, 2**52)) == 47
    assert audio_found([state], played) == []
    assert audio_found([tmp_path / "in"], played) != []


# Catches: a temporary file, a cache or a log that `listen` leaves behind.
def test_listening_writes_no_audio(played: np.ndarray, tiny_bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("tmp", "state", "cache"):
        (home / name).mkdir(parents=True)
    soundfile.write(tmp_path / "clip.wav", played, 16000)
    done = asc_edge(
        *("listen", "--input", tmp_path / "clip.wav", "--bundle", tiny_bundle, "--format", "jsonl"),
        env={
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
        },
    )
    assert done.returncode == 0, done.stderr
    (home / "output.jsonl").write_text(done.stdout)
    assert audio_found([home], played) == []


# Catches: a search that finds nothing because it can't.
@pytest.mark.parametrize(
    "leak",
    [
        lambda samples: samples.astype("<i2").tobytes(),
        lambda samples: samples[:, 2].astype(">i2").tobytes(),
        lambda samples: (samples[:, 1] / np.float32(32768)).astype("<f4").tobytes(),
        lambda samples: (samples[:, 0] >> 8).astype(np.int8).tobytes(),
        lambda samples: b"x" * 7 + samples[5000:5160, 0].astype("<i2").tobytes() + b"y" * 100,
        lambda samples: base64.b64encode(samples[:, 0].astype("<i2").tobytes()),
    ],
    ids=["int16", "one channel BE", "float32", "8 bit", "a hundredth of a second", "base64"],
)
def test_the_search_finds_what_is_there(
    leak: Callable[[np.ndarray], bytes], played: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "innocent.db").write_bytes(b"SQLite format 3\0" + leak(played[:64000]))
    (line,) = {line.partition(":")[0] for line in audio_found([tmp_path], played[:64000])}
    assert line.endswith("innocent.db")
