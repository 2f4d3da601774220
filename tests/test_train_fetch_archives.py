"""Archives that must not be unpacked, or can't be."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from asc_edge_train.fetch.registry import FetchError
from asc_edge_train.fetch.unpack import unpack
from file_server import BODY, zipped


# Catches: an archive that writes over a stranger's files, or that leaves half of it before it is refused.
@pytest.mark.parametrize("name", ["../x.txt", "/x.txt", "a/../../x.txt", "C:/x.txt", "a\\..\\x.txt"])
def test_archive_that_points_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"fine.txt": b"x", name: b"y"}))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for inside in ("fine.txt", name):
            archive.addfile(tarfile.TarInfo(inside), io.BytesIO())
    for packed in ("a.zip", "a.tar.gz"):
        with pytest.raises(FetchError, match="outside"):
            unpack(tmp_path / packed, tmp_path / "inner" / "deep")
    assert not list(tmp_path.rglob("*.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_archive_with_links(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(member)
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    for name in ("a.tar", "a.zip"):
        with pytest.raises(FetchError, match="link"):
            unpack(tmp_path / name, tmp_path / "out")


# Catches: tracebacks of zipfile, tarfile and zlib.
def test_damaged_archives(tmp_path: Path) -> None:
    whole = zipped({"a.txt": b"x" * 5000})
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a.bin")
        member.size = len(BODY)
        archive.addfile(member, io.BytesIO(BODY))
    packed = (tmp_path / "whole.tar.gz").read_bytes()
    for name, body in (
        ("a.zip", whole[:2000]),
        ("b.zip", whole.replace(b"x" * 100, b"y" * 100, 1)),
        ("c.zip", b""),
        ("d.tar.gz", packed[: len(packed) // 2]),
        ("e.tar.gz", b"no gzip"),
        ("f.tar.gz", packed[:1000] + bytes(1000) + packed[2000:]),
    ):
        (tmp_path / name).write_bytes(body)
        with pytest.raises(FetchError, match="damaged"):
            unpack(tmp_path / name, tmp_path / "out")
    (tmp_path / "g.zip").write_bytes(whole)
    unpack(tmp_path / "g.zip", tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"x" * 5000
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="can't be unpacked"):
        unpack(tmp_path / "g.zip", tmp_path / "file")
