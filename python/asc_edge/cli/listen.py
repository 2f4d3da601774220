"""``asc-edge listen``: decisions from a microphone, a file, a stream or the demo, as they fall due."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from asc_edge.cli.options import (
    add_bundle_option,
    add_channels_as_option,
    add_channels_option,
    add_command,
    add_config_option,
    host_and_port,
    open_bundle,
    parse_channels,
    positive_number,
)
from asc_edge.errors import DeviceError, DeviceNotFoundError, UsageError

if TYPE_CHECKING:
    from asc_edge.audio.sources import Source
    from asc_edge.config import Config, Given
    from asc_edge.events import EventRules
    from asc_edge.sinks import Notice, Sink

_SUMMARY = "Listen, and say which activity is going on. No audio is stored or sent."
_EXAMPLES = """\
  asc-edge listen                                    the default microphone
  asc-edge listen --device usb-id:2886:0018 --channels 2,3,4,5
  asc-edge listen --demo                             a synthetic scene
  asc-edge listen --input evening.flac --format jsonl
  asc-edge listen --history --mqtt 192.168.1.5 --wait
  asc-edge listen --config kitchen.toml --format none
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
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="wait for a microphone that isn't there yet; --no-wait ends when it goes, too (default: what "
        "the configuration says; without one, it must be there, and is waited for when it goes)",
    )
    add_config_option(parser)
    add_bundle_option(parser, default=None)
    add_channels_option(parser)
    add_channels_as_option(parser, default=None)
    parser.add_argument("--hop-s", type=positive_number, metavar="S", help="seconds between decisions")
    parser.add_argument(
        "--format", choices=("text", "jsonl", "none"), help="of standard output, default: text"
    )
    _add_sink_options(parser)
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


def _add_sink_options(parser: argparse.ArgumentParser) -> None:
    sinks = parser.add_argument_group(
        "where it goes besides",
        "what the configuration turns on goes with a microphone or standard input; a file or the demo is not "
        "the home, and is kept or sent only where one of these asks for it",
    )
    sinks.add_argument(
        "--history", nargs="?", const="", metavar="FILE", help="keep decisions and activities in a database"
    )
    sinks.add_argument(
        "--mqtt", type=host_and_port, metavar="HOST[:PORT]", help="tell an MQTT broker, Home Assistant's say"
    )
    sinks.add_argument(
        "--web", nargs="?", const=("", None), type=host_and_port, metavar="HOST[:PORT]", help="serve a page"
    )


def run(args: argparse.Namespace) -> int:
    _check(args)
    from asc_edge.config import find_config, load_config

    config = load_config(find_config(args.config, os.environ), os.environ, _given(args))
    listen, channel_map = config.section("listen"), _channel_map(args, config)
    # After the arguments have been looked at: these take a noticeable moment on a small machine.
    from asc_edge.audio.channels import select_channels
    from asc_edge.events import EventTracker
    from asc_edge.monitor import Monitor
    from asc_edge.pipeline import Pipeline
    from asc_edge.presence import presence_for

    bundle = open_bundle(listen.bundle)
    rooms = _Rooms(args, config)
    source = rooms.open_source(bundle.sample_rate_hz, channel_map)
    try:
        selected = select_channels(channel_map, source.channels, source.name)
        pipeline = Pipeline(
            bundle, channels=len(selected), hop_s=listen.hop_s, channels_as=listen.channels_as
        )
        monitor = Monitor(
            source,
            pipeline,
            rooms.open_sinks(),
            channel_map=channel_map,
            duration_s=args.duration_s,
            tracker=EventTracker(_event_rules(config, bundle.manifest.unknown_below)),
            presence=presence_for(bundle.labels),
        )
        with signals_call(monitor.stop), rooms.quiet():
            monitor.run()
    finally:
        source.close()
    return 0


def _event_rules(config: Config, unknown_below: float | None) -> EventRules:
    """The configuration's rules; where they don't say what is unknown, the bundle does."""
    rules: EventRules = config.section("events")
    if unknown_below is None or config.origin("events", "unknown_below") is not None:
        return rules
    # Above `leave` an activity could go on and be unknown at once.
    return replace(rules, unknown_below=min(unknown_below, rules.leave))


def _check(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other."""
    if args.raw and args.input != "-":
        raise UsageError("--raw tells about standard input; it goes with --input -")
    if args.or_demo and (args.input or args.demo):
        raise UsageError("--or-demo goes with a microphone, not with --input or --demo")
    if args.wait and (args.input or args.demo or args.or_demo):
        raise UsageError("--wait goes with a microphone, not with --input, --demo or --or-demo")
    _parse_raw(args.raw)
    if args.speed == "max" and not (args.input or args.demo):
        raise UsageError("--speed goes with --input or --demo; a microphone has its own")


def _parse_raw(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--raw {text!r} is not RATE,CHANNELS, for instance 16000,4")
    return int(parts[0]), int(parts[1])


def _given(args: argparse.Namespace) -> dict[tuple[str, str], Given]:
    """What the command line sets of the configuration."""
    from asc_edge.config import Given

    mqtt, web = args.mqtt or ("", None), args.web or ("", None)
    values = {
        ("input", "device", "--device"): args.device,
        ("input", "channels", "--channels"): args.channels,
        # A preset is a map, too.
        ("input", "preset", "--channels"): None if args.channels is None else "",
        ("input", "wait", "--wait" if args.wait else "--no-wait"): args.wait,
        ("listen", "bundle", "--bundle"): args.bundle,
        ("listen", "hop_s", "--hop-s"): args.hop_s,
        ("listen", "channels_as", "--channels-as"): args.channels_as,
        ("listen", "format", "--format"): args.format,
        ("history", "path", "--history"): args.history or None,
        ("mqtt", "host", "--mqtt"): mqtt[0] or None,
        ("mqtt", "port", "--mqtt"): mqtt[1],
        ("web", "host", "--web"): web[0] or None,
        ("web", "port", "--web"): web[1],
    }
    given = {
        (section, key): Given(value, option)
        for (section, key, option), value in values.items()
        if value is not None
    }
    for name in ("history", "mqtt", "web"):
        if getattr(args, name) is not None:
            given[name, ""] = Given(None, f"--{name}")
    return given


def _channel_map(args: argparse.Namespace, config: Config) -> tuple[int, ...] | None:
    """Indices to use. The configuration's map is that of the microphone, and not of a file."""
    if args.channels is not None or args.input or args.demo:
        return parse_channels(args.channels)
    indices: tuple[int, ...] | None = config.section("input").channel_map()
    return indices


class _Rooms:
    """Opens what the command line and the configuration ask for: where sound comes from, where words go."""

    def __init__(self, args: argparse.Namespace, config: Config) -> None:
        from asc_edge.sinks.journal import Log, choose_form
        from asc_edge.systemd import Notifier

        self._args = args
        self._config = config
        self._log = Log(choose_form(config.section("log").to))
        self._notifier = Notifier()
        # A file or the demo is not the home.
        self._is_home = not (args.demo or args.input not in (None, "-"))

    def open_source(self, rate_hz: int, channel_map: Sequence[int] | None) -> Source:
        self._notifier.status("starting to listen")
        source = self._open_source(rate_hz, channel_map)
        if not self._notifier.is_wanted:
            return source
        from asc_edge.sinks.heartbeat import HeartbeatSource

        return cast("Source", HeartbeatSource(source, self._notifier))

    def _open_source(self, rate_hz: int, channel_map: Sequence[int] | None) -> Source:
        from asc_edge.audio.sources import FileSource, StdinSource, stdin_stream

        args = self._args
        realtime = args.speed == "realtime"
        if args.demo:
            return _demo(realtime=args.speed != "max")
        if args.input == "-":
            return StdinSource(stdin_stream(), _parse_raw(args.raw), realtime=realtime)
        if args.input:
            return FileSource(args.input, realtime=realtime)
        try:
            return self._open_microphone(rate_hz, channel_map)
        except (DeviceError, DeviceNotFoundError) as error:
            if not args.or_demo:
                raise
            # What is wrong, without the advice that follows it: the demo is about to play already.
            reason = str(error).partition(";")[0]
            print(f"asc-edge: {reason}; playing the synthetic demo scene instead", file=sys.stderr)
            self._is_home = False
            return _demo(realtime=True)

    def _open_microphone(self, rate_hz: int, channel_map: Sequence[int] | None) -> Source:
        config = self._config
        settings = config.section("input")
        if not settings.wait:
            from asc_edge.audio.devices import list_devices, resolve_device
            from asc_edge.audio.microphone import DeviceSource

            return DeviceSource(resolve_device(settings.device or None, list_devices()), rate_hz, channel_map)
        from asc_edge.audio.supervisor import SupervisedSource

        # Who types a command wants to hear of a mistake; a configuration is made for what goes on and on.
        asked = config.path is not None or config.origin("input", "wait") is not None
        source = SupervisedSource(
            settings.device,
            rate_hz,
            channel_map,
            wait=asked and not self._args.or_demo,
            on_notice=self._waits,
            sleep=self._sleep,
        )
        source.start()
        return source

    def quiet(self) -> AbstractContextManager[None]:
        """Where the log has a way of its own, keep PortAudio's diary of a dying microphone out of it."""
        if self._log.form != "journal":
            return nullcontext()
        from asc_edge.audio.devices import quiet_libraries

        return quiet_libraries()

    def _waits(self, notice: Notice) -> None:
        """The microphone is waited for before anything else is known of it."""
        self._notifier.status(notice.text)
        self._log.warning(notice.text, kind=notice.kind)

    def _sleep(self, seconds: float) -> None:
        """A nap of the supervisor: to wait for a microphone is what the service is there for, too."""
        self._notifier.ready()
        self._notifier.alive()
        time.sleep(seconds)

    def open_sinks(self) -> list[Sink]:
        from asc_edge.config_sections import SECTIONS
        from asc_edge.sinks import make_sink
        from asc_edge.sinks.heartbeat import HeartbeatSink
        from asc_edge.sinks.journal import JournalSink

        form = self._config.section("listen").format
        # The first, so that its last line is written before any other sink may take its time with theirs.
        sinks: list[Sink] = [HeartbeatSink(self._notifier)] if self._notifier.is_wanted else []
        if form != "none":
            sinks.append(make_sink(form))
        if form == "none" or self._log.form != "plain":
            sinks.append(JournalSink(self._log, activities=self._config.section("log").activities))
        for name, section in SECTIONS.items():
            asked = section.optional and getattr(self._args, name) is not None
            if asked or (section.optional and self._is_home and self._config.is_on(name)):
                more = self._of_the_page() if name == "web" else {}
                sinks.append(section.open(self._config.section(name), self._log.warning, **more))
                if name == "web":
                    print(f"asc-edge: the page is at {getattr(sinks[-1], 'url', '?')}", file=sys.stderr)
        return sinks

    def _of_the_page(self) -> dict[str, object]:
        """What the page is told besides: the configuration, and the days that a history knows."""
        more: dict[str, object] = {"configuration": self._config.as_dict()}
        if self._args.history is not None or (self._is_home and self._config.is_on("history")):
            from asc_edge.web.stored import StoredHistory

            more["history"] = StoredHistory(self._config.section("history").file)
        return more


def _demo(*, realtime: bool) -> Source:
    from asc_edge.audio.demo import DemoSource

    return DemoSource(realtime=realtime)


@contextmanager
def signals_call(stop: Callable[[], None]) -> Iterator[None]:
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
