"""The bundle: what is written comes back; what is damaged, newer or inconsistent is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asc_edge import bundle as bundle_module
from asc_edge.archive import pack
from asc_edge.bundle import Bundle, write_bundle
from asc_edge.errors import BundleError
from asc_edge.fusion import LateFusion, LinearSvm

from tiny_system import LABELS, tiny_files, tiny_manifest, write_tiny_bundle


def reseal(source: Path, target: Path, edit: Callable[[dict[str, bytes]], None]) -> Path:
    """Copy a bundle with its files edited and an honest seal: what a foreign or newer writer would make."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files)
    target.write_bytes(pack(files))
    return target


def edit_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def edit(files: dict[str, bytes]) -> None:
        manifest = json.loads(files["manifest.json"])
        change(manifest)
        files["manifest.json"] = json.dumps(manifest).encode()

    return edit


def put_manifest(text: bytes) -> Callable[[dict[str, bytes]], None]:
    def edit(files: dict[str, bytes]) -> None:
        files["manifest.json"] = text

    return edit


def test_what_is_written_comes_back(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    assert bundle.labels == LABELS
    assert bundle.labels_not_covered == ("absence",)
    assert [member.name for member in bundle.members] == ["bands", "embedding"]
    assert bundle.members[0].svm is None
    assert bundle.member_svm(bundle.members[0]) is None
    svm = bundle.member_svm(bundle.members[1])
    assert svm is not None
    assert (svm.features, svm.classes) == (30, 3)
    assert bundle.fusion.features == 6
    assert bundle.read("bands.onnx") == tiny_files()["bands.onnx"]
    with pytest.raises(BundleError, match="no file 'nothing'"):
        bundle.read("nothing")


def test_same_content_same_bytes(tiny_bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.ascb"
    write_tiny_bundle(again)
    assert again.read_bytes() == tiny_bundle.read_bytes()


def test_any_zip_tool_can_look_inside(tiny_bundle: Path) -> None:
    with zipfile.ZipFile(tiny_bundle) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("manifest.json"))["name"] == "tiny"
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_no_flipped_byte_gets_through(tiny_bundle: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    data = tiny_bundle.read_bytes()
    damaged = tmp_path / "damaged.ascb"
    ends = [*range(40), *range(len(data) - 120, len(data))]
    for position in [*ends, *rng.integers(0, len(data), 200).tolist()]:
        mutant = bytearray(data)
        mutant[position] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(mutant)
        with pytest.raises(BundleError):
            Bundle.open(damaged)


@pytest.mark.parametrize("keep", [0, 1, 3, 4, 100, 0.5, -1])
def test_cut_off_files_are_refused(tiny_bundle: Path, tmp_path: Path, keep: float) -> None:
    data = tiny_bundle.read_bytes()
    cut = tmp_path / "cut.ascb"
    cut.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(BundleError):
        Bundle.open(cut)


def test_nothing_is_parsed_before_the_seal_is_checked(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(tiny_bundle.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged.ascb"
    damaged.write_bytes(data)

    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("a damaged bundle reached a parser")

    monkeypatch.setattr(bundle_module, "unpack", must_not_run)
    with pytest.raises(BundleError, match="SHA-256 seal"):
        Bundle.open(damaged)


def test_missing_foreign_and_huge_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError, match=r"no such bundle; .* 'home' or 'home-int8'"):
        Bundle.open(tmp_path / "nothing.ascb")
    with pytest.raises(BundleError, match="can't be read"):
        Bundle.open(tmp_path)
    (tmp_path / "text.ascb").write_text("hello")
    with pytest.raises(BundleError, match="not an asc-edge bundle"):
        Bundle.open(tmp_path / "text.ascb")
    with zipfile.ZipFile(tmp_path / "foreign.ascb", "w") as archive:
        archive.writestr("readme", "x" * 200)
    with pytest.raises(BundleError, match="seal is missing"):
        Bundle.open(tmp_path / "foreign.ascb")
    monkeypatch.setattr(bundle_module, "MAX_BUNDLE_BYTES", 10)
    with pytest.raises(BundleError, match="more than a bundle may have"):
        Bundle.open(tmp_path / "foreign.ascb")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema=3), "schema 3, this asc-edge reads up to 2; upgrade"),
        (lambda m: m.update(schema=0), "unknown schema"),
        (lambda m: m.update(schema="1"), "schema is not of type int"),
        (lambda m: m.pop("labels"), "labels is missing"),
        (lambda m: m.update(labels=["low", "low", "high"]), "different names"),
        (lambda m: m.update(labels=["low", "high"]), "gives 3 outputs for 2 labels"),
        (lambda m: m.update(hop_s=2.0), "impossible window_s"),
        (lambda m: m.update(silence_db="low"), "silence_db is not a finite number"),
        (lambda m: m.update(sample_rate_hz=48000), "another rate than the bundle"),
        (lambda m: m["front_ends"]["mel30"].update(pcen=True), "can't compute"),
        (lambda m: m["front_ends"]["mel30"].update(mel_scale="bark"), "can't compute"),
        (lambda m: m["front_ends"]["mel30"].update(mels=29), "another shape"),
        (lambda m: m["front_ends"]["mel30"].update(mel_scale="slaney"), "differs here by"),
        (lambda m: m["members"][0].update(kind="transformer"), "unknown kind"),
        (lambda m: m["members"][0].update(front_end="mel64"), "unknown front end"),
        (lambda m: m["members"][0].update(floor_db=0.0), "not from -1000 to -1"),
        (lambda m: m["members"][0].update(network="other.onnx"), "lacks other.onnx"),
        (lambda m: m["members"][1].pop("svm"), "don't fit"),
        (lambda m: m["members"][1].update(svm=""), "don't fit"),
        (lambda m: m["members"][0].update(svm=7), "svm is not of type str"),
        (lambda m: m["members"][1].update(svm="a\nb"), "svm is not printable"),
        (lambda m: m.update(members=[]), "no members"),
        (lambda m: m.update(members=m["members"][:1]), "fusion takes 6 inputs, its members give 3"),
        (lambda m: m["files"]["bands.onnx"].update(sha256="0" * 64), "bands.onnx doesn't match its SHA-256"),
        (lambda m: m["files"].pop("bands.onnx"), "manifest and content differ"),
        (lambda m: m["files"].update({"a\nb": m["files"]["bands.onnx"]}), "name of a file is not printable"),
    ],
)
def test_inconsistent_manifests_are_refused(
    tiny_bundle: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    changed = reseal(tiny_bundle, tmp_path / "changed.ascb", edit_manifest(change))
    with pytest.raises(BundleError, match=message) as error:
        Bundle.open(changed)
    assert "\n" not in str(error.value)


def test_manifest_must_be_a_json_object(tiny_bundle: Path, tmp_path: Path) -> None:
    for text in (b"{", b"[]", b"\xff", b"[" * 100_000):
        changed = reseal(tiny_bundle, tmp_path / "changed.ascb", put_manifest(text))
        with pytest.raises(BundleError, match=r"not JSON|not an object"):
            Bundle.open(changed)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, mean=np.array([{"a": 1}], dtype=object), scale=0, weights=0, bias=0)
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "x.ascb", tiny_manifest(), {**tiny_files(), "fusion.npz": buffer.getvalue()})


def test_a_bundle_that_could_not_be_opened_is_not_left_behind(tmp_path: Path) -> None:
    target = tmp_path / "x.ascb"
    write_tiny_bundle(target)
    before = target.read_bytes()
    narrow = LateFusion(LinearSvm(np.zeros(3), np.ones(3), np.eye(3), np.zeros(3)), -np.ones(3), np.zeros(3))
    with pytest.raises(BundleError, match="fusion takes 3 inputs"):
        write_bundle(target, tiny_manifest(), {**tiny_files(), "fusion.npz": narrow.to_npz()})
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.ascb"]
