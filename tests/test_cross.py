"""What says that another machine gives the same answers, or that a wheel is whole, must be able to say no."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge import _core

CROSS = Path(__file__).resolve().parent.parent / "tools" / "cross"
SOURCES = (
    "python/asc_edge/__init__.py",
    "python/asc_edge/bundles/home.ascb",
    "tools/asc_edge_train/cli.py",
)
Answers = dict[str, NDArray[np.generic]]


def answers(machine: str = "aarch64") -> Answers:
    """Answers as `measure.py` writes them, made up."""
    frames = np.random.default_rng(7).uniform(-100.0, 0.0, (2, 8, 5)).astype(np.float32)
    facts = {"machine": machine, "asc-edge": "0.1.0", "bundle": "home 1.0.0", "bundles": "a:1 b:2"}
    return {
        "facts": np.array(json.dumps(facts)),
        "frames/long": frames,
        "cells/yamnet": frames / 8,
        "frames/golden/mel": frames[:1],
        "golden/mel": frames[:1].copy(),
        "same/chunks/long": np.array(True),
        "posterior/scene": np.array([[0.7, 0.3], [0.2, 0.8]]),
        "float/0-a": np.array([[0.6, 0.4], [0.1, 0.9]]),
        "int8/1-b": np.array([[0.6, 0.4], [0.1, 0.9]]),
        "words/scene/top": np.array(["cooking", "other"]),
        "words/1-b/top": np.array(["cooking", "other"]),
    }


def compare(folder: Path, host: Answers, device: Answers) -> subprocess.CompletedProcess[str]:
    np.savez(folder / "host.npz", **host)
    np.savez(folder / "device.npz", **device)
    command = [sys.executable, CROSS / "compare.py", "host.npz", "device.npz", "--machine", "aarch64"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# Catches a comparer that fails on what is allowed, or hides whether the bits are the same.
def test_equal_and_nearly_equal_answers_pass_and_are_told_apart(tmp_path: Path) -> None:
    equal = compare(tmp_path, answers("x86_64"), answers())
    assert equal.returncode == 0, equal.stderr
    assert "bit-identical" in equal.stdout
    assert "apart" not in equal.stdout
    near = answers()
    near["frames/long"] = near["frames/long"] + np.float32(5e-5)
    allowed = compare(tmp_path, answers("x86_64"), near)
    assert allowed.returncode == 0, allowed.stderr
    assert "dB apart, 0.00 % bit-identical" in allowed.stdout


def one_frame_off(device: Answers) -> None:
    device["frames/long"][1, 3, 2] += 2e-4


def one_cell_off(device: Answers) -> None:
    device["cells/yamnet"][0, 0, 0] += 5e-5


def one_frame_nan(device: Answers) -> None:
    device["frames/long"][0, 0, 0] = np.nan


def frames_cut_off(device: Answers) -> None:
    device["frames/long"] = device["frames/long"][:, :, :-1]


def frames_lost(device: Answers) -> None:
    del device["frames/long"]


def off_the_golden_ones(device: Answers) -> None:
    # Both machines off in the same way is a fault too: the networks were trained on the bundle's frames.
    device["golden/mel"] += 2e-4


def posterior_off(device: Answers) -> None:
    device["posterior/scene"][1] += [2e-5, -2e-5]


def float_bundle_off(device: Answers) -> None:
    device["float/0-a"][1] += [2e-4, -2e-4]


def int8_bundle_off(device: Answers) -> None:
    device["int8/1-b"][0] += [0.03, -0.03]


def int8_bundle_decides_otherwise(device: Answers) -> None:
    device["words/1-b/top"][1] = "working"


def a_bundle_was_left_out(device: Answers) -> None:
    del device["int8/1-b"]


def a_bundle_is_another(device: Answers) -> None:
    device["facts"] = np.array(str(device["facts"]).replace("b:2", "b:3"))


def other_label(device: Answers) -> None:
    device["words/scene/top"][1] = "working"


def instruction_set_matters(device: Answers) -> None:
    device["same/neon/long"] = np.array(False)


def other_bundle(device: Answers) -> None:
    device["facts"] = np.array(str(device["facts"]).replace("home 1.0.0", "home 1.0.1"))


def this_machine_again(device: Answers) -> None:
    device["facts"] = np.array(str(device["facts"]).replace("aarch64", "x86_64"))


# Catches a comparer that waves a fault of the ARM build through: each of these is one.
@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (one_frame_off, "frames/long differs by 0.000"),
        (one_cell_off, "cells/yamnet differs by"),
        (one_frame_nan, "frames/long differs by nan"),
        (frames_cut_off, "frames/long differs in its shape"),
        (frames_lost, "only one side has ['frames/long']"),
        (off_the_golden_ones, "device: golden/mel lies 0.0002 dB"),
        (posterior_off, "posterior/scene differs by 2e-05"),
        (other_label, "decision 2 is 'other' here, 'working' there"),
        (instruction_set_matters, "device: same/neon/long"),
        (float_bundle_off, "float/0-a differs by 0.0002"),
        (int8_bundle_off, "int8/1-b differs by 0.03"),
        (int8_bundle_decides_otherwise, "words/1-b/top: decision 2 is 'other' here, 'working' there"),
        (a_bundle_was_left_out, "only one side has ['int8/1-b']"),
        (a_bundle_is_another, "bundles a:1 b:2 and a:1 b:3 differ"),
        (other_bundle, "bundle home 1.0.0 and home 1.0.1 differ"),
        (this_machine_again, "the device is a x86_64"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_difference_fails_the_comparison(tmp_path: Path, spoil: object, complaint: str) -> None:
    device = answers()
    assert callable(spoil)
    spoil(device)
    result = compare(tmp_path, answers("x86_64"), device)
    assert result.returncode == 1
    assert complaint in result.stderr


# Catches a comparer that takes a step of eight bits for a fault, and one that asks for bundles nobody named.
def test_a_step_of_eight_bits_passes_and_further_bundles_are_optional(tmp_path: Path) -> None:
    device = answers()
    device["int8/1-b"][0] += [0.01, -0.01]
    device["float/0-a"][0] += [5e-5, -5e-5]
    assert compare(tmp_path, answers("x86_64"), device).returncode == 0
    host, device = answers("x86_64"), answers()
    for side in (host, device):
        for name in ("float/0-a", "int8/1-b", "words/1-b/top"):
            del side[name]
    assert compare(tmp_path, host, device).returncode == 0


# Catches two runs that wrote nothing being taken for two runs that agree.
def test_nothing_to_compare_is_no_agreement(tmp_path: Path) -> None:
    nothing = {"facts": answers()["facts"]}
    result = compare(tmp_path, nothing, nothing)
    assert result.returncode == 1
    assert "there are no frames to compare" in result.stderr


def elf(machine: int, alignment: int) -> bytes:
    """The headers of a shared library of one loadable segment."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return ident + head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0, 0, alignment)


def wheel_files(python: str, arch: str, extension: bytes) -> dict[str, bytes]:
    info = "asc_edge-0.1.0.dist-info/"
    tag = f"Tag: cp{python}-cp{python}-manylinux_2_34_{arch}\n"
    return {
        "asc_edge/__init__.py": b"",
        "asc_edge/bundles/home.ascb": b"PK",
        "asc_edge_train/cli.py": b"",
        f"asc_edge/_core.cpython-{python}-{arch}-linux-gnu.so": extension,
        f"{info}METADATA": b"",
        f"{info}WHEEL": tag.encode(),
        f"{info}RECORD": b"",
        f"{info}entry_points.txt": b"",
        f"{info}licenses/LICENSE": b"",
    }


def check_wheel(
    folder: Path,
    content: dict[str, bytes],
    tag: str = "cp311-cp311-manylinux_2_34_aarch64",
    sources: Iterable[str] = SOURCES,
) -> subprocess.CompletedProcess[str]:
    with tarfile.open(folder / "source.tar.gz", "w:gz") as archive:
        for name in (*sources, "tools/setup.sh", "CMakeLists.txt"):
            archive.addfile(tarfile.TarInfo(f"asc_edge-0.1.0/{name}"), io.BytesIO())
    wheel = folder / f"asc_edge-0.1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    command = [sys.executable, CROSS / "check_wheel.py", wheel, "--source", folder / "source.tar.gz"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# Catches a check that refuses good wheels, and ELF headers read at wrong offsets: one is the linker's.
def test_whole_wheels_pass(tmp_path: Path) -> None:
    result = check_wheel(tmp_path, wheel_files("311", "aarch64", elf(183, 65536)))
    assert result.returncode == 0, result.stderr
    assert "aarch64, aligned to 64 KiB, glibc 2.34" in result.stdout
    real = Path(_core.__file__).read_bytes()
    tag = "cp312-cp312-manylinux_2_34_x86_64"
    result = check_wheel(tmp_path, wheel_files("312", "x86_64", real), tag)
    assert result.returncode == 0, result.stderr


# Catches a package that gained a file of a kind which the check doesn't know: wheels of it would be refused.
def test_every_file_of_the_packages_may_be_in_a_wheel(tmp_path: Path) -> None:
    root = CROSS.parent.parent
    packages = (root / "python" / "asc_edge", root / "tools" / "asc_edge_train")
    sources = [
        str(path.relative_to(root))
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    ]
    content = wheel_files("311", "aarch64", elf(183, 65536))
    content |= {source.split("/", 1)[1]: b"" for source in sources}
    result = check_wheel(tmp_path, content, sources=sources)
    assert result.returncode == 0, result.stderr


# Catches wheels that install and then fail on the Pi: the host's extension inside, pages too small for a
# Pi 5, a part left behind, or build leftovers shipped.
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"asc_edge/_core.cpython-311-aarch64-linux-gnu.so": elf(62, 65536)}, "ELF machine 62, not 183"),
        ({"asc_edge/_core.cpython-311-aarch64-linux-gnu.so": elf(183, 4096)}, "aligned to (4096,)"),
        ({"asc_edge/_core.cpython-311-aarch64-linux-gnu.so": elf(183, 65536)[:100]}, "is cut off"),
        ({"asc_edge/_core.cpython-311-aarch64-linux-gnu.so": b"!<arch>\n"}, "no 64-bit little-endian ELF"),
        ({"asc_edge/_core.cpython-311-x86_64-linux-gnu.so": elf(62, 4096)}, "stray files: asc_edge/_core"),
        ({"asc_edge/bundles/home.ascb": None}, "lacks the built-in bundle"),
        ({"asc_edge_train/cli.py": None}, "lacks asc_edge_train/cli.py"),
        ({"asc_edge/__pycache__/x.cpython-311.pyc": b""}, "holds stray files: asc_edge/__pycache__"),
        ({"asc_edge-0.1.0.dist-info/WHEEL": b"Tag: cp311-cp311-linux_aarch64\n"}, "says cp311-cp311-linux_a"),
    ],
)
def test_a_broken_wheel_is_refused(tmp_path: Path, change: dict[str, bytes | None], complaint: str) -> None:
    content = wheel_files("311", "aarch64", elf(183, 65536)) | change
    result = check_wheel(tmp_path, {name: data for name, data in content.items() if data is not None})
    assert result.returncode == 1
    assert complaint in result.stderr


# Catches a wheel with the plain platform tag, which no index takes, slipping into dist.
def test_a_wheel_without_manylinux_tag_is_refused(tmp_path: Path) -> None:
    content = wheel_files("311", "aarch64", elf(183, 65536))
    result = check_wheel(tmp_path, content, "cp311-cp311-linux_aarch64")
    assert result.returncode == 1
    assert "is not named" in result.stderr
