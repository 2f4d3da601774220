"""Labelled clips: written only when somebody agrees, whole, and as the trainer reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asc_edge.audio.recording import KEEP_FREE_BYTES, ClipWriter, record_clips
from asc_edge.cli import record as cli_record
from asc_edge.cli.main import main
from asc_edge.errors import RecordingError
from asc_edge_train.datasets.folders import load_folders
from command import asc_edge, assert_one_line_error

from tiny_system import band_noise

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Scripted:
    """A source of int16 blocks, some of which come after a loss."""

    on_notice = None
    name, live, overruns, waiting_frames = "scripted", True, 0, 0
    sample_rate_hz, channels = 1000, 3

    def __init__(self, blocks: int, lost: dict[int, int] | None = None) -> None:
        self.description: dict[str, object] = {"kind": "device", "id": "usb-id:1:2"}
        rng = np.random.default_rng(1)
        self.sound = rng.integers(-9000, 9000, (100 * blocks, 3)).astype(np.int16)
        self.lost = lost or {}
        self.lost_frames = 0

    def blocks(self) -> Iterator[NDArray[np.int16]]:
        for number in range(len(self.sound) // 100):
            self.lost_frames = self.lost.get(number, 0)
            yield self.sound[100 * number : 100 * number + 100]

    def close(self) -> None:
        pass


def record(
    folder: Path, source: Scripted, writer: ClipWriter | None = None, duration_s: float = 60.0, **more: Any
) -> list[Path]:
    about = {"device": source.description, "room": "r"}
    writer = writer or ClipWriter(folder, "cooking", "take1", 1000, about)
    clips = record_clips(
        source, writer, channels=(0, 1, 2), clip_s=0.5, duration_s=duration_s, started=NOON, **more
    )
    return list(clips)


@pytest.mark.parametrize("form", ["flac", "wav"])
def test_clips_hold_every_bit_of_every_channel(tmp_path: Path, form: str) -> None:
    """Catches: dither, a gain, a channel that is left out, or clips that overlap."""
    source = Scripted(23)
    paths = record(tmp_path, source, ClipWriter(tmp_path, "cooking", "take1", 1000, {"room": "r"}, form))
    assert [path.name for path in paths] == [f"12000{n // 2}-000{n + 1}.{form}" for n in range(4)]
    for number, path in enumerate(paths):
        samples, rate = soundfile.read(path, dtype="int16")
        assert (rate, soundfile.info(path).subtype) == (1000, "PCM_16")
        np.testing.assert_array_equal(samples, source.sound[500 * number : 500 * number + 500])
    about = json.loads(paths[1].with_suffix(".json").read_text())
    assert about["started"] == "2026-03-01T12:00:00.500+00:00"
    assert (about["label"], about["channels"], about["rate_hz"], about["room"]) == ("cooking", 3, 1000, "r")


def test_a_clip_with_a_hole_is_let_go_and_time_goes_on(tmp_path: Path) -> None:
    """Catches: a clip of two moments, or clips that are dated too early after a loss."""
    paths = record(tmp_path, Scripted(15, lost={7: 2000}))
    started = [json.loads(path.with_suffix(".json").read_text())["started"] for path in paths]
    assert [text[17:23] for text in started] == ["00.000", "02.700"]


def test_it_ends_when_it_was_asked_to(tmp_path: Path) -> None:
    """Catches: a Ctrl-C that is not heard, or takes complete clips with it."""
    asked = iter([False] * 6 + [True] * 99)
    assert len(record(tmp_path, Scripted(50), stopped=lambda: next(asked))) == 1
    assert len(record(tmp_path / "b", Scripted(50), duration_s=1.0)) == 2


def test_a_full_disk_keeps_what_is_complete(tmp_path: Path) -> None:
    """Catches: half a clip, or a JSON without one, and a disk that is filled to the last byte."""
    left = iter([KEEP_FREE_BYTES + 10**6, KEEP_FREE_BYTES + 100])
    writer = ClipWriter(tmp_path, "a", "t", 1000, {}, "flac", free_bytes=lambda folder: next(left))
    with pytest.raises(RecordingError, match="the disk is full; 1 clips are complete"):
        record(tmp_path, Scripted(50), writer=writer)
    assert sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file()) == [".flac", ".json"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a temporary file, or a JSON without its clip."""

    def fails(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", fails)
    with pytest.raises(RecordingError, match="the disk is full; 0 clips"):
        record(tmp_path, Scripted(50))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_trainer_reads_what_was_recorded(tmp_path: Path) -> None:
    """Catches: a layout that only looks like the trainer's, and takes that straddle folds."""
    soundfile.write(tmp_path / "x.wav", band_noise("mid", 7.0), 16000, "PCM_16")
    for label, take in (("cooking", "monday"), ("cooking", "tuesday"), ("eating", "monday")):
        words = ["--label", label, "--take", take, "--clip-s", "2", "--yes"]
        words += ["--input", str(tmp_path / "x.wav")]
        done = asc_edge("record", tmp_path / "own", *words)
        assert done.returncode == 0, done.stderr
        assert "This writes what is heard" in done.stderr
        assert len(done.stdout.splitlines()) == 3
    clips = load_folders(tmp_path / "own")
    assert sorted({(clip.fine, clip.group) for clip in clips}) == [
        ("cooking", "folders:own:monday"),
        ("cooking", "folders:own:tuesday"),
        ("eating", "folders:own:monday"),
    ]
    assert len(clips) == 9


def test_nothing_is_written_unless_somebody_agrees(tmp_path: Path) -> None:
    """Catches: audio on a disk because a command was mistyped in a script."""
    soundfile.write(tmp_path / "x.wav", band_noise("mid", 7.0), 16000, "PCM_16")
    done = asc_edge("record", tmp_path / "own", "--label", "cooking", "--input", tmp_path / "x.wav")
    assert done.returncode == 2
    assert "give --yes" in done.stderr
    assert not (tmp_path / "own").exists()


# Catches: a command that says it is done and has written nothing, and one that takes five minutes of an hour.
def test_a_file_is_cut_whole_or_it_is_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(400 * 8000, np.int16), 8000, "PCM_16")
    words = ["record", tmp_path / "own", "--label", "quiet", "--input", tmp_path / "x.wav", "--yes"]
    assert len(asc_edge(*words, "--clip-s", "100").stdout.splitlines()) == 4
    assert len(asc_edge(*words, "--clip-s", "100", "--minutes", "5", "--take", "b").stdout.splitlines()) == 3
    done = asc_edge(*words, "--clip-s", "500")
    assert done.returncode == 1
    assert "nothing was written: no 500 s without a gap" in done.stderr
    done = asc_edge(*words, "--rate", "-5")
    assert_one_line_error(done, 2, "--rate -5 is not in 8000 to 192000 Hz")


@pytest.mark.parametrize("label", ["../up", "a/b", "", ".hidden", "x" * 65])
def test_labels_stay_inside_the_folder(tmp_path: Path, label: str) -> None:
    """Catches: clips outside of the set's folder."""
    done = asc_edge("record", tmp_path, f"--label={label}", "--yes", "--input", "x.wav")
    assert_one_line_error(done, 1, "can't name a folder")


# Catches: fewer clips than the time would have given, and not a word of why.
def test_lost_audio_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(lost: dict[int, int], clip_s: str) -> int:
        source = Scripted(30, lost)
        source.overruns = len(lost)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli_record, "_open", lambda *args: source)
            words = ["record", str(tmp_path), "--label", "a", "--clip-s", clip_s, "--yes"]
            return main(words)

    assert run({}, "0.5") == 0
    assert "6 clips of a, 3 s\n" in capsys.readouterr().err
    assert run({7: 100, 13: 100}, "0.5") == 0
    said = "5 clips of a, 2.5 s (audio was lost 2 times, and the clips in which it was)"
    assert said in capsys.readouterr().err
    assert run({15: 100}, "2") == 1
    assert "no 2 s without a gap were heard (audio was lost 1 time," in capsys.readouterr().err
