"""``asc-edge record``: labelled clips for people who collect a set. The one command that writes audio."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_channels_option, add_command, parse_channels, positive_number
from asc_edge.errors import RecordingError, UsageError

if TYPE_CHECKING:
    from asc_edge.audio.sources import Source

_SUMMARY = (
    "Record labelled clips for training. This is the only command that writes audio, and it asks first."
)
# Of a microphone, which has no end of its own.
_MINUTES = 5.0
_EXAMPLES = """\
  asc-edge record own --label cooking --minutes 10
  asc-edge record own --label washing_machine --room bathroom --device usb-id:2886:0018 --yes
  asc-edge record own --label eating --input lunch.wav --take lunch --yes
"""


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "record", _SUMMARY, _EXAMPLES)
    parser.add_argument(
        "folder", metavar="OUT_DIR", help="the set's folder, which the trainer's layout folders reads"
    )
    parser.add_argument("--label", required=True, help="what is going on")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--device", metavar="X", help="index, name or stable id of a microphone (see: asc-edge devices)"
    )
    where.add_argument("--input", metavar="FILE", help="cut an audio file into clips instead")
    add_channels_option(parser)
    parser.add_argument(
        "--minutes", type=positive_number, help="end after so much (default: 5 of a microphone, a whole file)"
    )
    parser.add_argument(
        "--clip-s", type=positive_number, default=10.0, metavar="S", help="default: %(default)g"
    )
    parser.add_argument("--room", default="", help="goes into the JSON beside every clip")
    parser.add_argument("--take", help="name of what is recorded together now (default: date and time)")
    parser.add_argument(
        "--format", choices=("flac", "wav"), default="flac", help="16 bit, default: %(default)s"
    )
    parser.add_argument(
        "--rate", type=int, default=16000, metavar="HZ", help="asked of a microphone (default: %(default)s)"
    )
    parser.add_argument("--yes", action="store_true", help="yes, write audio: don't ask")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime
    from pathlib import Path

    from asc_edge.audio.channels import select_channels
    from asc_edge.audio.recording import ClipWriter, record_clips
    from asc_edge.cli.listen import signals_call

    channel_map = parse_channels(args.channels)
    minutes = args.minutes or (None if args.input else _MINUTES)
    if minutes is not None and args.clip_s > 60.0 * minutes:
        raise UsageError(f"--clip-s {args.clip_s:g} is longer than --minutes {minutes:g}")
    if not 8000 <= args.rate <= 192000:
        raise UsageError(f"--rate {args.rate} is not in 8000 to 192000 Hz")
    now = datetime.now(UTC)
    take = args.take or f"{now:%Y%m%d-%H%M%S}"
    # Names are looked at before anybody is asked, and before a microphone is opened.
    ClipWriter(Path(args.folder), args.label, take, args.rate, {})
    _ask(args)
    source = _open(args, channel_map)
    try:
        channels = select_channels(channel_map, source.channels, source.name)
        about = {"device": source.description, "room": args.room, "channel_map": [n + 1 for n in channels]}
        writer = ClipWriter(Path(args.folder), args.label, take, source.sample_rate_hz, about, args.format)
        asked: list[bool] = []
        count = 0
        with signals_call(lambda: asked.append(True)):
            for path in record_clips(
                source,
                writer,
                channels=channels,
                clip_s=args.clip_s,
                duration_s=None if minutes is None else 60.0 * minutes,
                started=datetime.now(UTC),
                stopped=lambda: bool(asked),
            ):
                count += 1
                print(path, flush=True)
    finally:
        source.close()
    lost = _times_lost(source.overruns)
    if not count:
        raise RecordingError(
            f"nothing was written: no {args.clip_s:g} s without a gap were heard{lost}; "
            "give a shorter --clip-s"
        )
    print(
        f"{count} clip{'' if count == 1 else 's'} of {args.label}, {count * args.clip_s:g} s{lost}",
        file=sys.stderr,
    )
    return 0


def _times_lost(overruns: int) -> str:
    """Why there are fewer clips than the time would have given."""
    if not overruns:
        return ""
    return f" (audio was lost {overruns} time{'' if overruns == 1 else 's'}, and the clips in which it was)"


def _open(args: argparse.Namespace, channel_map: tuple[int, ...] | None) -> Source:
    if args.input:
        from asc_edge.audio.sources import FileSource

        return FileSource(args.input)
    from asc_edge.audio.devices import list_devices, resolve_device
    from asc_edge.audio.microphone import DeviceSource

    return DeviceSource(resolve_device(args.device, list_devices()), args.rate, channel_map)


def _ask(args: argparse.Namespace) -> None:
    """Say that audio will be written, and go on only when somebody agrees.

    Raises
    ------
    UsageError
        When nobody does.
    """
    where = args.input or "the microphone"
    print(f"This writes what is heard by {where} as audio files to {args.folder}.", file=sys.stderr)
    if args.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is there to agree that audio is written; give --yes")
    print(
        "Everybody who may be heard should know. Write y and Enter to begin: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was recorded")
