"""How a service starts this very program, out of a virtual environment, pipx or the system's Python."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asc_edge.errors import ServiceError

__all__ = ["PRIVATE_FOLDERS", "Program", "this_program"]

# What ProtectHome= hides from a service: systemd.exec(5).
PRIVATE_FOLDERS = (Path("/home"), Path("/root"), Path("/run/user"))


@dataclass(frozen=True, slots=True)
class Program:
    """A command, and what of private folders it needs to run.

    Attributes
    ----------
    command : tuple of str
        Its first word is an absolute path.
    private : tuple of Path
        Folders below ``/home``, ``/root`` or ``/run/user``, none within another.
    """

    command: tuple[str, ...]
    private: tuple[Path, ...] = ()


def this_program(
    executable: str = sys.executable,
    prefixes: Sequence[str] = (sys.prefix, sys.base_prefix),
    path: Iterable[str] | None = None,
    user_site: str | None = None,
) -> Program:
    """The program that runs now.

    A virtual environment's ``python`` is a link to the system's, and its place makes the environment: so
    links are followed only to find what must be reachable.

    Parameters
    ----------
    executable : str
    prefixes : sequence of str
        The environment's folder, and that of the Python it was made from.
    path : iterable of str, optional
        Where modules are found; ``sys.path`` by default.
    user_site : str, optional
        The folder of packages that were installed for one user only.

    Raises
    ------
    ServiceError
        When the package is installed for one user only, so that a service's user wouldn't find it.
    """
    if not executable:
        raise ServiceError("Python doesn't know its own path; install asc-edge into a virtual environment")
    here = Path(__file__).resolve().parents[2]
    user_site = sysconfig.get_path("purelib", "posix_user") if user_site is None else user_site
    if user_site and here == Path(user_site).resolve():
        raise ServiceError(
            f"asc-edge is installed for one user only, in {user_site}; install it with pipx or into a "
            "virtual environment: python3 -m venv /opt/asc-edge"
        )
    # The folder of a script, or the one that we happen to be in, comes first and is no part of the program.
    modules = [Path(entry) for entry in list(sys.path[1:] if path is None else path) if entry]
    needed = [Path(prefix) for prefix in prefixes]
    needed += [Path(executable).parent, Path(executable).resolve().parent, here]
    needed += [entry for entry in modules if entry.is_dir()]
    # -P: the folder that the service runs in is no place for modules.
    return Program((executable, "-P", "-m", "asc_edge.cli"), _outermost(_private(needed)))


def _private(folders: Iterable[Path]) -> set[Path]:
    both = {place for folder in folders for place in (folder.absolute(), folder.resolve())}
    return {place for place in both if any(place.is_relative_to(home) for home in PRIVATE_FOLDERS)}


def _outermost(folders: set[Path]) -> tuple[Path, ...]:
    return tuple(
        sorted(folder for folder in folders if not any(parent in folders for parent in folder.parents))
    )
