"""Bundles that are damaged, forged or hostile, each from its seed; and a run of all of them in one process.

    python tests/bundle_mutations.py BUNDLE... FOLDER COUNT

verifies COUNT mutants of every kind through the command line's own function, and prints one JSON line for
each. What a forger could do is done: all kinds but the bare ones get an honest seal, and those of content
also honest hashes wherever that doesn't make them just another sound bundle.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import resource
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge import archive
from asc_edge.cli import main

Files = dict[str, bytes]
Random = np.random.Generator

# What verifying may take beyond what Python and the engines hold already.
MEMORY_BYTES = 1 << 30
BOMB_BYTES = 300_000_000


def rehash(files: Files, **changes: Any) -> Files:
    """The files with a manifest whose hashes are honest, and with values of it changed."""
    manifest = json.loads(files["manifest.json"]) | changes
    manifest["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
        if name != "manifest.json"
    }
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def sealed_zip(files: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive by Python's own writer, with what it writes differently from ours, and an honest seal."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as target:
        warnings.simplefilter("ignore")  # two files of one name
        for name, data in files:
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
        target.comment = bytes(archive.SEAL_BYTES)
    return archive.seal(buffer.getvalue()[: -archive.SEAL_BYTES])


def forged(entries: list[tuple[str, bytes]]) -> bytes:
    """An archive as our own writer would make it of these files, in this order, however often each comes."""
    parts, listed, offset = [], [], 0
    for name, data in entries:
        header = archive._local_header(name, data)
        listed.append((name, header, offset))
        parts += [header, data]
        offset += len(header) + len(data)
    return archive.seal(b"".join([*parts, archive._ending(listed, offset)]))


def flip(body: bytes, rng: Random) -> bytes:
    changed = bytearray(body)
    for place in rng.choice(len(body), int(rng.integers(1, 9)), replace=False):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def zero(body: bytes, rng: Random) -> bytes:
    while True:
        start, size = int(rng.integers(len(body))), int(rng.integers(1, 4096))
        changed = body[:start] + bytes(len(body[start : start + size])) + body[start + size :]
        if changed != body:
            return changed


def cut(body: bytes, rng: Random) -> bytes:
    return body[: int(rng.integers(4, len(body) - 1))]


def insert(body: bytes, rng: Random) -> bytes:
    start = int(rng.integers(4, len(body)))
    return body[:start] + rng.bytes(int(rng.integers(1, 300))) + body[start:]


def exchange(body: bytes, rng: Random) -> bytes:
    while True:
        size = int(rng.integers(1, 500))
        a, b = sorted(int(place) for place in rng.integers(4, len(body) - size, 2))
        if b - a >= size and body[a : a + size] != body[b : b + size]:
            parts = (body[:a], body[b : b + size], body[a + size : b], body[a : a + size], body[b + size :])
            return b"".join(parts)


def drop(body: bytes, rng: Random) -> bytes:
    start = int(rng.integers(4, len(body) - 300))
    return body[:start] + body[start + int(rng.integers(1, 300)) :]


def swapped(files: Files, rng: Random) -> bytes:
    """Two files under each other's names; with honest hashes they are another bundle that doesn't fit."""
    names = [name for name in files if name != "manifest.json"]
    a, b = rng.choice(names, 2, replace=False)
    changed = {**files, a: files[b], b: files[a]}
    return archive.pack(rehash(changed) if rng.random() < 0.7 else changed)


def lost(files: Files, rng: Random) -> bytes:
    names = [name for name in files if rng.random() < 0.8 or name != "manifest.json"]
    gone = str(rng.choice(names))
    kept = {name: data for name, data in files.items() if name != gone}
    honest = rng.random() < 0.5 and "manifest.json" in kept
    return archive.pack(rehash(kept) if honest else kept)


def added(files: Files, rng: Random) -> bytes:
    return archive.pack({**files, f"extra{rng.integers(100)}.bin": rng.bytes(100)})


def deflated(files: Files, rng: Random) -> bytes:
    """Files that unpack to a thousand times their size; listed with honest hashes."""
    bomb = {**files, f"bomb{rng.integers(10)}.onnx": bytes(int(rng.integers(1, BOMB_BYTES // 30)))}
    method = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[int(rng.integers(3))]
    return sealed_zip(list(rehash(bomb).items()), method)


def oversized(files: Files, rng: Random) -> bytes:
    """Sizes, offsets and lengths of headers that claim what isn't there."""
    body = bytearray(archive.pack(files)[: -archive.SEAL_BYTES])
    signature, fields = ((b"PK\x03\x04", (18, 22, 26, 28)), (b"PK\x01\x02", (20, 24, 28, 30, 42)))[
        int(rng.integers(2))
    ]
    places = [place for place in range(len(body)) if body.startswith(signature, place)]
    place, field = int(rng.choice(places)), int(rng.choice(fields))
    size = 2 if field in {26, 28, 30} else 4
    value = int(rng.choice([2 ** (8 * size) - 1, 2 ** (8 * size - 1), int(rng.integers(1000, 60000))]))
    struct.pack_into("<H" if size == 2 else "<L", body, place + field, value)
    changed = archive.seal(bytes(body))
    # Archives within, of arrays, hold some of these values already.
    return changed if changed != archive.pack(files) else oversized(files, rng)


def crowded(files: Files, rng: Random) -> bytes:
    crowd = {f"{number}.txt": b"" for number in range(int(rng.integers(archive.MAX_FILES, 20_000)))}
    return archive.pack(rehash({**files, **crowd}))


def traversing(files: Files, rng: Random) -> bytes:
    names = (
        *("../evil", "a/../../evil", "/etc/evil", "..", "a/./b", "a//b", "a/", "..\\evil", "C:\\evil"),
        *("c:evil", "\\\\host\\evil", "evil\nname", "evil\x1b[31m", "evil\x00.onnx", "\u202eevil"),
    )
    return archive.pack(rehash({**files, str(rng.choice(names)): b"evil"}))


def doubled(files: Files, rng: Random) -> bytes:
    entries = list(files.items())
    name, data = entries[int(rng.integers(len(entries)))]
    entries.insert(int(rng.integers(len(entries) + 1)), (name, data if rng.random() < 0.5 else rng.bytes(50)))
    return forged(entries) if rng.random() < 0.7 else sealed_zip(entries)


def disordered(files: Files, rng: Random) -> bytes:
    entries = list(files.items())
    while [name for name, _ in entries] == list(files):
        rng.shuffle(entries)  # type: ignore[arg-type]
    return forged(entries) if rng.random() < 0.7 else sealed_zip(entries)


def models(files: Files) -> list[str]:
    return [name for name in files if name.endswith(".npz")]


def inflated_model(files: Files, rng: Random) -> bytes:
    """Arrays of a model that unpack to hundreds of megabytes."""
    name = str(rng.choice(models(files)))
    with np.load(io.BytesIO(files[name])) as stored:
        arrays = dict(stored)
    big = str(rng.choice(list(arrays)))
    arrays[big] = np.zeros(int(rng.integers(1, BOMB_BYTES // 80)), arrays[big].dtype)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return archive.pack(rehash({**files, name: buffer.getvalue()}))


def boundless_array(files: Files, rng: Random) -> bytes:
    """A model with an array that says it is larger than the machine."""
    name = str(rng.choice(models(files)))
    with zipfile.ZipFile(io.BytesIO(files[name])) as stored:
        inside = [(entry.filename, stored.read(entry)) for entry in stored.infolist()]
    shape = f"({10 ** int(rng.integers(8, 15))}, {int(rng.integers(1, 9))})"
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    forged = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + rng.bytes(64)
    place = int(rng.integers(len(inside)))
    inside[place] = (inside[place][0], forged)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for entry, data in inside:
            target.writestr(entry, data)
    return archive.pack(rehash({**files, name: buffer.getvalue()}))


def cut_network(files: Files, rng: Random) -> bytes:
    """A network that ends early, or is noise: the engine itself must say no."""
    name = str(rng.choice([name for name in files if name.endswith((".onnx", ".tflite"))]))
    data = files[name]
    damaged = data[: int(rng.integers(len(data) // 2))] if rng.random() < 0.7 else rng.bytes(len(data))
    return archive.pack(rehash({**files, name: damaged}))


def contradiction(files: Files, rng: Random) -> bytes:
    """One value of the manifest that no longer fits the rest."""
    manifest = json.loads(files["manifest.json"])
    member = manifest["members"][int(rng.integers(len(manifest["members"])))]
    front_end = manifest["front_ends"][member["front_end"]]
    name = member["network"]
    values: list[Callable[[], object]] = [
        lambda: manifest.update(schema=int(rng.integers(3, 1000))),
        lambda: manifest.update(schema=str(rng.integers(9))),
        lambda: manifest.update(window_s=float(rng.uniform(0.0, 0.49))),
        lambda: manifest.update(sample_rate_hz=int(rng.integers(16001, 48000))),
        lambda: manifest["labels"].append(f"more{rng.integers(100)}"),
        lambda: manifest["files"][name].update(sha256=rng.bytes(32).hex()),
        lambda: front_end.update(mels=int(rng.integers(31, 200))),
        lambda: front_end.update(fmin_hz=float(rng.uniform(20.0, 900.0))),
        lambda: front_end.update(pcen=True),
        lambda: member.update(network=f"other{rng.integers(100)}.onnx"),
        lambda: member.update(kind="transformer"),
        lambda: member.update(floor_db=float(rng.uniform(0.0, 10.0))),
        lambda: member.update(outputs=int(rng.integers(4, 100))),
        lambda: member.update(front_end="another"),
        lambda: member.update(stream=7),
    ]
    values[int(rng.integers(len(values)))]()
    return archive.pack({**files, "manifest.json": json.dumps(manifest).encode()})


def no_engine(files: Files, rng: Random) -> bytes:
    """A network of a kind that nothing here runs."""
    text = files["manifest.json"].decode()
    old = str(rng.choice([name for name in files if name.endswith((".onnx", ".tflite"))]))
    new = old.rpartition(".")[0] + str(rng.choice([".pth", ".pt2", ".h5", ".pkl", ".exe"]))
    renamed = {new if name == old else name: data for name, data in files.items()}
    return archive.pack({**renamed, "manifest.json": text.replace(f'"{old}"', f'"{new}"').encode()})


def no_manifest(files: Files, rng: Random) -> bytes:
    text = files["manifest.json"]
    texts = (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, text[: int(rng.integers(len(text) - 2))])
    return archive.pack({**files, "manifest.json": texts[int(rng.integers(len(texts)))]})


BYTES = (flip, zero, cut, insert, exchange, drop)
CONTENTS = (
    *(swapped, lost, added, deflated, oversized, crowded, traversing, doubled, disordered),
    *(inflated_model, boundless_array, cut_network, contradiction, no_engine, no_manifest),
)
KINDS = (
    *(f"bare {change.__name__}" for change in BYTES),
    *(change.__name__ for change in (*BYTES, *CONTENTS)),
)


def mutant(kind: str, seed: int, bundles: list[bytes]) -> bytes:
    """A mutant of one of the bundles: the same for the same seed."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    data = bundles[seed % len(bundles)]
    changes = {change.__name__: change for change in CONTENTS}
    if kind in changes:
        return changes[kind](archive.unpack(data, Path("sound")), rng)
    change = next(change for change in BYTES if change.__name__ == kind.removeprefix("bare "))
    if kind.startswith("bare "):
        return change(data, rng)
    return archive.seal(change(data[: -archive.SEAL_BYTES], rng))


def verify(path: Path) -> dict[str, Any]:
    """What ``asc-edge bundle verify`` answers, and says."""
    said, answered = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(answered):
        code = main(["bundle", "verify", str(path)])
    return {"code": code, "stderr": said.getvalue(), "stdout": answered.getvalue()}


def run(bundles: list[Path], folder: Path, count: int) -> None:
    contents = [path.read_bytes() for path in bundles]
    path = folder / "mutant.ascb"
    for sound in bundles:
        assert verify(sound)["code"] == 0, sound
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind in KINDS:
        for seed in range(count):
            path.write_bytes(mutant(kind, seed, contents))
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
            found = verify(path)
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print(json.dumps({"kind": kind, "seed": seed, **found}), flush=True)


if __name__ == "__main__":
    run([Path(name) for name in sys.argv[1:-2]], Path(sys.argv[-2]), int(sys.argv[-1]))
