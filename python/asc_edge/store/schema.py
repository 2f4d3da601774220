"""The database's tables, and how an older file becomes one of today.

All times are UTC in whole milliseconds since 1970; ``t_s`` of a session is turned into them by adding its
start. A file's version is its ``user_version``. Version n is made by the first n entries of ``MIGRATIONS``,
so that a fresh file and an old one go through the same statements. A released entry is never changed again.
"""

from __future__ import annotations

import sqlite3

from asc_edge.errors import HistoryError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "TABLES", "migrate"]

# "ASCE", so that a database of another program is never taken for ours.
APPLICATION_ID = 0x41534345

TABLES = ("sessions", "events", "notices", "minutes")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # ended: 0 goes on, 1 has ended, 2 was cut off (killed, or without power).
        """CREATE TABLE sessions (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            started_ms INTEGER NOT NULL,
            last_ms INTEGER NOT NULL CHECK (last_ms >= started_ms),
            ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1, 2)),
            bundle TEXT NOT NULL,
            bundle_version TEXT NOT NULL,
            labels TEXT NOT NULL,
            source_name TEXT NOT NULL,
            source TEXT NOT NULL,
            channels INTEGER NOT NULL,
            sample_rate_hz INTEGER NOT NULL,
            window_ms INTEGER NOT NULL,
            hop_ms INTEGER NOT NULL,
            decisions INTEGER,
            skipped INTEGER,
            overruns INTEGER,
            lost_ms INTEGER
        ) STRICT""",
        # cut: the session ended while the activity went on.
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            session_id INTEGER NOT NULL,
            activity TEXT NOT NULL,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER CHECK (end_ms >= start_ms),
            cut INTEGER NOT NULL DEFAULT 0 CHECK (cut IN (0, 1)),
            UNIQUE (session_id, start_ms, activity)
        ) STRICT""",
        "CREATE INDEX events_by_end ON events (end_ms)",
        # seq counts within the session, so that a notice that is written twice is there once.
        """CREATE TABLE notices (
            id INTEGER PRIMARY KEY,
            session_id INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            at_ms INTEGER NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL,
            details TEXT NOT NULL,
            UNIQUE (session_id, seq)
        ) STRICT""",
        "CREATE INDEX notices_by_time ON notices (at_ms)",
        # permille: JSON list of mean posteriors in thousandths, in the order of the session's labels; empty
        # where no decision was ok. Of a year of minutes they are the largest part.
        """CREATE TABLE minutes (
            minute_ms INTEGER NOT NULL,
            session_id INTEGER NOT NULL,
            ok INTEGER NOT NULL,
            silent INTEGER NOT NULL,
            no_input INTEGER NOT NULL,
            skipped INTEGER NOT NULL,
            permille TEXT NOT NULL,
            PRIMARY KEY (minute_ms, session_id)
        ) STRICT, WITHOUT ROWID""",
    ),
)


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring a file to this program's version, each step wholly or not at all.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode.
    name : str
        What to call the file in an error.

    Raises
    ------
    HistoryError
        When a newer program, or another one, made the file.
    sqlite3.Error
    """
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and _pragma(connection, "application_id") != APPLICATION_ID:
        raise HistoryError(f"{name} is another program's database: name another file")
    if version > len(MIGRATIONS):
        raise HistoryError(
            f"{name} has version {version}, not {len(MIGRATIONS)}: update asc-edge, or name another file"
        )
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
