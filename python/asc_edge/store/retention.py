"""Keeps the history within its age and size, a few hours at a time."""

from __future__ import annotations

import sqlite3

__all__ = ["clean", "live_bytes"]

_DAY_MS = 86_400_000
# What one commit deletes: little enough that nobody notices, and that the log stays small.
BATCH_MS = 6 * 3_600_000
BATCHES = 50
# Below the limit by so much, or the next minute would be over it again.
_FILL = 0.9

_OLDEST = """SELECT min(ms) FROM (
    SELECT min(minute_ms) AS ms FROM minutes
    UNION ALL SELECT min(end_ms) FROM events
    UNION ALL SELECT min(at_ms) FROM notices
    UNION ALL SELECT min(last_ms) FROM sessions WHERE ended != 0
)"""
# An activity that still goes on has no end, and stays.
_DELETE = (
    "DELETE FROM minutes WHERE minute_ms < :limit",
    "DELETE FROM events WHERE end_ms < :limit",
    "DELETE FROM notices WHERE at_ms < :limit",
    "DELETE FROM sessions WHERE ended != 0 AND last_ms < :limit",
)


def clean(connection: sqlite3.Connection, *, now_ms: int, oldest_kept_ms: int, max_bytes: int) -> bool:
    """Delete what is too old, and the oldest while the file is too large, and give its space back.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode.
    now_ms, oldest_kept_ms : int
        UTC, in milliseconds. Nothing from ``now_ms`` on is deleted.
    max_bytes : int

    Returns
    -------
    bool
        Whether there is more to do; then call again soon.

    Raises
    ------
    sqlite3.Error
    """
    too_large = live_bytes(connection) > max_bytes
    deleted, more = False, True
    for _ in range(BATCHES):
        oldest = connection.execute(_OLDEST).fetchone()[0]
        too_large = too_large and live_bytes(connection) > _FILL * max_bytes
        end_ms = now_ms if too_large else oldest_kept_ms
        more = oldest is not None and oldest < end_ms
        if not more:
            break
        _delete_before(connection, min(end_ms, oldest + BATCH_MS))
        deleted = True
    if deleted:
        # Not by execute(), which takes one step, and a step gives back one page.
        connection.executescript("PRAGMA incremental_vacuum")
        # The pages are gone only when the log has gone into the file.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return more


def live_bytes(connection: sqlite3.Connection) -> int:
    """What the rows take, without the pages that deleted ones left behind."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def oldest_kept_ms(now_ms: int, keep_days: float) -> int:
    """What ended before this is too old."""
    return now_ms - round(keep_days * _DAY_MS)


def _delete_before(connection: sqlite3.Connection, limit_ms: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql in _DELETE:
            connection.execute(sql, {"limit": limit_ms})
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
