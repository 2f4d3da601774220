"""``asc-edge teach``: a new activity, or more examples of one, learnt here from minutes of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import (
    TAUGHT_SUFFIX,
    add_bundle_option,
    add_channels_option,
    add_command,
    open_bundle,
    parse_channels,
    positive_number,
)
from asc_edge.errors import TeachingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asc_edge.bundle import Bundle
    from asc_edge.teaching.hearing import Heard
    from asc_edge.teaching.judging import Judgement
    from asc_edge.teaching.lessons import TaughtFolder

_SUMMARY = "Teach an activity from minutes of its sound. No audio is kept, only what networks make of it."
_MINUTES = 2.0
_EXAMPLES = """\
  asc-edge teach washing_machine                     two minutes from the default microphone
  asc-edge teach washing_machine --device usb-id:2886:0018 --minutes 5
  asc-edge teach cooking --input pan1.wav pan2.wav oven.flac
  asc-edge teach --list                              what was taught
  asc-edge teach --undo                              forget the last lesson
  asc-edge listen --bundle home+taught               listen with what was taught
"""


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "teach", _SUMMARY, _EXAMPLES)
    parser.add_argument("label", nargs="?", metavar="LABEL", help="a new label, or one that the bundle has")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--device", metavar="X", help="index, name or stable id of a microphone (see: asc-edge devices)"
    )
    where.add_argument(
        "--input",
        nargs="+",
        metavar="FILE",
        help="recordings of it, best three or more of different moments",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--undo", action="store_true", help="forget the last lesson")
    what.add_argument("--list", action="store_true", help="show what was taught")
    add_bundle_option(parser)
    add_channels_option(parser)
    parser.add_argument("--minutes", type=positive_number, help=f"of the microphone (default: {_MINUTES:g})")
    parser.add_argument("--out", metavar="FILE", help="write the taught bundle here, too")
    parser.add_argument("--force", action="store_true", help="keep it even if it makes the bundle worse")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    alone = args.undo or args.list
    if alone and (args.label or args.device or args.input or args.out):
        raise UsageError("--undo and --list go with --bundle alone")
    if not alone and not args.label:
        raise UsageError("say what is taught, for instance: asc-edge teach washing_machine")
    if args.input and args.minutes is not None:
        raise UsageError("--minutes goes with a microphone; of files everything is heard")
    channel_map = parse_channels(args.channels)
    base = open_bundle(args.bundle.removesuffix(TAUGHT_SUFFIX))
    from asc_edge.teaching.lessons import TaughtFolder

    folder = TaughtFolder(base)
    if args.list:
        return _list(folder)
    if args.undo:
        return _undo(folder)
    return _teach(args, base, folder, channel_map)


def _teach(
    args: argparse.Namespace, base: Bundle, folder: TaughtFolder, channel_map: tuple[int, ...] | None
) -> int:
    from asc_edge.teaching.hearing import check_heard, examples_of
    from asc_edge.teaching.teacher import (
        check_label,
        check_new,
        judge_lesson,
        make_lesson,
        memory_of,
        write_taught,
    )

    memory_of(base)  # before anybody makes the sound for minutes
    before = folder.lessons()
    check_label(args.label, base, before)
    heard = _hear_files(args, base, channel_map) if args.input else _hear_device(args, base, channel_map)
    check_heard(heard)
    check_new(args.label, heard, before)
    lesson = make_lesson(examples_of(args.label, heard, base.window_s), heard)
    lessons = [*before, lesson]
    print(f"heard {lesson.seconds:.0f} s of {args.label}; fitting and testing ...", file=sys.stderr)
    judgement = judge_lesson(base, lessons)
    _show(judgement, len(heard))
    objections = judgement.objections(args.label)
    if objections and not args.force:
        raise TeachingError(
            f"not kept: {' and '.join(objections)}; teach longer, or other recordings of it, or keep it with "
            "--force"
        )

    def write(path: Path) -> None:
        write_taught(path, base, judgement, lessons)

    path = folder.add(lesson, write)
    if args.out:
        try:
            write(Path(args.out))
        except OSError as error:
            raise TeachingError(
                f"{args.out}: can't be written: {error.strerror}; the lesson is kept"
            ) from None
    name = args.bundle.removesuffix(TAUGHT_SUFFIX)
    print(f"\nkept as {path}\nlisten with it:  asc-edge listen --bundle {name}{TAUGHT_SUFFIX}")
    print(f"forget it:       asc-edge teach --undo{'' if name == 'home' else f' --bundle {name}'}")
    return 0


def _show(judgement: Judgement, recordings: int) -> None:
    from asc_edge.teaching.judging import table_lines

    print("\n".join(line.rstrip() for line in table_lines(judgement)))
    if recordings < 2:
        print(
            "\nonly one recording: pieces of it resemble each other, so the recall flatters", file=sys.stderr
        )


def _hear_files(args: argparse.Namespace, base: Bundle, channel_map: Sequence[int] | None) -> list[Heard]:
    from asc_edge.audio.sources import FileSource
    from asc_edge.teaching.hearing import hear

    heard = []
    for path in args.input:
        source = FileSource(path)
        try:
            heard.append(hear(base, source, channel_map=channel_map))
        finally:
            source.close()
    return heard


def _hear_device(args: argparse.Namespace, base: Bundle, channel_map: Sequence[int] | None) -> list[Heard]:
    from asc_edge.audio.devices import list_devices, resolve_device
    from asc_edge.audio.microphone import DeviceSource
    from asc_edge.cli.listen import signals_call
    from asc_edge.teaching.hearing import hear

    source = DeviceSource(resolve_device(args.device, list_devices()), base.sample_rate_hz, channel_map)
    minutes = args.minutes or _MINUTES
    seconds, asked = 60.0 * minutes, []
    print(f"listening to {source.name} for {minutes:g} min; Ctrl-C ends it earlier", file=sys.stderr)
    shown = -1

    def progress(heard_s: float) -> None:
        nonlocal shown
        if sys.stderr.isatty() and int(heard_s) != shown:
            shown = int(heard_s)
            print(f"\r{shown:4} of {seconds:.0f} s", end="", file=sys.stderr, flush=True)

    try:
        with signals_call(lambda: asked.append(True)):
            heard = hear(
                base,
                source,
                channel_map=channel_map,
                duration_s=seconds,
                progress=progress,
                stopped=lambda: bool(asked),
            )
    finally:
        source.close()
        if shown >= 0:
            print(file=sys.stderr)
    return [heard]


def _list(folder: TaughtFolder) -> int:
    lessons = folder.lessons()
    for number, lesson in enumerate(lessons, start=1):
        label, count = lesson.examples.label, len(lesson.recordings)
        of = f"{count} recording{'' if count == 1 else 's'}"
        print(f"{number:3}  {lesson.taught_at}  {label}  {lesson.seconds:.0f} s of {of}")
    newest = folder.newest()
    print(f"the newest bundle is {newest}" if newest else f"nothing was taught to {folder.base.name} yet")
    return 0


def _undo(folder: TaughtFolder) -> int:
    newest = folder.undo()
    print(f"the last lesson is forgotten; the newest bundle is {newest or folder.base.path}")
    return 0
