"""Archives from strangers: unpacked inside one folder, or not at all."""

from __future__ import annotations

import gzip
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from asc_edge_train.fetch.registry import FetchError

__all__ = ["is_archive", "unpack"]

_ENCRYPTED = 0x1
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error),
    *(EOFError, NotImplementedError),
)


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into ``folder``; names are all checked before the first file is written.

    Raises
    ------
    FetchError
        When the archive is damaged or encrypted, the disk is too small, or a member is a link, a device or
        would lie outside the folder.
    """
    try:
        if archive.name.lower().endswith(".zip"):
            _unpack_zip(archive, folder)
        else:
            _unpack_tar(archive, folder)
    except _DAMAGED as error:  # ahead of the next one, which a bad gzip file is as well
        raise FetchError(f"{archive}: damaged ({error}); delete it and fetch it again") from None
    except OSError as error:
        raise FetchError(f"{archive}: can't be unpacked into {folder}: {error.strerror or error}") from None


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        for member in members:
            # The upper half of the attributes is the Unix mode, where the packer wrote one.
            kind = stat.S_IFMT(member.external_attr >> 16)
            _check_name(archive, member.filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if member.flag_bits & _ENCRYPTED:
                raise FetchError(f"{archive}: {member.filename} is encrypted")
        _check_room(archive, folder, sum(member.file_size for member in members))
        packed.extractall(folder, members)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        members = packed.getmembers()
        for member in members:
            _check_name(archive, member.name, plain=member.isfile() or member.isdir())
        _check_room(archive, folder, sum(member.size for member in members))
        # The first releases of Python 3.11 lack the filter, which besides drops owners and odd modes.
        options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(folder, members, **options)  # type: ignore[arg-type]
        # The checksum stands behind the last member, where nobody would read.
        while packed.fileobj is not None and packed.fileobj.read(1 << 20):
            pass


def _check_name(archive: Path, name: str, *, plain: bool) -> None:
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or re.search(r"\\|^[A-Za-z]:", name)
    if outside or not plain:
        what = "lies outside the archive's folder" if outside else "is a link or a device"
        raise FetchError(f"{archive}: {name!r} {what}; nothing was unpacked")


def _check_room(archive: Path, folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"{archive}: needs {needed / 1e9:.1f} GB unpacked, {folder} has {free / 1e9:.1f} GB free"
        )
