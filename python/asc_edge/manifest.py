"""What a bundle says about itself, read strictly: nothing unknown is guessed, nothing missing is invented."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast, get_args

from asc_edge._checks import is_finite_number
from asc_edge.errors import BundleError, ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge.images import ImageSpec

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 2

MemberKind = Literal["posterior", "embedding_svm"]
MemberInput = Literal["picture", "frames", "level", "image"]
Precision = Literal["float32", "int8"]

_KINDS = get_args(MemberKind)
_INPUTS = get_args(MemberInput)
_PRECISIONS = get_args(Precision)
# What of the whole bundle came with schema 2; all of it is optional.
_SECOND_SCHEMA_PARTS = ("thresholds", "memory", "taught")
# What came with schema 2. A reader of schema 1 looks over these, so that there they would mean nothing.
_SECOND_SCHEMA_KEYS = ("input", "precision", "stream", "image")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A network in two parts, so that what was computed for old frames needn't be computed again.

    Attributes
    ----------
    trunk : str
        File name of the part that sees frames: (n, 1, mels, chunk_frames) -> (n, features, chunk_columns),
        with ``chunk_columns = (chunk_frames - context_frames) / stride_frames``. A column depends on the
        ``context_frames + stride_frames`` frames under it alone.
    head : str
        File name of the part that sees the window's columns: (n, features, columns) -> (n, outputs).
    chunk_frames, context_frames, stride_frames : int
        Frames of one call of the trunk, those among them that it shares with the chunk before, and frames
        between two columns.
    columns : int
        Columns of a whole window. The last one ends with the window's last frame; frames at the window's
        start that fill no column are in none.
    """

    trunk: str
    head: str
    chunk_frames: int
    context_frames: int
    stride_frames: int
    columns: int

    @property
    def chunk_columns(self) -> int:
        """Columns that one call of the trunk gives."""
        return (self.chunk_frames - self.context_frames) // self.stride_frames


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
    floor_db : float < 0, or None
        Floor of a picture, relative to the window's maximum, or of levels, absolute; None for bare frames and
        for images, whose floor is a part of ``image``.
    network : str
        File name of the network inside the bundle.
    outputs : int
        How many numbers it gives to the fusion.
    svm : str or None
        File name of the linear SVM inside the bundle.
    input : {"picture", "frames", "level", "image"}
        What the network is fed: pictures, whose maximum is 0 dB; the front end's bare frames, as networks of
        other authors want them; levels in dB above an absolute floor, over 20; or colour images, as networks
        for photographs want them. See `asc_edge.window` and `asc_edge.images`.
    precision : {"float32", "int8"}
        What the network computes in; for people alone.
    stream : StreamSpec or None
        The same network in two parts, for streams. Only levels can be computed so: a picture's cells all
        change with the window's maximum.
    image : ImageSpec or None
        How images are drawn, where these are what the network is fed.
    """

    name: str
    kind: MemberKind
    front_end: str
    floor_db: float | None
    network: str
    outputs: int
    svm: str | None = None
    input: MemberInput = "picture"
    precision: Precision = "float32"
    stream: StreamSpec | None = None
    image: ImageSpec | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files of the bundle that the member needs."""
        parts = () if self.stream is None else (self.stream.trunk, self.stream.head)
        colours = None if self.image is None else self.image.colour_file
        others = (name for name in (self.svm, *parts, colours) if name is not None)
        return (self.network, *others)


@dataclass(frozen=True, slots=True)
class MemorySpec:
    """What is needed to fit SVMs and fusion again: embeddings of training clips, and how it was done.

    Attributes
    ----------
    file : str
        File name inside the bundle; see `asc_edge.teaching.memory`.
    member_c : dict of str to float
        C of each embedding member's SVM.
    fusion_c : float
        C of the fusion's SVM.
    balanced : bool
        Whether classes weigh the same in the SVMs, however many clips they have.
    uniform_prior : bool
        Whether they do in the sigmoids.
    """

    file: str
    member_c: Mapping[str, float]
    fusion_c: float
    balanced: bool
    uniform_prior: bool


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
    window_s, sample_rate_hz = _number(raw, "window_s"), _get(raw, "sample_rate_hz", int)
    _check_times(window_s, _number(raw, "hop_s"), sample_rate_hz, front_ends)
    later = [key for key in _SECOND_SCHEMA_PARTS if key in raw]
    if schema == 1 and later:
        raise BundleError(f"manifest: has {later[0]}, which schema 1 doesn't know")
    taught = _taught(raw.get("taught"), labels)
    frame = _Frame(schema, front_ends, len(labels), round(window_s * sample_rate_hz), len(taught))
    members = tuple(_member(value, frame) for value in _get(raw, "members", list))
    if not members:
        raise BundleError("manifest: no members")
    return Manifest(
        name=_get(raw, "name", str),
        version=_get(raw, "version", str),
        labels=labels,
        labels_not_covered=_names(raw, "labels_not_covered"),
        sample_rate_hz=sample_rate_hz,
        window_s=window_s,
        hop_s=_number(raw, "hop_s"),
        silence_db=_number(raw, "silence_db"),
        front_ends=front_ends,
        members=members,
        fusion=_get(raw, "fusion", str),
        files={str(name): _sha256(str(name), value) for name, value in _get(raw, "files", dict).items()},
        raw=raw,
        unknown_below=_unknown_below(raw, len(labels)),
        memory=_memory(raw.get("memory"), members),
        taught=taught,
    )


def _unknown_below(raw: Mapping[str, Any], labels: int) -> float | None:
    """``thresholds.unknown_below``, which few bundles have."""
    if "thresholds" not in raw:
        return None
    thresholds = _get(raw, "thresholds", dict)
    if set(thresholds) != {"unknown_below"}:
        raise BundleError("manifest: thresholds holds unknown_below, and nothing else")
    value = _number(thresholds, "unknown_below")
    # No highest posterior of so many labels is lower, and none is higher than 1.
    if not 1.0 / labels < value < 1.0:
        raise BundleError(f"manifest: impossible unknown_below {value}: give 1 / {labels} labels up to 1")
    return value


def _taught(value: object, labels: tuple[str, ...]) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise BundleError("manifest: taught is not an object")
    taught = _names(value, "labels")
    if taught != labels[len(labels) - len(taught) :] or len(labels) - len(taught) < 2:
        raise BundleError("manifest: the taught labels are not the last of more than two others")
    return taught


def _memory(value: object, members: tuple[MemberSpec, ...]) -> MemorySpec | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BundleError("manifest: memory is not an object")
    given = _get(value, "member_c", dict)
    names = [member.name for member in members if member.svm is not None]
    if sorted(map(str, given)) != sorted(names):
        raise BundleError("manifest: memory: member_c doesn't name the members that have an SVM")
    spec = MemorySpec(
        file=_get(value, "file", str),
        member_c={name: _number(given, name) for name in names},
        fusion_c=_number(value, "fusion_c"),
        balanced=_flag(value, "balanced"),
        uniform_prior=_flag(value, "uniform_prior"),
    )
    if not all(c > 0 for c in (spec.fusion_c, *spec.member_c.values())):
        raise BundleError("manifest: memory: a C is not above 0")
    return spec


def _flag(raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key)
    if not isinstance(value, bool):
        raise BundleError(f"manifest: {key} is not true or false")
    return value


@dataclass(frozen=True, slots=True)
class _Frame:
    """What members must fit into."""

    schema: int
    front_ends: Mapping[str, LogMelConfig]
    labels: int
    window_samples: int
    taught: int


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


def _member(value: object, manifest: _Frame) -> MemberSpec:
    if not isinstance(value, dict):
        raise BundleError("manifest: a member is not an object")
    name = _get(value, "name", str)
    kind = _get(value, "kind", str)
    if kind not in _KINDS:
        raise BundleError(f"has a member {name!r} of the unknown kind {kind!r}; upgrade asc-edge to use it")
    svm = None if value.get("svm") is None else _get(value, "svm", str)
    if (kind == "embedding_svm") != bool(svm):
        raise BundleError(f"manifest: member {name!r} of kind {kind!r} and svm {svm!r} don't fit")
    later = [key for key in _SECOND_SCHEMA_KEYS if key in value]
    if manifest.schema == 1 and later:
        raise BundleError(f"manifest: member {name!r} has {later[0]}, which schema 1 doesn't know")
    member = MemberSpec(
        name=name,
        kind=cast(MemberKind, kind),
        front_end=_get(value, "front_end", str),
        floor_db=None if value.get("floor_db") is None else _number(value, "floor_db"),
        network=_get(value, "network", str),
        outputs=_get(value, "outputs", int),
        svm=svm,
        input=cast(MemberInput, _one_of(value, "input", _INPUTS, name)),
        precision=cast(Precision, _one_of(value, "precision", _PRECISIONS, name)),
        stream=_stream(value.get("stream"), name),
        image=_image(value.get("image"), name),
    )
    if member.front_end not in manifest.front_ends:
        raise BundleError(f"manifest: member {name!r} names the unknown front end {member.front_end!r}")
    config = manifest.front_ends[member.front_end]
    _check_input(member, config)
    if member.stream is not None:
        _check_stream(member, member.stream, config.frames(manifest.window_samples))
    # One decision value serves two labels: scikit-learn's binary case.
    expected = manifest.labels - (manifest.taught if member.svm is None else 0)
    if member.outputs != expected and not (member.outputs == 1 and expected == 2):
        raise BundleError(f"manifest: member {name!r} gives {member.outputs} outputs for {expected} labels")
    return member


def _check_input(member: MemberSpec, config: LogMelConfig) -> None:
    where = f"member {member.name!r}"
    if (member.input == "image") != (member.image is not None):
        raise BundleError(f"manifest: {where}: an image and the input {member.input} don't fit")
    if member.input == "frames":
        if member.floor_db is not None:
            raise BundleError(f"manifest: {where} is fed bare frames, which have no floor_db")
        return
    # Pictures and levels are drawn from cells in dB, and of a stream that doesn't end: nobody calls `finish`.
    if not config.is_plain_db:
        raise BundleError(
            f"has a {where} whose front end {member.front_end!r} is centred or not in plain dB, from which "
            f"no {member.input} can be drawn; such a member needs the input frames"
        )
    if member.input == "image":
        if member.floor_db is not None:
            raise BundleError(f"manifest: {where} is fed images, whose floor_db belongs to image")
        return
    if member.floor_db is None:
        raise BundleError(f"manifest: {where} needs a floor_db for its {member.input}")
    if not -1000.0 <= member.floor_db <= -1.0:
        raise BundleError(f"manifest: {where} has floor_db {member.floor_db}, which is not from -1000 to -1")


def _stream(value: object, member: str) -> StreamSpec | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BundleError(f"manifest: stream of member {member!r} is not an object")
    sizes = {
        key: _get(value, key, int) for key in ("chunk_frames", "context_frames", "stride_frames", "columns")
    }
    return StreamSpec(trunk=_get(value, "trunk", str), head=_get(value, "head", str), **sizes)


def _image(value: object, member: str) -> ImageSpec | None:
    if value is None:
        return None
    try:
        return ImageSpec.from_dict(cast(Mapping[str, Any], value))
    except ConfigError as error:
        raise BundleError(f"manifest: image of member {member!r}: {error}") from None


def _check_stream(member: MemberSpec, stream: StreamSpec, window_frames: int) -> None:
    where = f"manifest: stream of member {member.name!r}"
    if member.input != "level":
        raise BundleError(f"{where}: input {member.input} can't be computed in parts, only level can")
    new_frames = stream.chunk_frames - stream.context_frames
    whole = stream.stride_frames >= 1 and stream.context_frames >= 0 and new_frames >= 1
    if not whole or new_frames % stream.stride_frames:
        raise BundleError(
            f"{where}: {stream.chunk_frames} chunk_frames less {stream.context_frames} context_frames are no "
            f"columns of {stream.stride_frames} stride_frames"
        )
    if stream.chunk_frames > window_frames:
        raise BundleError(f"{where}: a chunk is longer than the window of {window_frames} frames")
    columns = (window_frames - stream.context_frames) // stream.stride_frames
    if stream.columns != columns:
        raise BundleError(f"{where}: {stream.columns} columns where the window has {columns}")


def _one_of(raw: Mapping[str, Any], key: str, known: tuple[str, ...], member: str) -> str:
    """One of the known values; the first of them where there is none."""
    value = known[0] if key not in raw else _get(raw, key, str)
    if value not in known:
        raise BundleError(
            f"has a member {member!r} of the unknown {key} {value!r}; upgrade asc-edge to use it"
        )
    return value


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
