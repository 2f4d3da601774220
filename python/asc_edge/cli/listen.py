"""``asc-edge listen``: decisions from a microphone, a file, a stream or the demo, as they fall due."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import (
    add_bundle_option,
    add_channels_option,
    add_command,
    open_bundle,
    parse_channels,
    positive_number,
)
from asc_edge.errors import DeviceError, DeviceNotFoundError, UsageError

if TYPE_CHECKING:
    from asc_edge.audio.sources import Source

_SUMMARY = "Listen, and say which activity is going on. No audio is stored or sent."
_EXAMPLES = """\
  asc-edge listen                                    the default microphone
  asc-edge listen --device usb-id:2886:0018 --channels 2,3,4,5
  asc-edge listen --demo                             a synthetic scene
  asc-edge listen --input evening.flac --format jsonl
  arecord -f S16_LE -r 16000 -c 4 | asc-edge listen --input -
  arecord -t raw -f S16_LE -r 48000 -c 2 | asc-edge listen --input - --raw 48000,2
"""


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "listen", _SUMMARY, _EXAMPLES)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--device", metavar="X", help="index, name or stable id of a microphone (see: asc-edge devices)"
    )
    where.add_argument("--input", metavar="FILE", help="an audio file; - is a WAV stream on standard input")
    where.add_argument("--demo", action="store_true", help="play the synthetic scene, about a minute long")
    parser.add_argument(
        "--or-demo", action="store_true", help="where no microphone is found, play the synthetic scene"
    )
    add_bundle_option(parser)
    add_channels_option(parser)
    parser.add_argument("--hop-s", type=positive_number, metavar="S", help="seconds between decisions")
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="default: %(default)s")
    parser.add_argument("--duration-s", type=positive_number, metavar="S", help="end after so much audio")
    parser.add_argument(
        "--speed",
        choices=("realtime", "max"),
        help="of a file or stream (default: max) or the demo (default: realtime); a file at realtime speed "
        "behaves like a microphone: decisions that would come too late are skipped",
    )
    parser.add_argument(
        "--raw", metavar="RATE,CHANNELS", help="standard input is headerless little-endian 16 bit"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    _check(args)
    channel_map = parse_channels(args.channels)
    raw = _parse_raw(args.raw)
    # After the arguments have been looked at: these take a noticeable moment on a small machine.
    from asc_edge.audio.channels import select_channels
    from asc_edge.monitor import Monitor
    from asc_edge.pipeline import Pipeline
    from asc_edge.sinks import make_sink

    bundle = open_bundle(args.bundle)
    source = _open_source(args, bundle.sample_rate_hz, channel_map, raw)
    try:
        selected = select_channels(channel_map, source.channels, source.name)
        pipeline = Pipeline(bundle, channels=len(selected), hop_s=args.hop_s)
        monitor = Monitor(
            source,
            pipeline,
            [make_sink(args.format)],
            channel_map=channel_map,
            duration_s=args.duration_s,
        )
        with _signals_call(monitor.stop):
            monitor.run()
    finally:
        source.close()
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other."""
    if args.raw and args.input != "-":
        raise UsageError("--raw tells about standard input; it goes with --input -")
    if args.or_demo and (args.input or args.demo):
        raise UsageError("--or-demo goes with a microphone, not with --input or --demo")
    if args.speed == "max" and not (args.input or args.demo):
        raise UsageError("--speed goes with --input or --demo; a microphone has its own")


def _parse_raw(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--raw {text!r} is not RATE,CHANNELS, for instance 16000,4")
    return int(parts[0]), int(parts[1])


def _open_source(
    args: argparse.Namespace,
    rate_hz: int,
    channel_map: Sequence[int] | None,
    raw: tuple[int, int] | None,
) -> Source:
    from asc_edge.audio.sources import FileSource, StdinSource, stdin_stream

    realtime = args.speed == "realtime"
    if args.demo:
        return _demo(realtime=args.speed != "max")
    if args.input == "-":
        return StdinSource(stdin_stream(), raw, realtime=realtime)
    if args.input:
        return FileSource(args.input, realtime=realtime)

    from asc_edge.audio.devices import list_devices, resolve_device
    from asc_edge.audio.microphone import DeviceSource

    try:
        device = resolve_device(args.device, list_devices())
    except (DeviceError, DeviceNotFoundError) as error:
        if not args.or_demo:
            raise
        # What is wrong, without the advice that follows it: the demo is about to play already.
        reason = str(error).partition(";")[0]
        print(f"asc-edge: {reason}; playing the synthetic demo scene instead", file=sys.stderr)
        return _demo(realtime=True)
    return DeviceSource(device, rate_hz, channel_map)


def _demo(*, realtime: bool) -> Source:
    from asc_edge.audio.demo import DemoSource

    return DemoSource(realtime=realtime)


@contextmanager
def _signals_call(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and a service manager's TERM call ``stop``; both mean a clean end."""
    before = {
        number: signal.signal(number, lambda _number, _frame: stop())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
