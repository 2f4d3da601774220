"""``asc-edge bench``: figures of what they say they are, and a machine that tells what its kernel tells."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asc_edge import bench, machine
from asc_edge.bundle import Bundle
from asc_edge.errors import BenchError
from asc_edge.pipeline import Pipeline
from command import COMMAND, asc_edge, assert_one_line_error, environment

FEW = bench.Settings(channels=2, decisions=6, starts=0)


@pytest.fixture(scope="module")
def answer(tiny_bundle: Path) -> dict[str, Any]:
    """What one run of the command says in JSON."""
    options = ("--channels", "3", "--decisions", "8", "--starts", "1", "--hop-s", "0.25")
    done = asc_edge("bench", "--bundle", tiny_bundle, "--bundle", tiny_bundle, *options, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Catches figures of other bundles, settings that are ignored, and rows that don't say what ran.
def test_the_answer_says_what_was_measured(answer: dict[str, Any], tiny_bundle: Path) -> None:
    import onnxruntime

    assert answer["type"] == "bench"
    assert (
        answer["settings"] | {"channels": 3, "hop_s": 0.25, "decisions": 8, "starts": 1} == answer["settings"]
    )
    assert len(answer["bundles"]) == 2
    for row in answer["bundles"]:
        assert row["sha256"] == Bundle.open(tiny_bundle).sha256
        assert row["bytes"] == tiny_bundle.stat().st_size
        assert (row["name"], row["hop_s"], row["window_s"], row["decisions"]) == ("tiny", 0.25, 1.0, 8)
        assert row["engines"] == [f"ONNX Runtime {onnxruntime.__version__}"]
        assert [network["file"] for network in row["networks"]] == ["bands.onnx", "embedding.onnx"]
    about = answer["machine"]
    assert about["isa"] in about["isas"]
    assert about["numpy"] == np.__version__


# Catches units mixed up, a part that is more than the whole, and memory of the process that measures.
def test_the_figures_fit_together(answer: dict[str, Any]) -> None:
    for row in answer["bundles"]:
        for group in ("decision_ms", "hop_ms"):
            assert 0 < row[group]["p50"] <= row[group]["p99"] <= row[group]["max"]
        assert row["decision_ms"]["p50"] < row["hop_ms"]["p50"]
        mean_ms = 1e3 * row["real_time_factor"] * row["hop_s"]
        assert row["decision_ms"]["p50"] / 8 < mean_ms <= row["hop_ms"]["max"]
        assert 0 < row["front_end_ms_per_s"] * row["hop_s"] <= row["hop_ms"]["max"]
        assert row["cpu_percent_of_one_core"] > 0
        start = row["start"]
        assert all(value > 0 for name, value in start.items() if name != "own_mb")
        assert start["interpreter_mb"] < start["libraries_mb"] <= start["peak_mb"]
        assert start["own_mb"] == pytest.approx(start["peak_mb"] - start["libraries_mb"])
        whole = start["open_ms"] + start["load_ms"] + start["warm_up_ms"] + start["first_decision_ms"]
        assert start["open_to_first_decision_ms"] == pytest.approx(whole)


def test_the_table_shows_the_bundles_side_by_side(tiny_bundle: Path) -> None:
    options = ("--decisions", "4", "--starts", "0", "--channels", "1")
    done = asc_edge("bench", "--bundle", tiny_bundle, "--bundle", tiny_bundle, *options)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    row = next(line for line in lines if "file size, kB" in line)
    size = f"{tiny_bundle.stat().st_size / 1e3:.3g}"
    assert row.split()[-2:] == [size, size]
    assert max(map(len, lines)) <= 100
    # Without a start there is nothing to say of it.
    assert next(line for line in lines if "peak memory" in line).count("not known here") == 2


# Catches a measurement of silence, or of channels that don't vote.
@pytest.mark.parametrize("channels", [1, 4, 16])
def test_every_channel_of_the_noise_is_heard(channels: int, tiny_bundle: Path) -> None:
    pipeline = Pipeline(Bundle.open(tiny_bundle), channels=channels)
    for decision in pipeline.push(bench.noise(channels, 16000, 4.0)):
        assert decision.state == "ok"
        assert set(decision.channels) == {"ok"}


# Catches decisions missed or doubled where the sound is used again from its start, and odd hops.
@pytest.mark.parametrize("hop_s", [0.1, 0.5, 1.0, 3.3])
def test_every_hop_brings_one_decision(hop_s: float, tiny_bundle: Path) -> None:
    settings = bench.Settings(channels=1, hop_s=hop_s, decisions=40, starts=0)
    (row,) = bench.measure([Bundle.open(tiny_bundle)], settings)["bundles"]
    assert row["decisions"] == 40
    assert row["hop_s"] == hop_s


def test_what_decides_nothing_is_not_measured(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> None:
    def silence(channels: int, rate: int, seconds: float) -> Any:
        return np.zeros((round(rate * seconds), channels), np.float32)

    monkeypatch.setattr(bench, "noise", silence)
    with pytest.raises(BenchError, match="hears nothing in noise"):
        bench.measure([Bundle.open(tiny_bundle)], FEW)


def test_a_bundle_that_cannot_be_started_is_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.ascb"
    gone.write_bytes(tiny_bundle.read_bytes())
    bundle = Bundle.open(gone)
    gone.unlink()
    with pytest.raises(BenchError, match=r"gone.ascb: can't be started.*no such bundle") as error:
        bench.measure([bundle], bench.Settings(decisions=1, starts=1))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--channels", "17"], "not a whole number from 1 to 16"),
        (["--decisions", "0"], "not a whole number from 1"),
        (["--hop-s", "0"], "not a number above 0"),
        (["--threads", "x"], "not a whole number"),
    ],
)
def test_wrong_use_is_one_line(args: list[str], words: str) -> None:
    assert_one_line_error(asc_edge("bench", *args), 2, words)


# Catches a traceback of the process that measures or of the one that it has started, and a line left behind.
@pytest.mark.parametrize("stage", ["starts", "decisions"])
def test_an_interrupt_ends_it_cleanly(stage: str, tiny_bundle: Path) -> None:
    ours, theirs = pty.openpty()
    many = (
        ("--starts", "1000") if stage == "starts" else ("--starts", "0", "--realtime", "--decisions", "1000")
    )
    process = subprocess.Popen(
        [*COMMAND, "bench", "--bundle", str(tiny_bundle), *many],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(),
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while f"{stage} 1 of 1000".encode() not in shown:
        shown += os.read(ours, 1000)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, b"")
    try:
        while part := os.read(ours, 1000):
            shown += part
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(ours)
    assert b"Traceback" not in shown
    # The line that told how far it was has been wiped.
    assert shown.decode().rpartition("\r")[2] == ""
    assert shown.decode().split("\r")[-2].strip() == ""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# Catches degrees off by a thousand, the wrong zone, and bits of the firmware's word read wrongly.
def test_a_pi_tells_its_temperature_and_throttling(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "61300\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    write(tmp_path / "sys/class/thermal/thermal_zone1/temp", "48000\n")
    write(tmp_path / "sys/class/thermal/thermal_zone1/type", "nvme\n")
    write(tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1500000\n")
    write(tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n")
    write(tmp_path / "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", "1800000\n")
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    write(tmp_path / "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    # vcgencmd get_throttled would say 0x50005: under-voltage and throttled, now and before.
    assert machine.heat(tmp_path) == {
        "temperature_c": 61.3,
        "zone": "cpu-thermal",
        "frequency_mhz": 1800.0,
        "governor": "ondemand",
        "throttling": [
            *("under-voltage", "throttled"),
            *("under-voltage has occurred", "throttling has occurred"),
        ],
    }
    assert machine.describe(tmp_path)["processor"] == "Raspberry Pi 4 Model B Rev 1.4"


@pytest.mark.parametrize("text", ["", "hot\n", "\x00\xff"])
def test_what_the_kernel_does_not_tell_is_said_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").mkdir(parents=True)
    write(tmp_path / "sys/class/thermal/thermal_zone1/temp", text)
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", text)
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: A chip\nmodel name\t: Another\n")
    assert set(machine.heat(tmp_path).values()) == {None}
    assert machine.describe(tmp_path)["processor"] == "A chip"


# Catches memory counted in kilobytes of a thousand, pages, or of the parent.
def test_memory_is_that_of_this_process() -> None:
    before = machine.resident_mb()
    block = np.ones(25_000_000)
    after, peak = machine.resident_mb(), machine.resident_mb(peak=True)
    assert before is not None
    assert after is not None
    assert peak is not None
    assert after - before == pytest.approx(block.nbytes / 1e6, rel=0.05)
    assert peak >= after
