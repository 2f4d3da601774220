"""The commands, doing what they are there for."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge import __version__
from asc_edge.bundle import Bundle
from asc_edge.pipeline import Pipeline
from command import asc_edge, json_lines

from tiny_system import LABELS, band_noise

COMMANDS = ["", "devices", "listen", "classify", "bundle", "bundle show", "bundle verify", "bench"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Low, mid, then high noise, 3 s each, on two of three channels; the third is dead."""
    path = tmp_path_factory.mktemp("clip") / "bands.wav"
    mono = np.concatenate([band_noise(label, 3.0) for label in LABELS])
    soundfile.write(path, np.stack([mono, 0.5 * mono, 0 * mono], axis=1), 16000)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples(command: str) -> None:
    done = asc_edge(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    examples = done.stdout.split("examples:\n")[1]
    assert f"asc-edge {command}".strip() in examples
    assert max(map(len, examples.splitlines())) <= 100


def test_version() -> None:
    assert asc_edge("--version").stdout == f"asc-edge {__version__}\n"


@pytest.mark.parametrize("args", [[], ["dance"], ["bundle"], ["classify"], ["listen", "--hop-s", "0"]])
def test_wrong_use_is_one_line_and_code_2(args: list[str]) -> None:
    """Catches argparse's own two screens of usage."""
    done = asc_edge(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("asc-edge: error: ")
    assert "--help shows how" in done.stderr


def test_listen_gives_the_pipelines_own_decisions(clip: Path, tiny_bundle: Path) -> None:
    """Catches anything lost, changed or doubled between the file and the line."""
    done = asc_edge("listen", "--input", clip, "--bundle", tiny_bundle, "--format", "jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    samples, _ = soundfile.read(clip, dtype="float32")
    expected = Pipeline(Bundle.open(tiny_bundle), channels=3).push(samples)
    lines = json_lines(done.stdout, "decision")
    assert [line["t_s"] for line in lines] == [decision.t_s for decision in expected]
    for line, decision in zip(lines, expected, strict=True):
        assert line["top"] == decision.top
        assert line["posterior"] == pytest.approx(decision.posterior, abs=1e-6)
        assert line["channels"] == ["ok", "ok", "dead"]
    first, last = json_lines(done.stdout)[0], json_lines(done.stdout)[-1]
    assert (first["type"], first["channels"], first["labels"]) == ("start", 3, list(LABELS))
    assert first["source"]["path"] == str(clip)
    assert (last["type"], last["decisions"], last["duration_s"]) == ("stats", 17, 9.0)


@pytest.mark.parametrize("raw", [False, True])
def test_a_stream_is_heard_as_the_file_is(raw: bool, clip: Path, tiny_bundle: Path) -> None:
    if raw:
        samples, _ = soundfile.read(clip, dtype="int16")
        source, data = ["--input", "-", "--raw", "16000,3"], samples.tobytes()
    else:
        source, data = ["--input", "-"], clip.read_bytes()
    common = ["--bundle", tiny_bundle, "--format", "jsonl"]
    file = json_lines(asc_edge("listen", "--input", clip, *common).stdout, "decision")
    stream = json_lines(asc_edge("listen", *source, *common, stdin=data).stdout, "decision")
    assert [(line["t_s"], line["top"]) for line in stream] == [(line["t_s"], line["top"]) for line in file]
    for one, other in zip(stream, file, strict=True):
        assert one["posterior"] == pytest.approx(other["posterior"], abs=1e-6)


def test_listen_options_choose_channels_hop_and_duration(clip: Path, tiny_bundle: Path) -> None:
    done = asc_edge(
        *("listen", "--input", clip, "--bundle", tiny_bundle, "--format", "jsonl"),
        *("--channels", "2,3", "--hop-s", "0.25", "--duration-s", "2"),
    )
    decisions = json_lines(done.stdout, "decision")
    assert [line["t_s"] for line in decisions] == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert decisions[-1]["channels"] == ["ok", "dead"]
    assert json_lines(done.stdout, "stats")[0]["duration_s"] == 2.0


def test_listen_text_shows_decisions_and_events(clip: Path, tiny_bundle: Path) -> None:
    done = asc_edge("listen", "--input", clip, "--bundle", tiny_bundle)
    assert "low began at 00:00:01" in done.stdout
    assert done.stdout.splitlines()[-1] == "17 decisions, 0 skipped, 0 overruns in 9.0 s"
    assert "\x1b" not in done.stdout


def test_a_file_at_another_rate_is_decided_alike(clip: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Catches samples that are taken for the bundle's rate whatever the file says."""
    import soxr

    samples, _ = soundfile.read(clip)
    soundfile.write(tmp_path / "fast.wav", soxr.resample(samples, 16000, 44100), 44100)
    done = asc_edge("listen", "--input", tmp_path / "fast.wav", "--bundle", tiny_bundle, "--format", "jsonl")
    tops = {line["t_s"]: line["top"] for line in json_lines(done.stdout, "decision")}
    assert (tops[2.0], tops[5.0], tops[8.0]) == LABELS


def test_the_demo_plays_and_says_what_it_is(tiny_bundle: Path) -> None:
    common = ["--bundle", tiny_bundle, "--format", "jsonl", "--duration-s", "3"]
    done = asc_edge("listen", "--demo", "--speed", "max", *common)
    assert done.returncode == 0
    assert json_lines(done.stdout)[0]["source"]["synthetic"] is True
    assert len(json_lines(done.stdout, "decision")) == 5


def test_without_a_microphone_the_demo_steps_in_and_says_so(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    done = asc_edge(
        *("listen", "--or-demo", "--bundle", tiny_bundle, "--format", "jsonl", "--duration-s", "1"),
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0
    assert json_lines(done.stdout)[0]["source"]["kind"] == "demo"
    assert len(done.stderr.splitlines()) == 1
    assert "playing the synthetic demo scene instead" in done.stderr


def _one_band(label: str, path: Path, rate: int = 16000) -> Path:
    soundfile.write(path, band_noise(label, 2.0, rate=rate), rate)
    return path


def test_classify_in_every_format(tiny_bundle: Path, tmp_path: Path) -> None:
    low = _one_band("low", tmp_path / "low.flac")
    high = _one_band("high", tmp_path / "high.wav", rate=48000)
    common = ["classify", low, high, "--bundle", tiny_bundle]
    text = asc_edge(*common).stdout.splitlines()
    assert [line.split()[:2] for line in text] == [[str(low), "low"], [str(high), "high"]]
    rows = list(csv.DictReader(io.StringIO(asc_edge(*common, "--format", "csv").stdout)))
    clips = json_lines(asc_edge(*common, "--format", "jsonl").stdout)
    for row, one, label in zip(rows, clips, ("low", "high"), strict=True):
        assert row["top"] == one["top"] == label
        assert (row["state"], row["duration_s"]) == ("ok", "2.000")
        assert {name: float(row[name]) for name in LABELS} == pytest.approx(one["posterior"], abs=1e-6)
        assert sum(one["posterior"].values()) == pytest.approx(1.0, abs=1e-5)


def test_classify_goes_on_after_a_bad_file(tiny_bundle: Path, tmp_path: Path) -> None:
    """Catches one broken clip of a thousand that costs the other answers, or goes unnoticed."""
    good = [_one_band("low", tmp_path / "a.wav"), _one_band("mid", tmp_path / "b.wav")]
    done = asc_edge(
        "classify", good[0], tmp_path / "none.wav", good[1], "--bundle", tiny_bundle, "--format", "jsonl"
    )
    assert [line["top"] for line in json_lines(done.stdout)] == ["low", "mid"]
    assert done.returncode == 1
    assert done.stderr == f"asc-edge: error: {tmp_path / 'none.wav'}: no such file\n"


def test_classify_says_silent_of_silence(tiny_bundle: Path, tmp_path: Path) -> None:
    dither = np.random.default_rng(0).integers(0, 2, 32000) / 2**23
    soundfile.write(tmp_path / "s.wav", dither, 16000, subtype="PCM_24")
    done = asc_edge("classify", tmp_path / "s.wav", "--bundle", tiny_bundle, "--format", "csv")
    assert done.stdout.splitlines()[1].split(",")[2:] == ["silent", "", "", "", ""]


def test_bundle_show_and_verify(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    shown = asc_edge("bundle", "show", tiny_bundle).stdout
    assert all(word in shown for word in (*LABELS, bundle.sha256, "bands.onnx", "not heard  absence"))
    fields = json.loads(asc_edge("bundle", "show", "--json", tiny_bundle).stdout)
    assert (fields["sha256"], fields["labels"]) == (bundle.sha256, list(LABELS))
    verified = asc_edge("bundle", "verify", tiny_bundle)
    assert (verified.returncode, "sound" in verified.stdout) == (0, True)
    assert json.loads(asc_edge("bundle", "verify", "--json", tiny_bundle).stdout)["sound"] is True


def test_the_built_in_bundle_says_how_good_it_is_and_what_it_was_learnt_from() -> None:
    """Catches a built-in bundle without a card or an attribution list."""
    shown = asc_edge("bundle", "show", "home")
    assert shown.returncode == 0
    raw = json.loads(asc_edge("bundle", "show", "--json").stdout)
    assert f"macro-F1 {100 * raw['accuracy']['macro_f1']:.1f} %" in shown.stdout
    assert "absence and watching_tv are simulated" in " ".join(shown.stdout.split())
    assert max(map(len, shown.stdout.splitlines())) <= 100
    printed = asc_edge("bundle", "show", "--print", "ATTRIBUTION.md").stdout
    assert sum("| CC-BY |" in line for line in printed.splitlines()) > 100
    missing = asc_edge("bundle", "show", "--print", "nothing")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


def test_a_bundle_is_found_by_path_before_name(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a built-in bundle that hides a file of the same name here."""
    shutil.copy(tiny_bundle, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    assert asc_edge("bundle", "show", "home").stdout.startswith("tiny 1\n")


def test_a_folder_does_not_hide_the_built_in_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `asc-edge listen` failing in /, where there is a folder named home."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    assert asc_edge("bundle", "show").stdout.startswith("home ")


def test_devices_answers_on_every_machine() -> None:
    """Catches a crash where there is no sound card, and ALSA's chatter on standard error."""
    text, listed = asc_edge("devices"), asc_edge("devices", "--json")
    assert (text.returncode, text.stderr, listed.stderr) == (0, "", "")
    devices = json.loads(listed.stdout)
    assert all({"index", "name", "channels", "stable_id"} <= device.keys() for device in devices)
    assert len(text.stdout.splitlines()) == max(1, len(devices) + bool(devices))
