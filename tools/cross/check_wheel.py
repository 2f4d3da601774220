"""Looks into a wheel before anyone installs it: the right files, for the right machine, and nothing else.

    check_wheel.py WHEEL --source ARCHIVE

ARCHIVE is the source archive that the wheel was built from. Needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import re
import struct
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Where the packages lie in the sources, as in [tool.scikit-build] of pyproject.toml.
PACKAGES = ("python/asc_edge", "tools/asc_edge_train")
BUNDLE = "asc_edge/bundles/home.ascb"
SUFFIXES = {".py", ".pyi", ".typed", ".toml", ".css", ".html", ".js", ".svg", ".ascb"}
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
# e_machine, section "ELF header" of the ELF specification and of its processor supplements.
MACHINES = {"x86_64": 62, "aarch64": 183}
# The Raspberry Pi 5 runs with pages of 16 KiB, other ARM kernels with up to 64: the linker's default there.
ALIGNMENT = {"x86_64": 4096, "aarch64": 65536}
PT_LOAD = 1

NAME = re.compile(
    r"asc_edge-(?P<version>[^-]+)-cp(?P<python>3\d+)-cp(?P=python)-manylinux_2_(?P<glibc>\d+)_(?P<arch>\w+)\.whl"
)


class WheelError(Exception):
    """One sentence on what is wrong."""


@dataclass(frozen=True)
class Elf:
    """What the loader looks at first.

    Attributes
    ----------
    machine : int
        ``e_machine``.
    alignments : tuple of int
        ``p_align`` of every loadable segment, in bytes.
    """

    machine: int
    alignments: tuple[int, ...]


def read_elf(data: bytes) -> Elf:
    """Read the headers of a 64-bit little-endian ELF file.

    Raises
    ------
    WheelError
        When it is none, or its program headers are cut off.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        raise WheelError("the extension is no 64-bit little-endian ELF file")
    try:
        (machine,) = struct.unpack_from("<H", data, 18)
        (offset,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", data, offset + size * index) for index in range(count)]
    except struct.error:
        raise WheelError("the extension is cut off") from None
    return Elf(machine, tuple(header[7] for header in headers if header[0] == PT_LOAD))


def packaged_files(archive: Path) -> set[str]:
    """Names that the packages' files have in a wheel, from the source archive."""
    with tarfile.open(archive) as sources:
        names = [
            PurePosixPath(*PurePosixPath(member.name).parts[1:]) for member in sources if member.isfile()
        ]
    return {
        str(name.relative_to(PurePosixPath(package).parent))
        for name in names
        for package in PACKAGES
        if name.is_relative_to(package)
    }


def check_wheel(wheel: Path, archive: Path) -> str:
    """Check a wheel against the sources it was built from.

    Returns
    -------
    str
        What it is, in one line.

    Raises
    ------
    WheelError
        At the first thing that is not as it should be.
    """
    match = NAME.fullmatch(wheel.name)
    if match is None:
        raise WheelError("is not named asc_edge-VERSION-cpXY-cpXY-manylinux_2_N_ARCH.whl")
    arch, python = match["arch"], match["python"]
    if arch not in MACHINES:
        raise WheelError(f"is for an unknown machine, {arch}")
    extension = f"asc_edge/_core.cpython-{python}-{arch}-linux-gnu.so"
    info = f"asc_edge-{match['version']}.dist-info"
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if not name.endswith("/")}
        _check_names(names, packaged_files(archive) | {extension} | {f"{info}/{name}" for name in METADATA})
        tags = re.findall(r"^Tag: (\S+)$", content.read(f"{info}/WHEEL").decode(), re.MULTILINE)
        elf = read_elf(content.read(extension))
        extension_bytes = content.getinfo(extension).file_size
    if wheel.name.removesuffix(".whl").split("-", 2)[2] not in tags:
        raise WheelError(f"says {', '.join(tags)} inside, another thing than its name")
    if elf.machine != MACHINES[arch]:
        raise WheelError(f"holds an extension for ELF machine {elf.machine}, not {MACHINES[arch]} ({arch})")
    if not elf.alignments or min(elf.alignments) < ALIGNMENT[arch]:
        raise WheelError(f"its segments are aligned to {elf.alignments}, not to {ALIGNMENT[arch]} bytes")
    return (
        f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, {len(names)} files; extension "
        f"{extension_bytes / 1e3:.0f} kB for {arch}, aligned to {min(elf.alignments) // 1024} KiB, "
        f"glibc 2.{match['glibc']} or later"
    )


def _check_names(names: set[str], expected: set[str]) -> None:
    if BUNDLE not in names:
        raise WheelError(f"lacks the built-in bundle, {BUNDLE}")
    if lost := sorted(expected - names):
        raise WheelError(f"lacks {', '.join(lost)}")
    if stray := sorted(names - expected):
        raise WheelError(f"holds stray files: {', '.join(stray)}")
    odd = sorted(
        name
        for name in names
        if PurePosixPath(name).suffix not in SUFFIXES | {".so"} and ".dist-info/" not in name
    )
    if odd:
        raise WheelError(f"holds files of a kind that no package of ours has: {', '.join(odd)}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a wheel before anyone installs it.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--source", type=Path, required=True, metavar="ARCHIVE")
    args = parser.parse_args()
    try:
        print(check_wheel(args.wheel, args.source))
    except (WheelError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        print(f"check_wheel: error: {args.wheel.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
