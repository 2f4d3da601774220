"""The history as tables for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from asc_edge.errors import HistoryError
from asc_edge.store.reader import HistoryReader
from asc_edge.text import iso_utc

__all__ = ["table", "to_csv", "to_parquet"]


def table(
    reader: HistoryReader, name: str, from_ms: int, before_ms: int
) -> tuple[list[str], Iterator[list[object]]]:
    """The columns and rows of a table; times become UTC with milliseconds.

    Parameters
    ----------
    reader : HistoryReader
    name : {"events", "presence", "minutes", "notices", "sessions"}
    from_ms, before_ms : int

    Raises
    ------
    HistoryError
    """
    if name == "minutes":
        return _minutes(reader, from_ms, before_ms)
    found: list[Any] = getattr(reader, name)(from_ms, before_ms)
    records = [_record(asdict(one)) for one in found]
    columns = {
        "events": ["activity", "start", "end", "duration_s", "going_on", "cut", "session_id"],
        "presence": ["start", "end", "duration_s", "going_on", "cut", "session_id"],
        "notices": ["at", "kind", "text", "session_id"],
        "sessions": ["id", "started", "last", "state", "bundle", "bundle_version", "source_name"],
    }[name]
    return columns, ([record[column] for column in columns] for record in records)


def to_csv(columns: list[str], rows: Iterable[list[object]]) -> str:
    """Comma separated values with a line of names."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(cell) for cell in row])
    return stream.getvalue()


def to_parquet(columns: list[str], rows: Iterable[list[object]]) -> bytes:
    """An Apache Parquet file; times are timestamps in UTC.

    Raises
    ------
    HistoryError
        When pyarrow isn't installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise HistoryError(
            "Parquet needs pyarrow (pip install 'asc-edge[parquet]'); .csv needs nothing"
        ) from None
    cells = list(zip(*rows, strict=True)) or [() for _ in columns]
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(dict(zip(columns, map(list, cells), strict=True))), sink)
    return sink.getvalue()


def _minutes(reader: HistoryReader, from_ms: int, before_ms: int) -> tuple[list[str], Iterator[list[object]]]:
    labels = sorted({label for run in reader.sessions(from_ms, before_ms) for label in run.labels})
    counts = ["ok", "silent", "no_input", "skipped"]

    def rows() -> Iterator[list[object]]:
        for minute in reader.minutes(from_ms, before_ms):
            yield [
                _time(minute.minute_ms),
                *(getattr(minute, name) for name in counts),
                *(minute.posterior.get(label) for label in labels),
                minute.session_id,
            ]

    return ["minute", *counts, *labels, "session_id"], rows()


def _record(fields: dict[str, Any]) -> dict[str, object]:
    record: dict[str, object] = {}
    for name, value in fields.items():
        if name.endswith("_ms"):
            record[name.removesuffix("_ms")] = _time(value)
        else:
            record[name] = value
    if "end_ms" in fields:
        record["duration_s"] = (fields["end_ms"] - fields["start_ms"]) / 1000
    return record


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def _text(cell: object) -> object:
    if isinstance(cell, datetime):
        return iso_utc(cell)
    if isinstance(cell, bool):
        return int(cell)
    return cell
