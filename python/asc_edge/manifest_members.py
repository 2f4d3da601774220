"""The members of a bundle in its manifest: what each network is fed, and what it gives to the fusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from asc_edge.errors import BundleError, ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge.images import ImageSpec
from asc_edge.manifest_values import get, number

__all__ = ["MemberFrame", "MemberInput", "MemberKind", "MemberSpec", "Precision", "StreamSpec", "read_member"]

MemberKind = Literal["posterior", "embedding_svm"]
MemberInput = Literal["picture", "frames", "level", "image"]
Precision = Literal["float32", "int8"]

_KINDS = get_args(MemberKind)
_INPUTS = get_args(MemberInput)
_PRECISIONS = get_args(Precision)
# What came with schema 2. A reader of schema 1 looks over these, so that there they would mean nothing.
_SECOND_SCHEMA_KEYS = ("input", "precision", "stream", "image")


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
class MemberFrame:
    """What members must fit into; ``taught`` of the ``labels`` were taught on a device."""

    schema: int
    front_ends: Mapping[str, LogMelConfig]
    labels: int
    window_samples: int
    taught: int


def read_member(value: object, manifest: MemberFrame) -> MemberSpec:
    """Check one entry of ``members``, and give its content.

    Raises
    ------
    BundleError
        When it is malformed, of a newer kind, or doesn't fit into its bundle.
    """
    if not isinstance(value, dict):
        raise BundleError("manifest: a member is not an object")
    name = get(value, "name", str)
    kind = get(value, "kind", str)
    if kind not in _KINDS:
        raise BundleError(f"has a member {name!r} of the unknown kind {kind!r}; upgrade asc-edge to use it")
    svm = None if value.get("svm") is None else get(value, "svm", str)
    if (kind == "embedding_svm") != bool(svm):
        raise BundleError(f"manifest: member {name!r} of kind {kind!r} and svm {svm!r} don't fit")
    later = [key for key in _SECOND_SCHEMA_KEYS if key in value]
    if manifest.schema == 1 and later:
        raise BundleError(f"manifest: member {name!r} has {later[0]}, which schema 1 doesn't know")
    member = MemberSpec(
        name=name,
        kind=cast(MemberKind, kind),
        front_end=get(value, "front_end", str),
        floor_db=None if value.get("floor_db") is None else number(value, "floor_db"),
        network=get(value, "network", str),
        outputs=get(value, "outputs", int),
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
        key: get(value, key, int) for key in ("chunk_frames", "context_frames", "stride_frames", "columns")
    }
    return StreamSpec(trunk=get(value, "trunk", str), head=get(value, "head", str), **sizes)


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
    value = known[0] if key not in raw else get(raw, key, str)
    if value not in known:
        raise BundleError(
            f"has a member {member!r} of the unknown {key} {value!r}; upgrade asc-edge to use it"
        )
    return value
