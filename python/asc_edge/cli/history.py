"""``asc-edge history``: what went on, as text or as a table for other programs."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command
from asc_edge.errors import UsageError

if TYPE_CHECKING:
    from asc_edge.store.reader import HistoryReader

_EXAMPLES = """\
  asc-edge history show                              the last activities, by day
  asc-edge history show --from 2026-03-01 --to 2026-03-07
  asc-edge history export week.csv --from 2026-03-02 --to 2026-03-08
  asc-edge history export - --table minutes          to standard output
  asc-edge history export here.csv --table presence  when somebody was here
  asc-edge history export year.parquet               needs pyarrow
  asc-edge history check
"""
_SHOW = "Show the last activities, and when somebody was here, by day, in this machine's time zone."
_EXPORT = "Write activities, presence, minutes, notices or sessions into a file; times are UTC."
_CHECK = "Look through the whole file, and say what is in it."
_VACUUM = "Write the whole file anew, as small as it can be."
_ALWAYS_MS = 2**52


def add_db_option(parser: argparse.ArgumentParser) -> None:
    """Let a command read another history than the default one."""
    parser.add_argument("--db", metavar="FILE", default="", help="the history (default: this user's own)")


def open_reader(name: str) -> HistoryReader:
    """Open a history by its file, or the default one.

    Raises
    ------
    HistoryError
    """
    from asc_edge.store import HistorySettings
    from asc_edge.store.reader import HistoryReader

    return HistoryReader(HistorySettings(path=name).file)


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "history", "Show or export what went on.", _EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary, run in (
        ("show", _SHOW, _show),
        ("export", _EXPORT, _export),
        ("check", _CHECK, _check),
        ("vacuum", _VACUUM, _vacuum),
    ):
        lines = [line for line in _EXAMPLES.splitlines(keepends=True) if f"history {name}" in line]
        action = add_command(actions, name, summary, "".join(lines) or f"  asc-edge history {name}\n")
        add_db_option(action)
        action.set_defaults(run=run)
        if name in ("show", "export"):
            action.add_argument("--from", dest="from_day", metavar="DAY", help="YYYY-MM-DD, local")
            action.add_argument("--to", dest="to_day", metavar="DAY", help="the last day, with all its hours")
        if name == "show":
            action.add_argument(
                "--last", type=int, default=30, metavar="N", help="how many (default: %(default)s); 0: all"
            )
        if name == "export":
            action.add_argument("file", metavar="FILE", help=".csv or .parquet; - is CSV to standard output")
            action.add_argument(
                "--table",
                choices=("events", "presence", "minutes", "notices", "sessions"),
                default="events",
                help="default: %(default)s",
            )


def _range_ms(args: argparse.Namespace) -> tuple[int, int]:
    """From the first day's first moment to the last day's last, local."""
    from asc_edge.day_report.calendar import day_span, parse_day

    first = day_span(parse_day(args.from_day)).start_ms if args.from_day else 0
    last = day_span(parse_day(args.to_day)).end_ms if args.to_day else _ALWAYS_MS
    if last <= first:
        raise UsageError(f"--from {args.from_day} is after --to {args.to_day}")
    return first, last


def _show(args: argparse.Namespace) -> int:
    from asc_edge.day_report.calendar import local

    if args.last < 0:
        raise UsageError(f"--last {args.last} is below 0")
    first, last = _range_ms(args)
    with open_reader(args.db) as reader:
        events = reader.events(first, last)
        shown = events[-args.last :]
        # Of what the list covers; all of it where there was no activity.
        present = reader.presence(shown[0].start_ms if len(shown) < len(events) else first, last)
    if len(shown) < len(events):
        print(f"the last {len(shown)} of {len(events)} activities (--last 0 shows all)")
    if not events:
        print("no activities")
    day = ""
    for event in sorted([*shown, *present], key=lambda one: one.start_ms):
        start, end = local(event.start_ms), local(event.end_ms)
        if f"{start:%A %Y-%m-%d}" != day:
            day = f"{start:%A %Y-%m-%d}"
            print(f"\n{day}")
        until = "goes on " if event.going_on else f"{end:%H:%M:%S}"
        note = "  (until listening ended)" if event.cut else ""
        minutes = (event.end_ms - event.start_ms) / 60_000
        print(f"  {start:%H:%M:%S} - {until}  {minutes:6.1f} min  {event.activity}{note}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from asc_edge.atomic import write_atomically
    from asc_edge.store.export import table, to_csv, to_parquet

    first, last = _range_ms(args)
    suffix = Path(args.file).suffix.lower()
    if args.file != "-" and suffix not in (".csv", ".parquet"):
        raise UsageError(f"{args.file}: its name must end in .csv or .parquet, or be -")
    with open_reader(args.db) as reader:
        columns, rows = table(reader, args.table, first, last)
        if args.file == "-":
            sys.stdout.write(to_csv(columns, rows))
            return 0
        data = to_parquet(columns, rows) if suffix == ".parquet" else to_csv(columns, rows).encode()
    write_atomically(Path(args.file), data)
    print(f"{args.file}: {len(data)} bytes")
    return 0


def _check(args: argparse.Namespace) -> int:
    with open_reader(args.db) as reader:
        found = reader.check()
        counts, span = reader.counts(), reader.span_ms()
    print("sound" if found == "ok" else f"damaged: {found}; it is mended when it is next written")
    print(", ".join(f"{count} {table}" for table, count in counts.items()))
    if span:
        print(" to ".join(datetime.fromtimestamp(at / 1000, UTC).isoformat(" ", "seconds") for at in span))
    return 0 if found == "ok" else 1


def _vacuum(args: argparse.Namespace) -> int:
    from asc_edge.store import HistorySettings
    from asc_edge.store.database import vacuum

    with open_reader(args.db):
        path = HistorySettings(path=args.db).file
    before = path.stat().st_size
    vacuum(path)
    print(f"{path}: {before} bytes before, {path.stat().st_size} now")
    return 0
