"""Writes a session into the history, and keeps what can't be written now until it can."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from asc_edge.errors import HistoryError
from asc_edge.store.database import QUICK, Database, Operation, is_damage
from asc_edge.store.retention import clean, oldest_kept_ms
from asc_edge.store.settings import HistorySettings

__all__ = ["SessionWriter"]

THOROUGH = "integrity_check"
# Some days of minutes: a few megabytes.
MAX_WAITING = 5000
RETRY_S = 10.0
CLEAN_EVERY_S = 3600.0
# A clock that is so far ahead of all that was written may be wrong; a day later it would have been mended.
_STRANGE_MS = 30 * 86_400_000
_BELIEVED_AFTER_MS = 86_400_000

_SESSION_ID = "(SELECT id FROM sessions WHERE key = :key)"
_BEGIN = """INSERT INTO sessions (
    key, started_ms, last_ms, bundle, bundle_version, labels, source_name, source, channels, sample_rate_hz,
    window_ms, hop_ms
) VALUES (
    :key, :started_ms, :started_ms, :bundle, :bundle_version, :labels, :source_name, :source, :channels,
    :sample_rate_hz, :window_ms, :hop_ms
) ON CONFLICT (key) DO NOTHING"""
# What a killed process left open ends where it was last known to go on.
_CLOSE_KILLED = (
    """UPDATE events SET cut = 1, end_ms = max(start_ms, coalesce(
        (SELECT last_ms FROM sessions WHERE sessions.id = events.session_id), start_ms))
    WHERE end_ms IS NULL AND session_id NOT IN (SELECT id FROM sessions WHERE key = :key)""",
    "UPDATE sessions SET ended = 2 WHERE ended = 0 AND key != :key",
)
_SEEN = "UPDATE sessions SET last_ms = max(last_ms, :last_ms) WHERE key = :key"
_EVENT = f"""INSERT INTO events (session_id, activity, start_ms, end_ms)
    VALUES ({_SESSION_ID}, :activity, :start_ms, :end_ms)
    ON CONFLICT (session_id, start_ms, activity) DO UPDATE SET end_ms = coalesce(excluded.end_ms, end_ms)"""
_NOTICE = f"""INSERT OR IGNORE INTO notices (session_id, seq, at_ms, kind, text, details)
    VALUES ({_SESSION_ID}, :seq, :at_ms, :kind, :text, :details)"""
_MINUTE = f"""INSERT OR REPLACE INTO minutes (minute_ms, session_id, ok, silent, no_input, skipped, permille)
    VALUES (:minute_ms, {_SESSION_ID}, :ok, :silent, :no_input, :skipped, :permille)"""
_END = (
    f"""UPDATE events SET cut = 1, end_ms = max(start_ms, :last_ms)
    WHERE end_ms IS NULL AND session_id = {_SESSION_ID}""",
    """UPDATE sessions SET ended = 1, decisions = :decisions, skipped = :skipped, overruns = :overruns,
    lost_ms = :lost_ms WHERE key = :key""",
)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why nothing can be written, and when to try again."""

    text: str
    retry_at_s: float


class SessionWriter:
    """Writes one session. To be used by one thread alone.

    Each call returns when what it was given is in the database, and raises when it isn't; then it is kept and
    tried again by later calls, so that nothing need be given twice. At most so many lines wait. When there
    are more, the oldest minute makes room, and an event only when no minute is left.

    Parameters
    ----------
    settings : HistorySettings
    session : mapping
        The columns of its row, ``started_ms`` among them.
    say : callable
        Told in one line of what is no error: a damaged file that was replaced, a disk that has space again.
    clock : callable
        Seconds that only go on.
    max_waiting : int
    """

    def __init__(
        self,
        settings: HistorySettings,
        session: Mapping[str, object],
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._settings = settings
        self._path = settings.file
        self._say = say
        self._clock = clock
        self._max_waiting = max_waiting
        self._session = {**session, "key": uuid.uuid4().hex}
        self._started_ms = self._last_ms = int(str(session["started_ms"]))
        self._notices = 0
        self._waiting: list[Operation] = []
        self._given_up = 0
        self._trouble: _Trouble | None = None
        self._database: Database | None = None
        self._check = QUICK
        self._age_from_ms = self._started_ms
        self._clean_at_s = 0.0

    def begin(self) -> None:
        """Open the database and write that the session has begun.

        Raises
        ------
        HistoryError
            As by every other method: when it can't be written now.
        """
        self.flush()

    def event(self, activity: str, start_ms: int, end_ms: int | None) -> None:
        """Write an activity that has begun, or one that has ended."""
        end_ms = None if end_ms is None else max(start_ms, end_ms)
        self._put(
            _EVENT,
            start_ms if end_ms is None else end_ms,
            activity=activity,
            start_ms=start_ms,
            end_ms=end_ms,
        )

    def notice(self, at_ms: int, kind: str, text: str, details: str) -> None:
        """Write a notice; ``details`` is JSON."""
        self._notices += 1
        self._put(_NOTICE, at_ms, seq=self._notices, at_ms=at_ms, kind=kind, text=text, details=details)

    def minute(self, minute_ms: int, last_ms: int, **columns: object) -> None:
        """Write what came of a minute's decisions, the last of which fell due at ``last_ms``."""
        self._put(_MINUTE, last_ms, durable=False, minute_ms=minute_ms, **columns)

    def end(self, last_ms: int, **columns: object) -> None:
        """Write that the session has ended, and close the database."""
        last_ms = max(last_ms, self._last_ms)
        self._last_ms = last_ms
        for sql in _END:
            self._keep(sql, durable=True, last_ms=last_ms, **columns)
        try:
            self.flush(now=True)
        except HistoryError as error:
            raise HistoryError(f"{error}; {len(self._waiting)} lines were never written") from None
        finally:
            self._close()

    def flush(self, *, now: bool = False) -> None:
        """Write what waits. While that fails, it is tried every 10 s, and ``now``.

        Raises
        ------
        HistoryError
            The same one until it is written.
        """
        if self._trouble and self._clock() < self._trouble.retry_at_s and not now:
            raise HistoryError(self._trouble.text)
        try:
            self._write()
        except (sqlite3.Error, OSError, HistoryError) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error):
                self._check = THOROUGH
            self._close()
            text = str(error) if isinstance(error, HistoryError) else _reason(self._path, error)
            self._trouble = _Trouble(text, self._clock() + RETRY_S)
            raise HistoryError(text) from error

    def _put(self, sql: str, seen_ms: int, *, durable: bool = True, **values: object) -> None:
        self._last_ms = max(self._last_ms, seen_ms)
        self._keep(sql, durable=durable, **values)
        self.flush()

    def _keep(self, sql: str, *, durable: bool, **values: object) -> None:
        if len(self._waiting) >= self._max_waiting:
            self._given_up += 1
            minutes = (place for place, line in enumerate(self._waiting) if not line.durable)
            del self._waiting[next(minutes, 0)]
        self._waiting.append(Operation(sql, {**values, "key": self._session["key"]}, durable))

    def _write(self) -> None:
        if self._database is not None and self._waiting and self._database.is_gone():
            self._close()
        database = self._database or self._open()
        if self._waiting:
            seen = Operation(_SEEN, {"last_ms": self._last_ms, "key": self._session["key"]}, durable=False)
            durable = any(operation.durable for operation in self._waiting)
            database.write([*self._waiting, seen], durable=durable)
        count = len(self._waiting)
        self._waiting.clear()
        if self._trouble:
            lost = f", {self._given_up} were given up" if self._given_up else ""
            self._say(f"{self._path} can be written again; {count} lines had waited{lost}")
            self._trouble, self._given_up = None, 0
        self._clean(database)

    def _open(self) -> Database:
        database = Database(self._path, self._say, check=self._check)
        try:
            self._look_back(database)
            begin = [Operation(sql, {"key": self._session["key"]}, durable=True) for sql in _CLOSE_KILLED]
            database.write([*begin, Operation(_BEGIN, self._session, durable=True)], durable=True)
        except BaseException:
            database.close()
            raise
        self._database, self._check = database, ""
        return database

    def _look_back(self, database: Database) -> None:
        """Distrust a clock that has leapt: by it, all that there is would be too old."""
        newest = database.connection.execute("SELECT max(last_ms) FROM sessions").fetchone()[0]
        if newest is not None and self._started_ms - newest > _STRANGE_MS:
            self._age_from_ms = self._started_ms + _BELIEVED_AFTER_MS

    def _clean(self, database: Database) -> None:
        if self._clock() < self._clean_at_s:
            return
        days = self._settings.keep_days if self._last_ms >= self._age_from_ms else float(10**5)
        # Before it is tried: what fails is not tried again with every line.
        self._clean_at_s = self._clock() + 60.0
        more = clean(
            database.connection,
            now_ms=self._last_ms,
            oldest_kept_ms=oldest_kept_ms(self._last_ms, days),
            max_bytes=round(self._settings.max_mb * 1e6),
        )
        # A large heap is carried off a spadeful a minute.
        if not more:
            self._clean_at_s = self._clock() + CLEAN_EVERY_S

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _reason(path: object, error: Exception) -> str:
    """One line, the same for the same cause."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"can't write {path}: {text}; what happens meanwhile is kept in memory until it can"
