"""``asc-edge report``: a day or a week as one page or one picture."""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import Any

from asc_edge.cli.history import add_db_option, open_reader
from asc_edge.cli.options import add_command
from asc_edge.errors import UsageError

_SUMMARY = "Draw a day or a week of the history as one file to look at."
_EXAMPLES = """\
  asc-edge report                              today so far
  asc-edge report --day 2026-03-02
  asc-edge report --week 2026-W10 --out week.html
  asc-edge report --day 2026-03-02 --out day.png    needs Pillow
"""


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "report", _SUMMARY, _EXAMPLES)
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--day", metavar="YYYY-MM-DD", help="default: today")
    when.add_argument("--week", metavar="YYYY-Www", help="from Monday to Sunday, by ISO 8601")
    add_db_option(parser)
    parser.add_argument(
        "--out", metavar="FILE", help=".html or .png (default: asc-edge-DAY.html or asc-edge-WEEK.html, here)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from asc_edge.atomic import write_atomically
    from asc_edge.day_report.calendar import parse_day, parse_week

    monday = parse_week(args.week) if args.week else None
    day = parse_day(args.day) if args.day else date.today()
    out = Path(args.out or f"asc-edge-{args.week or day}.html")
    if out.suffix.lower() not in (".html", ".png"):
        raise UsageError(f"{out}: its name must end in .html or .png")
    # Not with the clock's zone: milliseconds since 1970 have none.
    now_ms = round(time.time() * 1000)

    from asc_edge.day_report.report import report_day, report_week

    with open_reader(args.db) as reader:
        report = report_week(reader, monday, now_ms) if monday else report_day(reader, day, now_ms)
    write_atomically(out, _drawn(report, out.suffix.lower()))
    print(out)
    return 0


def _drawn(report: Any, suffix: str) -> bytes:
    if suffix == ".png":
        from asc_edge.day_report.picture import to_png

        return to_png(report)
    from asc_edge.day_report.page import to_html

    return to_html(report).encode()
