"""A real PortAudio stream of four channels, without a sound card: what is heard is what was played."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from command import COMMAND, asc_edge, assert_one_line_error, environment, json_lines
from fake_microphone import CHANNELS, NAME, RATE_HZ, FakeMicrophone, what_is_missing

from tiny_system import LABELS, band_noise

SECONDS = 6


def _require_microphone() -> None:
    missing = what_is_missing()
    if missing:
        message = f"no fake microphone without: apt install {' '.join(missing)}"
        # Where the project is proven, a test that can't run has not passed.
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture
def microphone() -> Iterator[FakeMicrophone]:
    _require_microphone()
    with FakeMicrophone() as fake:
        yield fake


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Low, mid and high noise at a different level in each channel; the third channel is dead."""
    mono = np.concatenate([band_noise(label, SECONDS / 3) for label in LABELS])
    channels = mono[:, np.newaxis] * np.array([1.0, 0.5, 0.0, 0.25]) + np.array([0.0, 0.02, 0.03, -0.01])
    return np.round(channels * 32767).astype(np.int16)


def _start(microphone: FakeMicrophone, bundle: Path, *args: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "listen", "--device", NAME, "--bundle", str(bundle), "--format", "jsonl", *args]
    return subprocess.Popen(
        command, env=environment(microphone.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _heard(microphone: FakeMicrophone, bundle: Path, clip: np.ndarray, *args: str) -> list[dict[str, Any]]:
    """Play a clip into ``listen``, and give all that it wrote.

    Nothing is played before the first line says that the stream is open, and a pipe that nobody has written
    to delivers nothing: so the first sample of the clip is the first sample that is heard.
    """
    with _start(microphone, bundle, "--duration-s", str(SECONDS), *args) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        # The stream passes on whole periods: what stands behind the clip pushes its end through.
        microphone.play(np.concatenate([clip, np.zeros((RATE_HZ, CHANNELS), dtype=np.int16)]))
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, ""), errors
    return json_lines(first + rest)


@pytest.mark.parametrize("args", [[], ["--channels", "2,4"]], ids=["all", "mapped"])
def test_the_device_decides_as_the_file_does(
    args: list[str], microphone: FakeMicrophone, clip: np.ndarray, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Catches swapped channels, wrong scales, lost or doubled blocks and shifted time."""
    lines = _heard(microphone, tiny_bundle, clip, *args)
    source = lines[0]["source"]
    assert (source["kind"], source["id"], source["channels"]) == ("device", f"name:{NAME}", CHANNELS)
    soundfile.write(tmp_path / "clip.wav", clip, RATE_HZ)
    file = asc_edge(
        *("listen", "--input", tmp_path / "clip.wav", "--bundle", tiny_bundle, "--format", "jsonl", *args)
    )
    live = [line for line in lines if line["type"] == "decision"]
    expected = json_lines(file.stdout, "decision")
    assert len(expected) == 2 * SECONDS - 1
    assert [line["t_s"] for line in live] == [line["t_s"] for line in expected]
    for one, other in zip(live, expected, strict=True):
        assert (one["top"], one["state"], one["channels"]) == (other["top"], "ok", other["channels"])
        assert one["posterior"] == pytest.approx(other["posterior"], abs=1e-4)
    assert {line["top"] for line in live} == set(LABELS)
    stats = lines[-1]
    assert (stats["skipped"], stats["overruns"], stats["duration_s"]) == (0, 0, SECONDS)


def test_a_microphone_that_falls_silent_ends_it(
    microphone: FakeMicrophone, clip: np.ndarray, tiny_bundle: Path
) -> None:
    """Catches a stop() that waits for ever for a dead device, and a runner that goes on without one."""
    with _start(microphone, tiny_bundle, "--no-wait") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        microphone.play(clip[: 2 * RATE_HZ])
        # The timeout is the assertion: it ends by itself.
        rest, errors = process.communicate(timeout=60)
    assert json.loads(first)["type"] == "start"
    assert json_lines(rest)[-1]["type"] == "stats"
    assert json_lines(rest, "decision")
    done = subprocess.CompletedProcess([], process.returncode, rest, errors)
    assert_one_line_error(done, 1, f"'{NAME}' has delivered nothing for 5 s")


def test_devices_lists_it(microphone: FakeMicrophone) -> None:
    done = asc_edge("devices", "--json", env=microphone.env)
    assert done.stderr == ""
    listed = {device["name"]: device for device in json.loads(done.stdout)}
    assert listed[NAME]["stable_id"] == f"name:{NAME}"
    index = listed[NAME]["index"]
    assert f"{index} " in asc_edge("devices", env=microphone.env).stdout


def test_an_index_that_is_not_there(microphone: FakeMicrophone, tiny_bundle: Path) -> None:
    done = asc_edge("listen", "--device", "99", "--bundle", tiny_bundle, env=microphone.env)
    assert_one_line_error(done, 2, "there is no input device 99")
    assert NAME in done.stderr


def test_more_channels_than_the_device_has(microphone: FakeMicrophone, tiny_bundle: Path) -> None:
    done = asc_edge(
        *("listen", "--device", NAME, "--channels", "1,40", "--bundle", tiny_bundle), env=microphone.env
    )
    assert_one_line_error(done, 2, "has 32 channels, the channel map asks for 40")


_SUPERVISED = """
import json, sys, time
from asc_edge.audio.input_settings import InputSettings
from asc_edge.audio.supervisor import open_microphone
from asc_edge.sinks import Notice

def say(notice):
    print(json.dumps([notice.kind, time.monotonic(), position / 16000]), flush=True)

position = 0
source = open_microphone(InputSettings(device=sys.argv[1], channels="1,2,3,4"), 16000, say)
print(json.dumps(["open", time.monotonic(), 0.0]), flush=True)
for block in source.blocks():
    position += source.lost_frames + len(block)
    if source.lost_frames or position == len(block):
        print(json.dumps(["heard", time.monotonic(), position / 16000]), flush=True)
    if len(sys.argv) > 2 and position > 16000 * float(sys.argv[2]):
        break
source.close()
print(json.dumps(["closed", time.monotonic(), position / 16000]), flush=True)
"""


# Catches: a stream whose callbacks stopped and that is closed for ever; a PortAudio that does not find the
# device again; and time that stood still.
def test_a_microphone_that_comes_back_is_heard_again(microphone: FakeMicrophone, clip: np.ndarray) -> None:
    command = [sys.executable, "-c", _SUPERVISED, NAME, "9"]
    with subprocess.Popen(
        command, env=environment(microphone.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline())]
        microphone.play(clip[: 2 * RATE_HZ]).join()
        stopped_s = time.monotonic()
        while lines[-1][0] != "input_lost":
            lines.append(json.loads(process.stdout.readline()))
        noticed_s = time.monotonic()
        time.sleep(2.0)
        back_s = time.monotonic()
        microphone.play(np.tile(clip, (3, 1)))
        rest, errors = process.communicate(timeout=60)
    lines += [json.loads(line) for line in rest.splitlines()]
    assert (process.returncode, errors) == (0, "")
    assert noticed_s - stopped_s < 5.0
    assert [line[0] for line in lines] == ["open", "heard", "input_lost", "input_back", "heard", "closed"]
    first, again = (line for line in lines if line[0] == "heard")
    assert again[1] - back_s < 10.0
    # Counted samples and the clock agree on how long it was.
    assert again[2] - first[2] == pytest.approx(again[1] - first[1], abs=0.5)


# Catches: clips that are lost, or have a hole, because the recorder got no time for a while: they may only be
# late; and a loss that nobody is told of.
def test_record_writes_every_clip_however_busy_the_machine_is(tmp_path: Path) -> None:
    _require_microphone()
    for attempt in range(3):
        with FakeMicrophone() as fake:
            places, said = _recorded(fake, tmp_path / str(attempt))
        # Whatever happened: what is written has no hole.
        for place in places:
            np.testing.assert_array_equal(place, np.arange(place[0], place[0] + 2 * RATE_HZ))
        # The microphone itself is a thread of this process, and a machine may be too busy for that one.
        if "audio was lost" not in said:
            break
    assert "4 clips of ramp, 8 s\n" in said
    assert [later[0] - earlier[-1] for earlier, later in pairwise(places)] == [1, 1, 1]


def _recorded(fake: FakeMicrophone, folder: Path) -> tuple[list[np.ndarray], str]:
    """Which frames of the sound each clip of 2 s holds, of 9 s; and what was said."""
    # Counts up, so that a frame tells its place; the last channel counts the wraps.
    count = np.arange(120 * RATE_HZ)
    sound = np.stack([count % 30000, count % 30000, np.zeros_like(count), count // 30000], axis=1)
    words = ["record", str(folder), "--label", "ramp", "--take", "t", "--device", NAME, "--yes"]
    command = [*COMMAND, *words, "--channels", "1,2,3,4", "--clip-s", "2", "--minutes", "0.15"]
    with subprocess.Popen(
        command, env=environment(fake.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # It plays for as long as it takes: how soon a process is ready is no promise.
        fake.play(sound.astype(np.int16))
        assert process.stdout is not None
        first = process.stdout.readline()
        # Half a second in which it gets no time at all, over and over.
        for _ in range(4):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.5)
        rest, said = process.communicate(timeout=120)
    clips = [soundfile.read(path, dtype="int16")[0].astype(int) for path in (first + rest).splitlines()]
    return [clip[:, 0] + 30000 * clip[:, 3] for clip in clips], said
