"""Bad input: always one line, the right exit code, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge.archive import pack
from command import COMMAND, asc_edge, assert_one_line_error, environment


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder of broken audio, each file named for what is wrong with it."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((32000, 4))
    soundfile.write(tmp_path / "good.wav", noise, 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "mono.wav", noise[:, 0], 16000)
    soundfile.write(tmp_path / "other_rate.wav", noise, 44100)
    soundfile.write(tmp_path / "no_frames.wav", noise[:0], 16000)
    soundfile.write(tmp_path / "nan.wav", np.where(noise > 0.4, np.nan, noise), 16000, subtype="FLOAT")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "good.wav").read_bytes()[:-5000])
    (tmp_path / "text.wav").write_text("this is not audio\n" * 20)
    (tmp_path / "empty.wav").touch()
    return tmp_path


AUDIO = [
    ("missing.wav", "no such file"),
    ("text.wav", "not an audio file"),
    ("cut.wav", "the header promises 256000 bytes of samples, there are 251000"),
    ("empty.wav", "is empty (0 bytes)"),
    ("no_frames.wav", "holds no samples"),
    ("nan.wav", "is NaN or infinite"),
    ("", "is a folder"),
]


@pytest.mark.parametrize("command", [["listen", "--input"], ["classify"]])
@pytest.mark.parametrize(("name", "words"), AUDIO)
def test_broken_audio(command: list[str], name: str, words: str, inputs: Path, tiny_bundle: Path) -> None:
    path = inputs / name if name else inputs
    done = asc_edge(*command, path, "--bundle", tiny_bundle)
    assert_one_line_error(done, 1, words)
    assert str(path) in done.stderr


@pytest.mark.parametrize(("command", "code"), [(["listen", "--input"], 2), (["classify"], 1)])
def test_too_few_channels_for_the_map(command: list[str], code: int, inputs: Path, tiny_bundle: Path) -> None:
    done = asc_edge(*command, inputs / "mono.wav", "--bundle", tiny_bundle, "--channels", "1,2,3,4")
    assert_one_line_error(done, code, "mono.wav has 1 channel, the channel map asks for 2, 3, 4")
    assert done.stdout == ""


@pytest.mark.parametrize("command", [["listen", "--input"], ["classify"]])
def test_another_rate_and_no_resampler(command: list[str], inputs: Path, tiny_bundle: Path) -> None:
    (inputs / "soxr.py").write_text("raise ImportError('not here')")
    env = {"PYTHONPATH": str(inputs)}
    done = asc_edge(*command, inputs / "other_rate.wav", "--bundle", tiny_bundle, env=env)
    assert_one_line_error(done, 1, "pip install soxr")
    assert asc_edge(*command, inputs / "good.wav", "--bundle", tiny_bundle, env=env).returncode == 0


FAKE_PORTAUDIO = """
from types import SimpleNamespace
class PortAudioError(Exception): pass
default = SimpleNamespace(device=(0, 0))
def query_hostapis(): return [{"name": "ALSA"}]
def query_devices():
    names = ("Kitchen Array", "Bedroom Array")
    return [dict(name=n, hostapi=0, max_input_channels=4, default_samplerate=16000.0) for n in names]
"""


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("theremin", "no input device answers to 'theremin'; there is 0 'Kitchen Array', 1 'Bedroom Array'"),
        ("7", "there is no input device 7"),
        ("usb-id:1234:5678", "answers to 'usb-id:1234:5678'"),
        ("array", "could be any of the input devices 0, 1"),
    ],
)
def test_devices_that_are_not_there(device: str, words: str, tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(FAKE_PORTAUDIO)
    done = asc_edge("listen", "--device", device, "--bundle", tiny_bundle, env={"PYTHONPATH": str(tmp_path)})
    assert_one_line_error(done, 2, words)
    assert "asc-edge devices" in done.stderr


def test_a_missing_portaudio(tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    for args in (["devices"], ["listen", "--bundle", tiny_bundle]):
        assert_one_line_error(
            asc_edge(*args, env={"PYTHONPATH": str(tmp_path)}), 1, "apt install libportaudio2"
        )


def _damaged(kind: str, sound: Path, folder: Path) -> Path:
    path = folder / "x.ascb"
    data = bytearray(sound.read_bytes())
    if kind == "flipped":
        data[len(data) // 2] ^= 1
    elif kind == "cut":
        del data[-1000:]
    elif kind == "newer":
        with zipfile.ZipFile(sound) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(files["manifest.json"])
        files["manifest.json"] = json.dumps({**manifest, "schema": manifest["schema"] + 1}).encode()
        data = bytearray(pack(files))
    elif kind == "text":
        data = bytearray(b"hello")
    if kind != "missing":
        path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such bundle"),
        ("text", "not an asc-edge bundle"),
        ("cut", "seal"),
        ("flipped", "damaged"),
        ("newer", "upgrade asc-edge"),
    ],
)
def test_bad_bundles(kind: str, words: str, inputs: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = _damaged(kind, tiny_bundle, tmp_path)
    for args in (
        ["listen", "--input", inputs / "good.wav", "--bundle", bundle],
        ["classify", inputs / "good.wav", "--bundle", bundle],
        ["bundle", "verify", bundle],
        ["bundle", "show", bundle],
    ):
        done = asc_edge(*args)
        assert_one_line_error(done, 1, words)
        assert done.stdout == ""


def test_closed_standard_input(tiny_bundle: Path) -> None:
    command = [*COMMAND, "listen", "--input", "-", "--bundle", str(tiny_bundle)]
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    done = subprocess.run(closed, capture_output=True, text=True, check=False, env=environment(), timeout=60)
    assert_one_line_error(done, 1, "standard input is closed")
    assert_one_line_error(asc_edge(*command[3:]), 1, "ended before any audio came")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--input", "-", "--raw", "16000"], "is not RATE,CHANNELS"),
        (["--input", "x.wav", "--raw", "16000,2"], "goes with --input -"),
        (["--input", "x.wav", "--or-demo"], "--or-demo goes with a microphone"),
        (["--device", "1", "--demo"], "not allowed with"),
        (["--speed", "max"], "--speed goes with"),
        (["--demo", "--channels", "0"], "the first channel is 1"),
        (["--demo", "--channels", "1,9"], "has 4 channels, the channel map asks for 9"),
        (["--demo", "--hop-s", "nan"], "is not a number above 0"),
        (["--demo", "--duration-s", "-1"], "is not a number above 0"),
    ],
)
def test_options_that_contradict(args: list[str], words: str, tiny_bundle: Path) -> None:
    done = asc_edge("listen", *args, "--bundle", tiny_bundle)
    assert_one_line_error(done, 2, words)
    assert done.stdout == ""


def test_the_unexpected_is_one_line_too_unless_debugging(tmp_path: Path) -> None:
    """Catches a traceback in the log of somebody's kitchen, and one that can't be had when it is needed."""
    broken = FAKE_PORTAUDIO + "def query_devices(): raise KeyError('oh\\ndear')\n"
    (tmp_path / "sounddevice.py").write_text(broken)
    env = {"PYTHONPATH": str(tmp_path)}
    assert_one_line_error(asc_edge("devices", env=env), 1, "unexpected KeyError")
    debugged = asc_edge("devices", env={**env, "ASC_EDGE_DEBUG": "1"})
    assert "Traceback" in debugged.stderr
    assert debugged.returncode != 0


def test_a_full_disk_is_one_line(inputs: Path, tiny_bundle: Path) -> None:
    command = [*COMMAND, "listen", "--input", str(inputs / "good.wav"), "--bundle", str(tiny_bundle)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(),
            timeout=60,
        )
    assert_one_line_error(done, 1, "No space left on device")
