"""What can still be read of a damaged database."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from asc_edge.store.schema import TABLES

__all__ = ["salvage"]

_KEYS = {"minutes": ("minute_ms", "session_id")}


def salvage(damaged: Path, into: sqlite3.Connection) -> int:
    """Copy the rows that can be read, from both ends of each table up to the damage.

    Parameters
    ----------
    damaged : Path
    into : sqlite3.Connection
        A fresh database. Its types and checks sort out what the damage turned into nonsense.

    Returns
    -------
    int
        How many rows were copied.
    """
    rows = 0
    # Without a log there need be none beside it afterwards either.
    how = "mode=ro" if Path(f"{damaged}-wal").exists() else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?{how}", uri=True)) as source:
            # Else SQLite reads nothing at all of a file that is shorter than it says.
            source.execute("PRAGMA writable_schema = ON")
            for table in TABLES:
                columns = [row[1] for row in into.execute(f"PRAGMA table_info({table})")]
                there = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
                rows += _copy(source, into, table, [name for name in columns if name in there])
    except sqlite3.Error:
        pass
    return rows


def _copy(source: sqlite3.Connection, into: sqlite3.Connection, table: str, columns: list[str]) -> int:
    if not columns:
        return 0
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
    count = 0
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{key} {direction}" for key in _KEYS.get(table, ("id",)))
        copied, whole = _copy_rows(source, f"SELECT {names} FROM {table} ORDER BY {order}", into, statement)
        count += copied
        if whole:
            break
    return count


def _copy_rows(
    source: sqlite3.Connection, query: str, into: sqlite3.Connection, statement: str
) -> tuple[int, bool]:
    """Copy rows up to the damage; how many were new, and whether there was none."""
    count, whole = 0, False
    into.execute("BEGIN")
    try:
        for row in source.execute(query):
            with suppress(sqlite3.IntegrityError):
                count += into.execute(statement, row).rowcount
        whole = True
    # Letters that are none are damage, too.
    except (sqlite3.DatabaseError, UnicodeError):
        pass
    into.execute("COMMIT")
    return count, whole
