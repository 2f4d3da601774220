"""The bundle's file format: a sealed ZIP archive of which every byte follows from what it holds.

Any ZIP tool can look inside. This reader takes nothing but what this writer writes: files stored as they
are, in one order, with one form of header. So there is nothing to guess, to unpack, or to allocate on a
file's word, and two bundles of the same content are the same bytes.

The archive's comment is a seal, the SHA-256 of every byte in front of it. It is checked before anything is
interpreted. Layout: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from asc_edge.errors import BundleError

__all__ = ["MAX_FILES", "SEAL_BYTES", "check_seal", "pack", "seal", "unpack"]

# What is read first stands first.
_FIRST_FILE = "manifest.json"
MAX_FILES = 256

_SEAL_PREFIX = b"asc-edge bundle sha256:"
SEAL_BYTES = len(_SEAL_PREFIX) + 64

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _UNIX, _STORED, _UTF8_NAME = 20, 3, 0, 0x800
_TIME, _DATE = 0, 33  # the first moment that the format knows: 1 January 1980
_MODE = 0o644 << 16


def pack(files: Mapping[str, bytes]) -> bytes:
    """A sealed archive of these files, whose order doesn't matter.

    Parameters
    ----------
    files : mapping of str to bytes
        By name, with ``/`` between folders.
    """
    parts, entries, offset = [], [], 0
    for name in _ordered(files):
        header = _local_header(name, files[name])
        entries.append((name, header, offset))
        parts += [header, files[name]]
        offset += len(header) + len(files[name])
    return seal(b"".join([*parts, _ending(entries, offset)]))


def seal(body: bytes) -> bytes:
    """An archive without its comment, and the comment."""
    return body + _SEAL_PREFIX + hashlib.sha256(body).hexdigest().encode()


def check_seal(data: bytes, path: Path) -> str:
    """The seal of an archive, in hexadecimal.

    Raises
    ------
    BundleError
        When it is no archive, or not the bytes that were sealed.
    """
    found = data[-SEAL_BYTES:]
    if not data.startswith(_LOCAL_SIGNATURE):
        raise BundleError(f"{path}: not an asc-edge bundle")
    if not found.startswith(_SEAL_PREFIX):
        raise BundleError(f"{path}: damaged or cut off: its SHA-256 seal is missing; copy the bundle again")
    digest = hashlib.sha256(data[:-SEAL_BYTES]).hexdigest()
    if found[len(_SEAL_PREFIX) :] != digest.encode():
        raise BundleError(f"{path}: damaged: its content doesn't match its SHA-256 seal; copy it again")
    return digest


def unpack(data: bytes, path: Path) -> dict[str, bytes]:
    """The files of an archive whose seal has been checked, by name.

    Raises
    ------
    BundleError
        When a single byte is other than `pack` would have written it.
    """
    files: dict[str, bytes] = {}
    entries, position = [], 0
    while data[position : position + 4] == _LOCAL_SIGNATURE:
        if len(files) == MAX_FILES:
            raise BundleError(f"{path}: holds more than {MAX_FILES} files, which no bundle does")
        name, content, header = _read_entry(data, position, path)
        if name in files:
            raise BundleError(f"{path}: holds two files of one name: {name}")
        entries.append((name, header, position))
        files[name] = content
        position += len(header) + len(content)
    if list(files) != _ordered(files) or data[position:-SEAL_BYTES] != _ending(entries, position):
        raise BundleError(f"{path}: its directory is not as asc-edge writes it; get the bundle anew")
    return files


def _read_entry(data: bytes, position: int, path: Path) -> tuple[str, bytes, bytes]:
    """Name, content and header of the file whose header begins here."""
    start = position + _LOCAL.size
    if start > len(data):
        raise BundleError(f"{path}: is cut off inside; get the bundle anew")
    fields = _LOCAL.unpack_from(data, position)
    method, size, name_bytes = fields[3], fields[7], fields[9]
    if method != _STORED:
        raise BundleError(f"{path}: is compressed; the files of a bundle are stored as they are")
    try:
        name = data[start : start + name_bytes].decode()
    except UnicodeDecodeError:
        raise BundleError(f"{path}: holds a file whose name is not UTF-8") from None
    # Names are printed: no control character may reach the terminal that way.
    if not name.isprintable():
        raise BundleError(f"{path}: holds a file whose name is not printable")
    if not _stays_inside(name):
        raise BundleError(f"{path}: holds a file named {name!r}, which leads out of it")
    content = data[start + name_bytes : start + name_bytes + size]
    header = data[position : start + name_bytes]
    if len(content) != size or header != _local_header(name, content):
        raise BundleError(f"{path}: the entry of {name!r} is not as asc-edge writes it; get the bundle anew")
    return name, content, header


def _stays_inside(name: str) -> bool:
    """Whether a name stays inside wherever somebody unpacks the archive, on any system."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and not any(odd in name for odd in "\\:")


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != _FIRST_FILE, name))


def _local_header(name: str, content: bytes) -> bytes:
    encoded = name.encode()
    flags = 0 if name.isascii() else _UTF8_NAME
    size = len(content)
    head = (_LOCAL_SIGNATURE, _VERSION, flags, _STORED, _TIME, _DATE, zlib.crc32(content), size, size)
    return _LOCAL.pack(*head, len(encoded), 0) + encoded


def _ending(entries: Iterable[tuple[str, bytes, int]], offset: int) -> bytes:
    """The directory behind the files: name, local header and offset of each; and where it begins."""
    directory = []
    for name, header, start in entries:
        _, version, flags, method, hour, day, crc, size, same, name_bytes, extra = _LOCAL.unpack_from(header)
        made_by = _UNIX << 8 | version
        head = (_CENTRAL_SIGNATURE, made_by, version, flags, method, hour, day, crc, size, same)
        directory.append(_CENTRAL.pack(*head, name_bytes, extra, 0, 0, 0, _MODE, start) + name.encode())
    joined, count = b"".join(directory), len(directory)
    return joined + _END.pack(_END_SIGNATURE, 0, 0, count, count, len(joined), offset, SEAL_BYTES)
