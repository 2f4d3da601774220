"""Reads a history, also while it is being written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asc_edge.activities import PRESENCE
from asc_edge.errors import HistoryError
from asc_edge.store.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["HistoryReader", "StoredEvent", "StoredMinute", "StoredNotice", "StoredSession"]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A run of the listener. Times are UTC in milliseconds, here and below.

    Attributes
    ----------
    id : int
    started_ms, last_ms : int
        When it began, and the last that is known of it.
    state : {"goes on", "ended", "cut off"}
    bundle, bundle_version, source_name : str
    labels : tuple of str
    hop_ms : int
    """

    id: int
    started_ms: int
    last_ms: int
    state: str
    bundle: str
    bundle_version: str
    source_name: str
    labels: tuple[str, ...]
    hop_ms: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An activity, or that somebody was here.

    Attributes
    ----------
    session_id : int
    activity : str
        ``"presence"`` for somebody's being here.
    start_ms, end_ms : int
        While it goes on, the end is the last that is known of its session.
    going_on : bool
    cut : bool
        Whether the session ended first.
    """

    session_id: int
    activity: str
    start_ms: int
    end_ms: int
    going_on: bool
    cut: bool


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """Something that happened to the input."""

    session_id: int
    at_ms: int
    kind: str
    text: str
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class StoredMinute:
    """The decisions of one minute of the clock.

    Attributes
    ----------
    session_id : int
    minute_ms : int
    ok, silent, no_input : int
        How many decisions of each state.
    skipped : int
        How many fell due and weren't made, for want of time or of audio.
    posterior : dict of str to float
        Means over the decisions that were ``ok``, to three digits.
    """

    session_id: int
    minute_ms: int
    ok: int
    silent: int
    no_input: int
    skipped: int
    posterior: dict[str, float]


_STATES = ("goes on", "ended", "cut off")


class HistoryReader:
    """An open history; a context manager. Ranges are half open: from, and before.

    Parameters
    ----------
    path : Path

    Raises
    ------
    HistoryError
        When there is no history, or none that this program can read. So does every method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise HistoryError(f"there is no history at {path}: --db names another file")
        address = path.absolute().as_uri()
        self._connection = self._open(f"{address}?mode=ro")
        try:
            self._check()
        except sqlite3.OperationalError as error:
            self._connection.close()
            # A log that can't be made beside it: somebody else's file, which nobody writes now.
            log = Path(f"{path}-wal")
            if log.exists() and log.stat().st_size:
                raise self._failed(error) from None
            self._connection = self._open(f"{address}?mode=ro&immutable=1")
            self._check()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def sessions(self, from_ms: int, before_ms: int) -> list[StoredSession]:
        """Sessions that touch the range, in the order in which they were begun."""
        rows = self._rows(
            "SELECT id, started_ms, last_ms, ended, bundle, bundle_version, source_name, labels, hop_ms"
            " FROM sessions WHERE last_ms >= ? AND started_ms < ? ORDER BY id",
            from_ms,
            before_ms,
        )
        return [
            StoredSession(
                id=row[0],
                started_ms=row[1],
                last_ms=row[2],
                state=_STATES[row[3]],
                bundle=row[4],
                bundle_version=row[5],
                source_name=row[6],
                labels=tuple(json.loads(row[7])),
                hop_ms=row[8],
            )
            for row in rows
        ]

    def events(self, from_ms: int, before_ms: int) -> list[StoredEvent]:
        """Activities that touch the range, by their start. Presence, which goes on beside them, is none."""
        return self._events("activity != ?", from_ms, before_ms)

    def presence(self, from_ms: int, before_ms: int) -> list[StoredEvent]:
        """When somebody was here, as far as it touches the range, by the start."""
        return self._events("activity = ?", from_ms, before_ms)

    def _events(self, which: str, from_ms: int, before_ms: int) -> list[StoredEvent]:
        rows = self._rows(
            "SELECT session_id, activity, start_ms,"
            " max(start_ms, coalesce(end_ms, last_ms, start_ms)), end_ms IS NULL, cut"
            " FROM events LEFT JOIN sessions ON sessions.id = session_id"
            f" WHERE {which} AND (end_ms >= ? OR end_ms IS NULL) AND start_ms < ?"
            " ORDER BY start_ms, events.id",
            PRESENCE,
            from_ms,
            before_ms,
        )
        events = [StoredEvent(row[0], row[1], row[2], row[3], bool(row[4]), bool(row[5])) for row in rows]
        return [event for event in events if event.end_ms >= from_ms]

    def notices(self, from_ms: int, before_ms: int) -> list[StoredNotice]:
        """Notices in the range, by time."""
        rows = self._rows(
            "SELECT session_id, at_ms, kind, text, details FROM notices"
            " WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms, id",
            from_ms,
            before_ms,
        )
        return [StoredNotice(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]

    def minutes(self, from_ms: int, before_ms: int) -> Iterator[StoredMinute]:
        """Minutes in the range, by time."""
        labels: dict[int, tuple[str, ...]] = {
            row[0]: tuple(json.loads(row[1])) for row in self._rows("SELECT id, labels FROM sessions")
        }
        for row in self._rows(
            "SELECT session_id, minute_ms, ok, silent, no_input, skipped, permille FROM minutes"
            " WHERE minute_ms >= ? AND minute_ms < ? ORDER BY minute_ms, session_id",
            from_ms,
            before_ms,
        ):
            session_id, minute_ms, ok, silent, no_input, skipped, permille = row
            means = (value / 1000 for value in json.loads(permille))
            posterior = dict(zip(labels.get(session_id, ()), means, strict=False))
            yield StoredMinute(session_id, minute_ms, ok, silent, no_input, skipped, posterior)

    def span_ms(self) -> tuple[int, int] | None:
        """From when to when there is something; None where there is nothing."""
        first, last = next(self._rows("SELECT min(started_ms), max(last_ms) FROM sessions"))
        return None if first is None else (first, last)

    def check(self) -> str:
        """What SQLite says of the whole file: ``ok``, or the first thing that is wrong."""
        return str(next(self._rows("PRAGMA integrity_check(1)"))[0])

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {
            table: next(self._rows(f"SELECT count(*) FROM {table}"))[0]
            for table in ("sessions", "events", "notices", "minutes")
        }

    def _open(self, address: str) -> sqlite3.Connection:
        try:
            return sqlite3.connect(address, uri=True, timeout=5.0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _check(self) -> None:
        try:
            application = self._connection.execute("PRAGMA application_id").fetchone()[0]
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from None
        if application != APPLICATION_ID:
            raise HistoryError(f"{self._path} is no history of asc-edge")
        if version != len(MIGRATIONS):
            older = version < len(MIGRATIONS)
            cure = "asc-edge listen brings it up to date" if older else "update asc-edge"
            raise HistoryError(f"{self._path} has version {version}, not {len(MIGRATIONS)}: {cure}")

    def _rows(self, query: str, *values: object) -> Iterator[Any]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _failed(self, error: sqlite3.Error) -> HistoryError:
        return HistoryError(f"can't read {self._path}: {error}")
