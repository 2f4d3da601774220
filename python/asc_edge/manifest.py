"""What a bundle says about itself, read strictly: nothing unknown is guessed, nothing missing is invented."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from asc_edge._checks import is_finite_number
from asc_edge.errors import BundleError, ConfigError
from asc_edge.frontend import LogMelConfig

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1

MemberKind = Literal["posterior", "embedding_svm"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One network of the system, and how its output becomes an input of the fusion.

    Attributes
    ----------
    name : str
    kind : {"posterior", "embedding_svm"}
        Whether the network ends in class posteriors, or in an embedding that ``svm`` scores.
    front_end : str
        Which of the bundle's front ends feeds it.
    floor_db : float < 0
        Floor of the picture, relative to the window's maximum.
    network : str
        File name of the network inside the bundle.
    outputs : int
        How many numbers it gives to the fusion.
    svm : str or None
        File name of the linear SVM inside the bundle.
    """

    name: str
    kind: MemberKind
    front_end: str
    floor_db: float
    network: str
    outputs: int
    svm: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The checked content of ``manifest.json``; ``raw`` keeps what only people read (accuracy, data)."""

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
    schema = _get(raw, "schema", int)
    if schema > SCHEMA_VERSION:
        raise BundleError(
            f"has schema {schema}, this asc-edge reads up to {SCHEMA_VERSION}; upgrade asc-edge to use it"
        )
    if schema < 1:
        raise BundleError(f"has the unknown schema {schema}")
    labels = _names(raw, "labels")
    if len(labels) < 2:
        raise BundleError("manifest: fewer than two labels")
    front_ends = {
        str(name): _front_end(str(name), value) for name, value in _get(raw, "front_ends", dict).items()
    }
    members = tuple(_member(value, front_ends, len(labels)) for value in _get(raw, "members", list))
    if not members:
        raise BundleError("manifest: no members")
    manifest = Manifest(
        name=_get(raw, "name", str),
        version=_get(raw, "version", str),
        labels=labels,
        labels_not_covered=_names(raw, "labels_not_covered"),
        sample_rate_hz=_get(raw, "sample_rate_hz", int),
        window_s=_number(raw, "window_s"),
        hop_s=_number(raw, "hop_s"),
        silence_db=_number(raw, "silence_db"),
        front_ends=front_ends,
        members=members,
        fusion=_get(raw, "fusion", str),
        files={str(name): _sha256(str(name), value) for name, value in _get(raw, "files", dict).items()},
        raw=raw,
    )
    _check_times(manifest)
    return manifest


def _check_times(manifest: Manifest) -> None:
    if not 0.0 < manifest.hop_s <= manifest.window_s <= 120.0:
        raise BundleError(f"manifest: impossible window_s {manifest.window_s} and hop_s {manifest.hop_s}")
    for name, config in manifest.front_ends.items():
        if config.sample_rate_hz != manifest.sample_rate_hz:
            raise BundleError(f"manifest: front end {name!r} runs at another rate than the bundle")
        if config.frames(round(manifest.window_s * manifest.sample_rate_hz)) < 1:
            raise BundleError(f"manifest: front end {name!r} has no frame in {manifest.window_s} s")


def _front_end(name: str, value: object) -> LogMelConfig:
    if not isinstance(value, dict):
        raise BundleError(f"manifest: front end {name!r} is not an object")
    try:
        return LogMelConfig.from_dict(value)
    except (ConfigError, TypeError) as error:
        raise BundleError(f"needs a front end {name!r} that this asc-edge can't compute: {error}") from None


def _member(value: object, front_ends: Mapping[str, LogMelConfig], labels: int) -> MemberSpec:
    if not isinstance(value, dict):
        raise BundleError("manifest: a member is not an object")
    name = _get(value, "name", str)
    kind = _get(value, "kind", str)
    if kind not in ("posterior", "embedding_svm"):
        raise BundleError(f"has a member {name!r} of the unknown kind {kind!r}; upgrade asc-edge to use it")
    svm = None if value.get("svm") is None else _get(value, "svm", str)
    if (kind == "embedding_svm") != bool(svm):
        raise BundleError(f"manifest: member {name!r} of kind {kind!r} and svm {svm!r} don't fit")
    member = MemberSpec(
        name=name,
        kind=cast(MemberKind, kind),
        front_end=_get(value, "front_end", str),
        floor_db=_number(value, "floor_db"),
        network=_get(value, "network", str),
        outputs=_get(value, "outputs", int),
        svm=svm,
    )
    if member.front_end not in front_ends:
        raise BundleError(f"manifest: member {name!r} names the unknown front end {member.front_end!r}")
    config = front_ends[member.front_end]
    # A picture is drawn from cells in dB, and of a stream that doesn't end: nobody calls `finish`.
    if config.level != "db" or config.scale != 1.0 or config.centred:
        raise BundleError(
            f"has a member {name!r} whose front end {member.front_end!r} is centred or not in plain dB, from "
            "which this asc-edge can't draw its picture; upgrade asc-edge to use it"
        )
    if member.floor_db >= 0.0:
        raise BundleError(f"manifest: member {name!r} has floor_db {member.floor_db}, which is not below 0")
    # One decision value serves two labels: scikit-learn's binary case.
    if member.outputs != labels and not (member.outputs == 1 and labels == 2):
        raise BundleError(f"manifest: member {name!r} gives {member.outputs} outputs for {labels} labels")
    return member


def _get(raw: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = raw.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "missing" if key not in raw else f"not of type {kind.__name__}"
        raise BundleError(f"manifest: {key} is {found}")
    if isinstance(value, str) and not value.isprintable():
        # It is printed: no control character may reach the terminal that way.
        raise BundleError(f"manifest: {key} is not printable")
    return value


def _number(raw: Mapping[str, Any], key: str) -> float:
    value = raw.get(key)
    if not is_finite_number(value):
        raise BundleError(f"manifest: {key} is not a finite number")
    return float(value)


def _names(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = _get(raw, key, list)
    named = all(isinstance(value, str) and value and value.isprintable() for value in values)
    if not named or len(set(values)) != len(values):
        raise BundleError(f"manifest: {key} is not a list of different names")
    return tuple(values)


def _sha256(name: str, value: object) -> str:
    if not name.isprintable():
        raise BundleError("manifest: the name of a file is not printable")
    digest = value.get("sha256") if isinstance(value, dict) else None
    if not isinstance(digest, str):
        raise BundleError("manifest: a file has no SHA-256")
    return digest
