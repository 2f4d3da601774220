"""Fuzzes `Bundle.open` with Atheris: whatever the bytes, a bundle or an error of ours of one line.

The built-in bundle is taken apart, edited (values of the manifest, bytes and arrays of the models, names and
number of the files), and put together again, mostly with honest hashes and an honest seal, so that the edits
get past the gates that would refuse them all alike. Options are libFuzzer's:

    python tests/fuzz/fuzz_bundle.py -max_total_time=60 CORPUS
"""

from __future__ import annotations

import hashlib
import io
import json
import resource
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["asc_edge", "zipfile", "numpy.lib"]):
    from asc_edge import archive
    from asc_edge import bundle as bundle_module
    from asc_edge.bundle import Bundle
    from asc_edge.errors import AscEdgeError

HOME = Path(bundle_module.__file__).parent / "bundles" / "home.ascb"
# Beyond what the process has at the start: a claim of more must be an error of ours on every machine.
MEMORY_BYTES = 1 << 30

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 7, 10**9, 10**400, 0.5, -60.0, 1e-300, 1e308, float("nan"), float("inf"),
    "", "x", "htk", "fusion.npz", "manifest.json", "../x", "a\nb", "\ud800", "9" * 5000,
    [], ["a", "a"], {}, {"": 0},
)  # fmt: skip
ODD_ARRAYS: tuple[Any, ...] = (
    np.zeros(0), np.zeros(()), np.zeros((2, 0)), np.ones(7), np.full(7, np.nan), np.full(7, -1.0),
    np.full(7, 1e308), np.ones((7, 14)), np.ones(7, np.float32), np.ones(7, ">f8"), np.ones(7, complex),
    np.array(["x"]), np.ones(7, "V3"),
    np.zeros((8000, 1), np.int16), np.zeros((8000, 17), np.int16), np.full((8000, 1), np.nan, np.float32),
    np.zeros((200_000, 16), np.int16), np.array(["2020"], "M8[Y]"), np.zeros(3, [("a", "f8"), ("b", "i4")]),
)  # fmt: skip

Files = dict[str, bytes]


def without_texts(path: Path) -> Files:
    """The files of a bundle but for what only people read, which would slow every run down."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    for name in [name for name in files if name.endswith((".md", ".txt"))]:
        del files[name], manifest["files"][name]
    files["manifest.json"] = json.dumps(manifest).encode()
    return files


def pick(provider: Any, choices: Any) -> Any:
    return choices[provider.ConsumeIntInRange(0, len(choices) - 1)]


def edit_bytes(provider: Any, data: bytes) -> bytes:
    """Overwrite, cut out, repeat or insert a few bytes somewhere."""
    place = provider.ConsumeIntInRange(0, len(data))
    new = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 8))
    end = min(len(data), place + pick(provider, (0, 0, len(new), len(new), 1, 16, 400)))
    return data[:place] + new * pick(provider, (1, 1, 1, 50)) + data[end:]


def edit_value(provider: Any, node: Any) -> Any:
    """Replace, drop or copy one value somewhere in a tree of JSON."""
    if not isinstance(node, dict | list) or not node or provider.ConsumeIntInRange(0, 9) == 0:
        if isinstance(node, int | float) and provider.ConsumeBool():
            small = node if abs(node) < 2**1000 else 1  # what a float can hold
            return pick(provider, (node + 1, -node, node * 2, small / 3, float(small), str(node)))
        value = pick(provider, ODD_VALUES)
        return [[value]] * 3 if provider.ConsumeIntInRange(0, 9) == 0 else value
    key = pick(provider, list(node) if isinstance(node, dict) else range(len(node)))
    action = provider.ConsumeIntInRange(0, 7)
    if action == 0:
        del node[key]
    elif action == 1 and isinstance(node, dict):
        node[pick(provider, ("pcen", "", "a\nb", "mels", "svm"))] = node[key]
    elif action == 1:
        node.append(node[key])
    else:
        node[key] = edit_value(provider, node[key])
    return node


def edit_manifest(provider: Any, data: bytes) -> bytes:
    try:
        manifest = json.loads(data)
    except ValueError:  # edited as bytes before
        return data
    return json.dumps(edit_value(provider, manifest)).encode("utf-8", "surrogatepass")


def edit_arrays(provider: Any, data: bytes) -> bytes:
    """Replace, drop or add an array of an .npz."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = dict(stored)
    except Exception:  # edited as bytes before
        return data
    name = pick(provider, [*arrays, "extra"])
    action = provider.ConsumeIntInRange(0, 4)
    if action == 0:
        arrays.pop(name, None)
    elif action == 1 and name in arrays and arrays[name].ndim and arrays[name].dtype.kind in "fi":
        array = arrays[name]
        arrays[name] = pick(provider, (array[:-1], array.T, array[::-1], -array, array * 1e30))
    else:
        arrays[name] = pick(provider, ODD_ARRAYS)
    buffer = io.BytesIO()
    pick(provider, (np.savez, np.savez, np.savez, np.savez_compressed))(buffer, **arrays)
    return buffer.getvalue()


def edit_files(provider: Any, files: Files) -> None:
    """One edit of one kind of one file."""
    name = pick(provider, list(files))
    kind = provider.ConsumeIntInRange(0, 9)
    if kind == 0:
        del files[name]
    elif kind == 1:
        files[pick(provider, ("extra", "golden/x.npz", "../x", "a\nb", name + "/"))] = files[name]
    elif kind <= 5 and "manifest.json" in files:
        files["manifest.json"] = edit_manifest(provider, files["manifest.json"])
    elif kind <= 7 and name.endswith(".npz"):
        files[name] = edit_arrays(provider, files[name])
    else:
        files[name] = edit_bytes(provider, files[name])


def rehash(files: Files) -> None:
    """Make the manifest's hashes honest where it still is a manifest."""
    try:
        manifest = json.loads(files["manifest.json"])
        for name, data in files.items():
            if name != "manifest.json":
                manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    files["manifest.json"] = json.dumps(manifest).encode("utf-8", "surrogatepass")


def edited_bundle(provider: Any) -> bytes:
    files = dict(BASE)
    for _ in range(provider.ConsumeIntInRange(0, 4)):
        if files:
            edit_files(provider, files)
    if provider.ConsumeIntInRange(0, 9) < 9:
        rehash(files)
    data = archive.pack(files)
    if provider.ConsumeIntInRange(0, 2) == 2:
        data = edit_bytes(provider, data[: -archive.SEAL_BYTES])
        if provider.ConsumeIntInRange(0, 9) < 9:
            data = archive.seal(data)
    return data


def fuzz_one(data: bytes) -> None:
    TARGET.write_bytes(edited_bundle(atheris.FuzzedDataProvider(data)))
    try:
        bundle = Bundle.open(TARGET)
        for member in bundle.members:
            bundle.member_svm(member)
    except AscEdgeError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error!r}") from error


if __name__ == "__main__":
    BASE = without_texts(HOME)
    with tempfile.TemporaryDirectory() as folder:
        TARGET = Path(folder) / "fuzzed.ascb"
        TARGET.write_bytes(edited_bundle(atheris.FuzzedDataProvider(b"")))
        Bundle.open(TARGET)  # untouched, it must open, or nothing below would get past the first gate
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
        atheris.Setup(sys.argv, fuzz_one)
        atheris.Fuzz()
