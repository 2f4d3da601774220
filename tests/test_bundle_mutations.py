"""Hundreds of damaged, forged and hostile bundles: each is refused in one line, and nothing else happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle_mutations
from asc_edge import archive
from asc_edge.bundle import Bundle, write_bundle
from asc_edge.errors import BundleError, EngineError
from asc_edge.pipeline import Pipeline
from command import asc_edge, assert_one_line_error, environment
from image_system import image_bundle
from stream_system import stream_bundle
from tflite_networks import tflite_linear

from tiny_system import CONFIG, network, tiny_files, tiny_manifest

COUNT = 24
FRAMES = CONFIG.frames(16000)


@pytest.fixture(scope="module")
def bundles(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A sound bundle for each engine, one that is shown images, and one in two parts."""
    folder = tmp_path_factory.mktemp("others")
    image, stream = folder / "image.ascb", folder / "stream.ascb"
    image_bundle(image)
    stream_bundle(stream)
    path = tmp_path_factory.mktemp("lite") / "lite.ascb"
    rng = np.random.default_rng(0)
    files, manifest = tiny_files(), tiny_manifest()
    for member, outputs in zip(manifest["members"], (3, CONFIG.mels), strict=True):  # type: ignore[call-overload]
        weights = rng.standard_normal((outputs, CONFIG.mels * FRAMES)).astype(np.float32)
        del files[member["network"]]
        member["network"] = f"{member['name']}.tflite"
        files[member["network"]] = tflite_linear(weights, (1, 1, CONFIG.mels, FRAMES))
    write_bundle(path, manifest, files)
    return [tiny_bundle, path, image, stream]


@pytest.fixture(scope="module")
def answers(bundles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What verifying each of the mutants came to, in a process with a bounded memory."""
    folder = tmp_path_factory.mktemp("mutants")
    command = [sys.executable, Path(bundle_mutations.__file__), *bundles, folder, str(COUNT)]
    env = {**environment(), "TMPDIR": str(folder), "HOME": str(folder)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=env, timeout=600, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # Engines write there past Python.
    assert done.stderr == ""
    assert [path.name for path in folder.iterdir()] == ["mutant.ascb"]
    return [json.loads(line) for line in done.stdout.splitlines()]


def is_clean(answer: dict[str, Any]) -> bool:
    """Whether it was refused with one line of ours, of a length that can be read."""
    line = answer["stderr"].removesuffix("\n")
    return (
        answer["code"] == 1
        and answer["stdout"] == ""
        and line.startswith("asc-edge: error: ")
        and line.isprintable()
        and len(line) < 700
        and not any(word in line for word in ("unexpected", "Traceback", "ASC_EDGE_DEBUG"))
    )


# Catches a forged bundle that runs, a traceback, an engine's own words, a control character on the terminal,
# a zip bomb that unpacks (the process has 1 GiB), and a file that is written somewhere.
def test_every_mutant_is_refused_in_one_line(answers: list[dict[str, Any]]) -> None:
    assert len(answers) == COUNT * len(bundle_mutations.KINDS) >= 600
    faults = [answer for answer in answers if not is_clean(answer)]
    assert not faults, faults[:3]


# Catches mutations that all break at the first gate, so that what lies behind it is never tried.
def test_the_mutants_reach_every_gate(answers: list[dict[str, Any]]) -> None:
    said = "\n".join(answer["stderr"] for answer in answers)
    for words in (
        *("doesn't match its SHA-256 seal", "seal is missing", "not as asc-edge writes it", "is compressed"),
        *("holds two files of one name", "leads out of it", "not printable", "holds more than 256 files"),
        *("doesn't match its SHA-256 in the manifest", "manifest and content differ", "not JSON"),
        *("reads up to", "can't compute", "differs here by", "is damaged", "store it uncompressed"),
        *(
            "ONNX Runtime",
            "LiteRT",
            "no engine runs this kind",
            "its manifest says",
            "which its manifest names",
        ),
    ):
        assert words in said, words


SMALL = [("manifest.json", b"{}"), ("a.npz", b"12345"), ("b.npz", b"")]


# Catches a gate that only holds because another one stands behind it.
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bundle_mutations.forged([*SMALL, SMALL[1]]), "two files of one name: a.npz"),
        (bundle_mutations.forged(SMALL[::-1]), "its directory is not as asc-edge writes it"),
        (bundle_mutations.forged([*SMALL, ("c\x1b[31m", b"")]), "name is not printable"),
        (bundle_mutations.forged([*SMALL, ("c/../../d", b"")]), "'c/../../d', which leads out of it"),
        (bundle_mutations.forged([(str(number), b"") for number in range(257)]), "more than 256 files"),
        (bundle_mutations.sealed_zip(SMALL), "its directory is not as asc-edge writes it"),
        (bundle_mutations.sealed_zip(SMALL, zipfile.ZIP_DEFLATED), "is compressed"),
        # The checksum is the old content's; the directory agrees with the header.
        (archive.pack(dict(SMALL)).replace(b"12345", b"12354"), "the entry of 'a.npz' is not as"),
    ],
)
def test_every_gate_of_the_archive_holds_by_itself(data: bytes, words: str) -> None:
    with pytest.raises(BundleError, match=re.escape(words)):
        archive.unpack(data, Path("x.ascb"))
    assert archive.unpack(bundle_mutations.forged(SMALL), Path("x.ascb")) == dict(SMALL)


@pytest.mark.parametrize("kind", ["bare flip", "zero", "deflated", "traversing", "cut_network", "no_engine"])
def test_the_command_refuses_them_too(kind: str, bundles: list[Path], tmp_path: Path) -> None:
    contents = [path.read_bytes() for path in bundles]
    path = tmp_path / "mutant.ascb"
    for seed in range(2):
        path.write_bytes(bundle_mutations.mutant(kind, seed, contents))
        done = asc_edge("bundle", "verify", path)
        assert done.stdout == ""
        assert_one_line_error(done, 1, "")
    assert [path.name for path in tmp_path.iterdir()] == ["mutant.ascb"]


@pytest.mark.parametrize("action", [["show"], ["listen", "--demo", "--speed", "max", "--bundle"]])
def test_other_commands_refuse_them_as_well(action: list[str], bundles: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "mutant.ascb"
    path.write_bytes(bundle_mutations.mutant("flip", 0, [path.read_bytes() for path in bundles]))
    command = action if action[0] == "listen" else ["bundle", *action]
    assert_one_line_error(asc_edge(*command, path), 1, "mutant.ascb")


# Catches a refusal that leaves the user alone: each says what doesn't match, and what to do.
@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        (lambda m: m.update(schema=99), "has schema 99, this asc-edge reads up to", "upgrade asc-edge"),
        (lambda m: m["front_ends"]["mel30"].update(pcen=True), "needs a front end 'mel30'", "pcen"),
        (lambda m: m["front_ends"]["mel30"].update(mel_scale="slaney"), "'mel30' differs here by", "use the"),
        (
            lambda m: m["files"]["bands.onnx"].update(sha256="0" * 64),
            "bands.onnx doesn't match",
            "get the bundle anew",
        ),
    ],
)
def test_refusals_say_what_and_what_to_do(
    change: Any, what: str, remedy: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    files = archive.unpack(tiny_bundle.read_bytes(), tiny_bundle)
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    path = tmp_path / "x.ascb"
    path.write_bytes(archive.pack({**files, "manifest.json": json.dumps(manifest).encode()}))
    with pytest.raises(BundleError) as error:
        Bundle.open(path)
    assert what in str(error.value)
    assert remedy in str(error.value).partition(what)[2]


# Catches a network that belongs to another front end and is found out when the first window is full.
def test_a_network_of_other_shapes_is_refused_when_the_bundle_is_loaded(tmp_path: Path) -> None:
    wrong = np.zeros((3, 7 * FRAMES), np.float32)
    cases = {
        "bands.onnx": (network(np.zeros((CONFIG.mels, 5), np.float32), softmax=True), "gives (5) for each"),
        "bands.tflite": (tflite_linear(wrong, (1, 1, 7, FRAMES)), f"takes windows of shape (1, 7, {FRAMES})"),
    }
    for name, (data, complaint) in cases.items():
        manifest, files = tiny_manifest(), tiny_files()
        del files["bands.onnx"]
        manifest["members"][0]["network"] = name  # type: ignore[index]
        write_bundle(tmp_path / "x.ascb", manifest, {**files, name: data})
        with pytest.raises(EngineError) as error:
            Pipeline(Bundle.open(tmp_path / "x.ascb"))
        assert str(error.value).startswith(f"{name}: {complaint}")


def test_the_archive_is_what_pythons_own_zipfile_writes(tiny_bundle: Path) -> None:
    """Catches a header that other tools stumble over: ours are by hand."""
    with zipfile.ZipFile(tiny_bundle) as theirs:
        files = {name: theirs.read(name) for name in theirs.namelist()}
        assert theirs.testzip() is None
        assert theirs.comment.startswith(b"asc-edge bundle sha256:")
    assert archive.unpack(tiny_bundle.read_bytes(), tiny_bundle) == files
    assert archive.pack(dict(reversed(files.items()))) == tiny_bundle.read_bytes()
