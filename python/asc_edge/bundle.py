"""The bundle: the one file that carries a trained system from the workstation to the device.

A bundle is a sealed ZIP archive, byte for byte reproducible (`archive.py`). It holds ``manifest.json``, the
networks and the SVMs. The seal is checked before anything in the file is interpreted, so that no parser and
no inference engine ever sees damaged data.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.archive import check_seal, pack, unpack
from asc_edge.atomic import write_atomically
from asc_edge.errors import BundleError, ConfigError
from asc_edge.frontend import LogMelConfig, log_mel
from asc_edge.frontend_config import MAX_WINDOW_SAMPLES
from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge.images import ImageSpec
from asc_edge.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    MemberSpec,
    StreamSpec,
    parse_manifest,
)
from asc_edge.npz import read_npz
from asc_edge.version import __version__

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = [
    "MAX_BUNDLE_BYTES",
    "SCHEMA_VERSION",
    "Bundle",
    "ImageSpec",
    "MemberSpec",
    "StreamSpec",
    "built_in_bundles",
    "write_bundle",
]

MAX_BUNDLE_BYTES = 64 * 2**20
# How far the frames of this machine may lie from the frames that the networks were trained on.
GOLDEN_TOLERANCE_DB = 1e-3
# One window and three hops of the longest that a front end may have.
MAX_GOLDEN_SAMPLES = 4 * MAX_WINDOW_SAMPLES


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes
    ----------
    path : Path
        Where it was read from.
    manifest : Manifest
        What it says about itself.
    fusion : LateFusion
        The stacked SVM, ready to score.
    sha256 : str
        The seal, in hexadecimal: names this exact bundle.

    Examples
    --------
    >>> from asc_edge.bundle import Bundle
    >>> bundle = Bundle.open("home.ascb")  # doctest: +SKIP
    >>> bundle.labels  # doctest: +SKIP
    ('cooking', 'dishwashing', 'eating', 'other', 'social_activity', 'vacuum_cleaner', 'working')
    """

    path: Path
    manifest: Manifest
    fusion: LateFusion
    sha256: str
    _files: Mapping[str, bytes]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read and verify a bundle.

        Raises
        ------
        BundleError
            When the file is missing, no bundle, damaged, of a newer schema, inconsistent, or asks for a front
            end that this machine doesn't reproduce within 1e-3 dB.
        """
        path = Path(path)
        data = _read_file(path)
        sha256 = check_seal(data, path)
        files = unpack(data, path)
        manifest = parse_manifest(files.pop(MANIFEST_NAME, b""), path.name)
        _check_files(files, manifest, path)
        fusion = _load_fusion(files[manifest.fusion], manifest, path)
        for name, config in manifest.front_ends.items():
            _check_golden(name, config, files, path)
        bundle = cls(path=path, manifest=manifest, fusion=fusion, sha256=sha256, _files=files)
        for member in manifest.members:
            bundle.member_colours(member)
        return bundle

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def labels_not_covered(self) -> tuple[str, ...]:
        return self.manifest.labels_not_covered

    @property
    def sample_rate_hz(self) -> int:
        return self.manifest.sample_rate_hz

    @property
    def window_s(self) -> float:
        return self.manifest.window_s

    @property
    def hop_s(self) -> float:
        return self.manifest.hop_s

    @property
    def silence_db(self) -> float:
        return self.manifest.silence_db

    @property
    def front_ends(self) -> Mapping[str, LogMelConfig]:
        return self.manifest.front_ends

    @property
    def members(self) -> tuple[MemberSpec, ...]:
        return self.manifest.members

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of everything inside but the manifest."""
        return tuple(self._files)

    def read(self, name: str) -> bytes:
        """Bytes of one file of the bundle.

        Raises
        ------
        BundleError
            When there is no such file inside.
        """
        try:
            return self._files[name]
        except KeyError:
            raise BundleError(f"{self.path.name}: there is no file {name!r} inside") from None

    def member_svm(self, member: MemberSpec) -> LinearSvm | None:
        """The linear SVM of an embedding member, or None where the network itself gives posteriors."""
        return None if member.svm is None else LinearSvm.from_npz(self.read(member.svm))

    def member_colours(self, member: MemberSpec) -> NDArray[np.uint8] | None:
        """Colours (n, 3) of the images that a member is fed, or None where it is fed none.

        Raises
        ------
        BundleError
            When the file of colours that it names holds none.
        """
        if member.image is None:
            return None
        name = member.image.colour_file
        try:
            return member.image.colours(None if name is None else self.read(name))
        except ConfigError as error:
            raise BundleError(f"{self.path}: {name}: {error}") from None


def write_bundle(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    """Write a bundle whose bytes depend on its content alone, then open it again to prove that it is sound.

    Parameters
    ----------
    path : path
        Where to; an existing bundle is replaced only when the new one is complete.
    manifest : mapping
        Everything but ``schema``, ``created_by`` and ``files``, which are filled in here.
    files : mapping of str to bytes
        Networks, SVMs and texts by name. Golden front-end vectors are added here.

    Raises
    ------
    BundleError
        When what would be written could not be opened again.
    """
    path = Path(path)
    content = dict(files)
    for name, config in manifest["front_ends"].items():
        content[_golden_name(name)] = _golden_vectors(LogMelConfig.from_dict(config))
    full = dict(manifest)
    full["schema"] = SCHEMA_VERSION
    full["created_by"] = f"asc-edge {__version__}"
    full["members"] = [asdict(m) if isinstance(m, MemberSpec) else dict(m) for m in manifest["members"]]
    full["files"] = {name: _entry(data) for name, data in sorted(content.items())}
    text = json.dumps(full, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    data = pack({MANIFEST_NAME: text.encode(), **content})
    write_atomically(path, data, check=Bundle.open)


def _entry(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def built_in_bundles() -> dict[str, Traversable]:
    """The bundles that come with the package, by name, sorted."""
    from importlib.resources import files

    folder = files("asc_edge") / "bundles"
    inside = folder.iterdir() if folder.is_dir() else ()
    found = {one.name.removesuffix(".ascb"): one for one in inside if one.name.endswith(".ascb")}
    return dict(sorted(found.items()))


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BUNDLE_BYTES:
            raise BundleError(f"{path}: {size} bytes is more than a bundle may have ({MAX_BUNDLE_BYTES})")
        return path.read_bytes()
    except FileNotFoundError:
        names = " or ".join(map(repr, built_in_bundles()))
        raise BundleError(f"{path}: no such bundle; give a path to an .ascb file, or {names}") from None
    except OSError as error:
        raise BundleError(f"{path}: can't be read: {error.strerror}") from None


def _check_files(files: Mapping[str, bytes], manifest: Manifest, path: Path) -> None:
    if files.keys() != manifest.files.keys():
        odd = ", ".join(sorted(files.keys() ^ manifest.files.keys()))
        raise BundleError(f"{path}: manifest and content differ in {odd}")
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise BundleError(
                f"{path}: {name} doesn't match its SHA-256 in the manifest; get the bundle anew"
            )
    needed = {manifest.fusion, *(name for member in manifest.members for name in member.files)}
    if manifest.memory is not None:
        needed.add(manifest.memory.file)
    missing = needed - files.keys()
    if missing:
        raise BundleError(f"{path}: lacks {', '.join(sorted(missing))}, which its manifest names")


def _load_fusion(data: bytes, manifest: Manifest, path: Path) -> LateFusion:
    fusion = LateFusion.from_npz(data)
    expected = sum(member.outputs for member in manifest.members)
    if fusion.features != expected:
        raise BundleError(f"{path}: fusion takes {fusion.features} inputs, its members give {expected}")
    if fusion.classes != len(manifest.labels):
        raise BundleError(f"{path}: fusion gives {fusion.classes} classes for {len(manifest.labels)} labels")
    return fusion


def _golden_name(front_end: str) -> str:
    return f"golden/{front_end}.npz"


def _golden_vectors(config: LogMelConfig) -> bytes:
    """A short signal and its frames: what a runner must reproduce before it may use the networks."""
    count = config.window_samples + 3 * config.hop_samples
    time_s = np.arange(count) / config.sample_rate_hz
    rng = np.random.default_rng(20180501)
    chirp = np.sin(2 * np.pi * (60.0 + 0.2 * config.sample_rate_hz * time_s) * time_s)
    signal = 0.07 + 0.3 * chirp + 0.02 * rng.standard_normal(count)
    samples = np.clip(np.round(signal * 32767.0), -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    np.savez(buffer, samples=samples, frames=log_mel(samples, config))
    return buffer.getvalue()


def _check_golden(name: str, config: LogMelConfig, files: Mapping[str, bytes], path: Path) -> None:
    stored = files.get(_golden_name(name))
    if stored is None:
        raise BundleError(f"{path}: lacks the golden vectors of its front end {name!r}")
    try:
        arrays = read_npz(stored, ("samples", "frames"))
        samples: NDArray[np.int16] = arrays["samples"]
        expected: NDArray[np.float32] = arrays["frames"]
        if samples.ndim != 1 or samples.size > MAX_GOLDEN_SAMPLES or expected.dtype != np.float32:
            raise BundleError("they are no short signal and its frames")
        frames = log_mel(samples, config)
    except Exception as error:  # whatever a reader may throw at damaged bytes
        reason = " ".join(str(error).split())
        raise BundleError(f"{path}: golden vectors of front end {name!r} can't be used: {reason}") from None
    if frames.shape != expected.shape or not frames.size:
        raise BundleError(f"{path}: front end {name!r} gives frames of another shape here")
    difference_db = float(np.max(np.abs(frames - expected))) * config.db_per_unit
    if not difference_db <= GOLDEN_TOLERANCE_DB:
        raise BundleError(
            f"{path}: front end {name!r} differs here by {difference_db:.3g} dB from the one it was trained "
            f"with; use the asc-edge release that made it"
        )
