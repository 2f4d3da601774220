"""The history of other days for the page, from the database that the history's own sink writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from asc_edge.errors import HistoryError
from asc_edge.store.reader import HistoryReader
from asc_edge.web.history import PastActivity

__all__ = ["StoredHistory"]


class StoredHistory:
    """Activities of a database, opened for each question: it may be moved aside, or not be there yet.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def events_between(self, start: datetime, end: datetime) -> Sequence[PastActivity]:
        """As `asc_edge.web.history.History` has it; nothing where the database can't be read."""
        try:
            with HistoryReader(self._path) as reader:
                stored = reader.events(_ms(start), _ms(end))
        except HistoryError:
            return []
        return [
            PastActivity(
                event.activity, _moment(event.start_ms), None if event.going_on else _moment(event.end_ms)
            )
            for event in stored
        ]


def _ms(moment: datetime) -> int:
    return round(1000 * moment.timestamp())


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
