"""The open database of the one process that writes it: sound, and of today's schema."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asc_edge.errors import HistoryError
from asc_edge.store.salvage import salvage
from asc_edge.store.schema import migrate

__all__ = ["Database", "Operation", "is_damage"]

BUSY_TIMEOUT_S = 5.0
QUICK = "quick_check"
# SQLite's own 4 MB would be more than a small history.
WAL_PAGES = 250
_WAL_BYTES = WAL_PAGES * 4096


@dataclass(frozen=True, slots=True)
class Operation:
    """A statement that may be carried out twice with the same outcome.

    Attributes
    ----------
    sql : str
    values : mapping
    durable : bool
        Whether a power cut must not undo it once it is written.
    """

    sql: str
    values: Mapping[str, object]
    durable: bool


class Database:
    """A history that is open for writing, by this process alone.

    A commit is in the file when :meth:`write` returns, whatever kills the process. A durable one is also on
    the disk, as far as the disk tells the truth. What isn't durable a power cut may undo, back to the last
    durable commit or checkpoint; the file stays sound in any case.

    Parameters
    ----------
    path : Path
        Made if need be, readable by its owner alone.
    say : callable
        Told in one line when a damaged file was moved aside.
    check : {"", "quick_check", "integrity_check"}
        SQLite's way to look through the whole file first, if any; the second one finds damaged indexes, too.
        A damaged file is moved aside and a fresh one begun, with what could be read of the old one.

    Raises
    ------
    HistoryError
        When another process writes this history, or the file is not ours.
    OSError, sqlite3.Error
        When it can't be opened or made.
    """

    def __init__(self, path: Path, say: Callable[[str], None], *, check: str = QUICK) -> None:
        self._path = path
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, mode=0o700)
        self._lock = _lock(path)
        try:
            self.connection = self._open_sound(check, say)
        except BaseException:
            os.close(self._lock)
            raise
        about = path.stat()
        self._identity = (about.st_dev, about.st_ino)

    def write(self, operations: Iterable[Operation], *, durable: bool) -> None:
        """Carry out all of them or none.

        Raises
        ------
        sqlite3.Error
        """
        # In WAL mode NORMAL writes without waiting for the disk, FULL waits.
        self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for operation in operations:
                self.connection.execute(operation.sql, operation.values)
            self.connection.execute("COMMIT")
        except BaseException:
            # Some errors have already rolled back.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def is_gone(self) -> bool:
        """Whether somebody deleted or replaced the file."""
        try:
            about = self._path.stat()
        except OSError:
            return True
        return (about.st_dev, about.st_ino) != self._identity

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.close()
        os.close(self._lock)

    def _open_sound(self, check: str, say: Callable[[str], None]) -> sqlite3.Connection:
        try:
            return self._open(check)
        except sqlite3.DatabaseError as error:
            if not (check and is_damage(error)):
                raise
        return self._begin_afresh(say)

    def _open(self, check: str) -> sqlite3.Connection:
        # SQLite gives the files beside the database the same mode.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            if not connection.execute("PRAGMA page_count").fetchone()[0]:
                # So that deleted rows can give their space back; heeded as long as there are no tables.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if check:
                found = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
                if found != "ok":
                    raise _Damaged(found)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            migrate(connection, str(self._path))
            _sync_folder(self._path.parent)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_afresh(self, say: Callable[[str], None]) -> sqlite3.Connection:
        aside = move_aside(self._path)
        connection = self._open(QUICK)
        rows = salvage(aside, connection)
        say(f"{self._path} was damaged; it is now {aside.name}, and {rows} rows of it could be read")
        return connection


class _Damaged(sqlite3.DatabaseError):
    """What quick_check found."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means that the file's content is broken, and not the way to it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def move_aside(path: Path) -> Path:
    """Give a damaged database, and the log beside it, a name with the time in it.

    Returns
    -------
    Path
        The database's new place.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    # The log first: beside a fresh database it would be read into that.
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def _lock(path: Path) -> int:
    """Hold the file that says that somebody writes; for a killed process the kernel lets go of it."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise HistoryError(
            f"{path} is being written by another asc-edge: stop it, or name another file"
        ) from None
    return handle


def _sync_folder(folder: Path) -> None:
    """Make sure that the file's name is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)


def vacuum(path: Path) -> None:
    """Write the whole file anew, as small as it can be.

    Raises
    ------
    sqlite3.Error
    """
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
