"""``asc-edge bench``: what decisions cost on this machine, and how hot it gets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from asc_edge.cli.options import DEFAULT_BUNDLE, add_command, open_bundle, positive_number

_SUMMARY = "Measure this machine: latency, real-time factor, memory, start, temperature. Nothing is recorded."
_EXAMPLES = """\
  asc-edge bench                                     the built-in bundle, four channels
  asc-edge bench --channels 1 --hop-s 0.5 --decisions 1000
  asc-edge bench --bundle float.ascb --bundle int8.ascb
  asc-edge bench --realtime --decisions 600          ten minutes at a microphone's pace
  asc-edge bench --json > pi.json
"""
_LABEL_WIDTH = 30
_COLUMN_WIDTH = 24


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "bench", _SUMMARY, _EXAMPLES)
    parser.add_argument(
        "--bundle",
        action="append",
        metavar="FILE",
        help=f"the trained system (default: {DEFAULT_BUNDLE}); several are measured in turns",
    )
    parser.add_argument(
        "--channels", type=_whole(1, 16), default=4, metavar="N", help="microphones (default: %(default)s)"
    )
    parser.add_argument(
        "--hop-s", type=positive_number, metavar="S", help="seconds between decisions (default: the bundle's)"
    )
    parser.add_argument(
        "--decisions",
        type=_whole(1, 1_000_000),
        default=200,
        metavar="N",
        help="how many are timed, of each bundle (default: %(default)s)",
    )
    parser.add_argument(
        "--starts",
        type=_whole(0, 1000),
        default=3,
        metavar="N",
        help="how many times each bundle is started from nothing (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=_whole(1, 256),
        default=1,
        metavar="N",
        help="of an inference (default: %(default)s)",
    )
    parser.add_argument(
        "--realtime", action="store_true", help="wait for the hop to pass, as with a microphone"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    bundles = [open_bundle(name) for name in args.bundle or [DEFAULT_BUNDLE]]
    from asc_edge.bench import Settings, measure

    settings = Settings(
        channels=args.channels,
        hop_s=args.hop_s,
        decisions=args.decisions,
        threads=args.threads,
        starts=args.starts,
        realtime=args.realtime,
    )
    show = _Progress()
    try:
        found = measure(bundles, settings, show)
    finally:
        show.clear()
    if args.json:
        print(json.dumps({"type": "bench", **found}, indent=2))
    else:
        print("\n".join(_lines(found)))
    return 0


def _whole(low: int, high: int) -> Any:
    """Argument type: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not text.isascii() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


class _Progress:
    """One line on a terminal's standard error that is gone when the table comes."""

    def __init__(self) -> None:
        self._shown = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        text = f"{what} {done} of {total}"
        if sys.stderr is None or not sys.stderr.isatty() or text == self._shown:
            return
        print(f"\r{text.ljust(len(self._shown))}", end="", file=sys.stderr, flush=True)
        self._shown = text

    def clear(self) -> None:
        """Leave nothing behind, also when Ctrl-C ends it."""
        if self._shown:
            print(f"\r{' ' * len(self._shown)}\r", end="", file=sys.stderr, flush=True)
            self._shown = ""


def _lines(found: dict[str, Any]) -> Iterator[str]:
    about, settings = found["machine"], found["settings"]
    yield f"{about['processor']}, {about['cores']} cores, {about['machine']}, {about['system']}"
    yield (
        f"asc-edge {about['asc_edge']}, core for {about['isa']} of {', '.join(about['isas'])}; "
        f"Python {about['python']}, numpy {about['numpy']}"
    )
    yield _heat(found["before"], found["after"])
    pace = "at a microphone's pace" if settings["realtime"] else "back to back"
    starts = f", medians of {settings['starts']} starts" if settings["starts"] else ""
    yield (
        f"{settings['channels']} channels, {settings['threads']} thread{'s' * (settings['threads'] > 1)}, "
        f"{settings['decisions']} decisions {pace}{starts}"
    )
    rows = found["bundles"]
    yield ""
    yield _row("bundle", [f"{row['name']} {row['version']}" for row in rows])
    if len(rows) > 1:
        yield _row("file", [row["path"].rpartition("/")[2] for row in rows])
    for label, cells in _table(rows):
        yield _row(label, cells)


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Every figure as a label with its unit, and a cell for each bundle."""
    yield "engine", [", ".join(row["engines"]) for row in rows]
    yield "file size, kB", [_number(row["bytes"], 1e-3) for row in rows]
    yield "hop of a window, s", [f"{row['hop_s']:g} of {row['window_s']:g}" for row in rows]
    for label, group, name in (
        ("one decision, p50, ms", "decision_ms", "p50"),
        ("one decision, p99, ms", "decision_ms", "p99"),
        ("a hop with front end, p50, ms", "hop_ms", "p50"),
        ("a hop with front end, p99, ms", "hop_ms", "p99"),
    ):
        yield label, [_number(row[group][name]) for row in rows]
    for label, name in (
        ("front end, ms a second", "front_end_ms_per_s"),
        ("real-time factor", "real_time_factor"),
        ("one core's time, %", "cpu_percent_of_one_core"),
    ):
        yield label, [_number(row[name]) for row in rows]
    for label, name in (
        ("start: import libraries, ms", "import_ms"),
        ("start: open and verify, ms", "open_ms"),
        ("start: load networks, ms", "load_ms"),
        ("start: warm up, ms", "warm_up_ms"),
        ("first decision, ms", "first_decision_ms"),
        ("from file to first, ms", "open_to_first_decision_ms"),
        ("peak memory, MB", "peak_mb"),
        ("- Python and libraries, MB", "libraries_mb"),
        ("- the bundle at work, MB", "own_mb"),
    ):
        yield label, [_number((row["start"] or {}).get(name)) for row in rows]


def _heat(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Temperature, clock and throttling in one line, with what the kernel keeps to itself at its end."""
    known, unknown = [], []
    if before["temperature_c"] is None or after["temperature_c"] is None:
        unknown.append("temperature")
    else:
        change = f"{before['temperature_c']:.1f} -> {after['temperature_c']:.1f} C"
        known.append(f"temperature {change} ({after['zone']})")
    if after["frequency_mhz"] is None:
        unknown.append("clock")
    else:
        known.append(f"clock {after['frequency_mhz']:.0f} MHz ({after['governor'] or 'unknown governor'})")
    if after["throttling"] is None:
        unknown.append("throttling")
    else:
        known.append(f"throttling: {', '.join(after['throttling']) or 'none'}")
    if unknown:
        known.append(f"the kernel doesn't tell {', '.join(unknown)}")
    return "; ".join(known)


def _row(label: str, cells: Sequence[str]) -> str:
    # A wide cell pushes the ones behind it aside, rather than being cut.
    return f"  {label:<{_LABEL_WIDTH}}{''.join(f' {cell:<{_COLUMN_WIDTH}}' for cell in cells)}".rstrip()


def _number(value: float | None, scale: float = 1.0) -> str:
    """Three digits that count; no exponents."""
    if value is None:
        return "not known here"
    scaled = value * scale
    return f"{scaled:.0f}" if abs(scaled) >= 100 else f"{scaled:.3g}" if abs(scaled) >= 0.001 else "0"
