"""What a bundle says about itself, read strictly: nothing unknown is guessed, nothing missing is invented."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asc_edge.errors import BundleError, ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge.manifest_members import (
    MemberFrame,
    MemberInput,
    MemberKind,
    MemberSpec,
    Precision,
    StreamSpec,
    read_member,
)
from asc_edge.manifest_optional import (
    OPTIONAL_PARTS,
    MemorySpec,
    read_memory,
    read_taught,
    read_unknown_below,
)
from asc_edge.manifest_values import get, names, number, sha256

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "Manifest",
    "MemberInput",
    "MemberKind",
    "MemberSpec",
    "MemorySpec",
    "Precision",
    "StreamSpec",
    "parse_manifest",
]

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Manifest:
    """The checked content of ``manifest.json``; ``raw`` keeps what only people read (accuracy, data).

    ``unknown_below`` is the highest posterior below which a sound is none that the bundle was trained on;
    None where the manifest has no ``thresholds``. ``memory`` is there where the bundle can be taught.
    ``taught`` are the labels, the last ones, that it was taught on a device: networks that give posteriors
    know nothing of them.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    labels_not_covered: tuple[str, ...]
    sample_rate_hz: int
    window_s: float
    hop_s: float
    silence_db: float
    front_ends: Mapping[str, LogMelConfig]
    members: tuple[MemberSpec, ...]
    fusion: str
    files: Mapping[str, str]
    raw: Mapping[str, Any]
    unknown_below: float | None = None
    memory: MemorySpec | None = None
    taught: tuple[str, ...] = ()


def parse_manifest(data: bytes, bundle_name: str) -> Manifest:
    """Check ``manifest.json`` and give its content.

    Raises
    ------
    BundleError
        When it is missing, malformed, of a newer schema, or contradicts itself.
    """
    try:
        return _parse(_load_json(data))
    except (BundleError, ConfigError) as error:
        raise BundleError(f"{bundle_name}: {error}") from None


def _load_json(data: bytes) -> dict[str, Any]:
    if not data:
        raise BundleError("has no manifest.json")
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        raise BundleError("manifest.json is not JSON") from None
    if not isinstance(raw, dict):
        raise BundleError("manifest.json is not an object")
    return raw


def _parse(raw: dict[str, Any]) -> Manifest:
    schema = get(raw, "schema", int)
    if schema > SCHEMA_VERSION:
        raise BundleError(
            f"has schema {schema}, this asc-edge reads up to {SCHEMA_VERSION}; upgrade asc-edge to use it"
        )
    if schema < 1:
        raise BundleError(f"has the unknown schema {schema}")
    labels = names(raw, "labels")
    if len(labels) < 2:
        raise BundleError("manifest: fewer than two labels")
    front_ends = {
        str(name): _front_end(str(name), value) for name, value in get(raw, "front_ends", dict).items()
    }
    window_s, sample_rate_hz = number(raw, "window_s"), get(raw, "sample_rate_hz", int)
    _check_times(window_s, number(raw, "hop_s"), sample_rate_hz, front_ends)
    later = [key for key in OPTIONAL_PARTS if key in raw]
    if schema == 1 and later:
        raise BundleError(f"manifest: has {later[0]}, which schema 1 doesn't know")
    taught = read_taught(raw.get("taught"), labels)
    frame = MemberFrame(schema, front_ends, len(labels), round(window_s * sample_rate_hz), len(taught))
    members = tuple(read_member(value, frame) for value in get(raw, "members", list))
    if not members:
        raise BundleError("manifest: no members")
    return Manifest(
        name=get(raw, "name", str),
        version=get(raw, "version", str),
        labels=labels,
        labels_not_covered=names(raw, "labels_not_covered"),
        sample_rate_hz=sample_rate_hz,
        window_s=window_s,
        hop_s=number(raw, "hop_s"),
        silence_db=number(raw, "silence_db"),
        front_ends=front_ends,
        members=members,
        fusion=get(raw, "fusion", str),
        files={str(name): sha256(str(name), value) for name, value in get(raw, "files", dict).items()},
        raw=raw,
        unknown_below=read_unknown_below(raw, len(labels)),
        memory=read_memory(raw.get("memory"), members),
        taught=taught,
    )


def _check_times(
    window_s: float, hop_s: float, sample_rate_hz: int, front_ends: Mapping[str, LogMelConfig]
) -> None:
    if not 0.0 < hop_s <= window_s <= 120.0:
        raise BundleError(f"manifest: impossible window_s {window_s} and hop_s {hop_s}")
    for name, config in front_ends.items():
        if config.sample_rate_hz != sample_rate_hz:
            raise BundleError(f"manifest: front end {name!r} runs at another rate than the bundle")
        if config.frames(round(window_s * sample_rate_hz)) < 1:
            raise BundleError(f"manifest: front end {name!r} has no frame in {window_s} s")


def _front_end(name: str, value: object) -> LogMelConfig:
    if not isinstance(value, dict):
        raise BundleError(f"manifest: front end {name!r} is not an object")
    try:
        return LogMelConfig.from_dict(value)
    except (ConfigError, TypeError) as error:
        raise BundleError(f"needs a front end {name!r} that this asc-edge can't compute: {error}") from None
