"""The manifest's second schema: what members are fed, and networks in two parts. The first is still read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asc_edge import Bundle, Pipeline
from asc_edge.bundle import MemberSpec, StreamSpec, write_bundle
from asc_edge.errors import BundleError
from asc_edge.manifest import SCHEMA_VERSION, parse_manifest
from stream_system import CONFIG, FLOOR_DB, STREAM, stream_bundle, stream_files, stream_manifest

NATURAL_LOG = {**CONFIG.to_dict(), "level": "natural_log"}
CENTRED = {**CONFIG.to_dict(), "centred": True}


def read(manifest: dict[str, Any], schema: int = 2) -> MemberSpec:
    names = stream_files().keys()
    full = {"schema": schema, "files": {name: {"sha256": "0"} for name in names}, **manifest}
    (member,) = parse_manifest(json.dumps(full).encode(), "x.ascb").members
    return member


def changed(front_end: dict[str, Any] | None = None, **member: Any) -> dict[str, Any]:
    manifest = stream_manifest()
    manifest["members"][0].update(member)
    if front_end is not None:
        manifest["front_ends"] = {"mel8": front_end}
    return manifest


def test_the_writer_writes_the_second_schema(tmp_path: Path) -> None:
    bundle = stream_bundle(tmp_path / "x.ascb", precision="int8")
    assert SCHEMA_VERSION == bundle.manifest.raw["schema"] == 2
    (member,) = bundle.members
    assert (member.input, member.precision, member.floor_db) == ("level", "int8", FLOOR_DB)
    assert member.stream == StreamSpec("trunk.onnx", "head.onnx", 22, 7, 3, 17)
    assert member.stream.chunk_columns == 5
    assert member.files == ("network.onnx", "trunk.onnx", "head.onnx")


def test_a_spec_that_was_read_can_be_written_again(tmp_path: Path) -> None:
    """Catches: a stream that goes into the manifest as anything but an object."""
    (member,) = stream_bundle(tmp_path / "x.ascb").members
    write_bundle(tmp_path / "y.ascb", {**stream_manifest(), "members": [member]}, stream_files())
    assert Bundle.open(tmp_path / "y.ascb").members == (member,)


def test_what_a_member_does_not_say_is_as_in_the_first_schema() -> None:
    plain = dict.fromkeys(("input", "stream"))
    manifest = changed(floor_db=-60.0)
    for key in plain:
        del manifest["members"][0][key]
    for schema in (1, 2):
        member = read(manifest, schema)
        assert (member.input, member.precision, member.stream) == ("picture", "float32", None)
        assert member.files == ("network.onnx",)


# Catches: a hop, a stride or a chunk with which the built-in bundles compute every window whole.
@pytest.mark.parametrize("name", ["home", "home-int8"])
def test_the_built_in_bundles_keep_what_they_compute(name: str) -> None:
    bundle = Bundle.open(Path(__file__).parent.parent / f"python/asc_edge/bundles/{name}.ascb")
    assert all(member.input == "level" for member in bundle.members)
    assert {member.precision for member in bundle.members} == {"int8" if "int8" in name else "float32"}
    reports = Pipeline(bundle).streams
    assert [report.cached for report in reports] == [True] * len(bundle.members)


def test_bare_frames_may_come_of_any_front_end() -> None:
    for front_end in (NATURAL_LOG, CENTRED, None):
        member = read(changed(front_end, input="frames", floor_db=None, stream=None))
        assert (member.input, member.floor_db) == ("frames", None)


def stream(**fields: Any) -> dict[str, Any]:
    return {"stream": {**STREAM, **fields}}


# Catches: a manifest that is taken at its word and fails in the middle of the night.
@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (changed(input="waveform"), "unknown input 'waveform'; upgrade"),
        (changed(input=7), "input is not of type str"),
        (changed(input=None), "input is not of type str"),
        (changed(precision="float16"), "unknown precision 'float16'; upgrade"),
        (changed(input="frames"), "bare frames, which have no floor_db"),
        (changed(floor_db=None), "needs a floor_db for its level"),
        (changed(floor_db=0), "floor_db 0.0, which is not from -1000 to -1"),
        (changed(floor_db=-1e9), "not from -1000 to -1"),
        (changed(floor_db="low"), "floor_db is not a finite number"),
        (changed(NATURAL_LOG), "no level can be drawn"),
        (changed(CENTRED), "no level can be drawn"),
        (changed(CENTRED, input="picture", stream=None), "no picture can be drawn"),
        (changed(input="picture"), "input picture can't be computed in parts"),
        (changed(input="frames", floor_db=None), "input frames can't be computed in parts"),
        (changed(stream=[]), "stream of member 'stream' is not an object"),
        (changed(**stream(trunk=None)), "trunk is not of type str"),
        (changed(**stream(head="a\nb")), "head is not printable"),
        (changed(**stream(columns="17")), "columns is not of type int"),
        (changed(**stream(columns=16)), "16 columns where the window has 17"),
        (changed(**stream(chunk_frames=23)), "23 chunk_frames less 7 context_frames are no columns of 3"),
        (changed(**stream(chunk_frames=7)), "are no columns"),
        (changed(**stream(stride_frames=0)), "are no columns"),
        (changed(**stream(stride_frames=-3)), "are no columns"),
        (changed(**stream(context_frames=-2, columns=20)), "are no columns"),
        (changed(**stream(chunk_frames=61)), "longer than the window of 59 frames"),
        (changed(**stream(chunk_frames=10**30 * 3 + 7)), "longer than the window"),
    ],
)
def test_members_that_contradict_themselves_are_refused(manifest: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message) as error:
        read(manifest)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"), [("input", "picture"), ("precision", "int8"), ("stream", None), ("stream", STREAM)]
)
def test_the_first_schema_knows_nothing_of_the_second(key: str, value: object) -> None:
    """Catches: a bundle that an older asc-edge runs as something else than a newer one."""
    manifest = changed()
    manifest["members"][0] = {"floor_db": -60.0, **stream_manifest()["members"][0], key: value}
    for other in {"input", "precision", "stream"} - {key}:
        manifest["members"][0].pop(other, None)
    with pytest.raises(BundleError, match=f"has {key}, which schema 1 doesn't know"):
        read(manifest, schema=1)


@pytest.mark.parametrize("part", ["trunk.onnx", "head.onnx"])
def test_both_parts_must_be_in_the_bundle(tmp_path: Path, part: str) -> None:
    files = {name: data for name, data in stream_files().items() if name != part}
    with pytest.raises(BundleError, match=f"lacks {part}"):
        write_bundle(tmp_path / "x.ascb", stream_manifest(), files)
    assert not (tmp_path / "x.ascb").exists()
