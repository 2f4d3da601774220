"""``asc-edge classify``: one answer per audio file."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import (
    add_bundle_option,
    add_channels_as_option,
    add_channels_option,
    add_command,
    open_bundle,
    parse_channels,
    report,
)
from asc_edge.errors import AscEdgeError

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle
    from asc_edge.members import ChannelsAs
    from asc_edge.pipeline import Decision, Pipeline

_SUMMARY = (
    "Say which activity is heard in each audio file: the mean over its windows. Its state is unknown "
    "where the bundle has a threshold that no activity reaches; the likeliest is given all the same."
)
_EXAMPLES = """\
  asc-edge classify kitchen.wav
  asc-edge classify --format csv recordings/*.flac > activities.csv
  asc-edge classify --channels 1,2,3,4 --format jsonl six_channels.wav
"""


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "classify", _SUMMARY, _EXAMPLES)
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio of any format that libsndfile reads")
    add_bundle_option(parser)
    add_channels_option(parser)
    add_channels_as_option(parser)
    parser.add_argument(
        "--format", choices=("text", "jsonl", "csv"), default="text", help="default: %(default)s"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    channel_map = parse_channels(args.channels)
    classifier = _Classifier(open_bundle(args.bundle), channel_map, args.channels_as)
    write = _WRITERS[args.format](args.files, classifier.bundle)
    code = 0
    for path in args.files:
        try:
            decision = classifier.classify(path)
        except AscEdgeError as error:
            code = report(str(error), 1)
        else:
            write(path, decision)
            sys.stdout.flush()
    return code


class _Classifier:
    """Keeps a loaded pipeline for every number of channels that comes along."""

    def __init__(self, bundle: Bundle, channel_map: Sequence[int] | None, channels_as: ChannelsAs) -> None:
        self.bundle = bundle
        self._channels_as = channels_as
        self._channel_map = channel_map
        self._pipelines: dict[int, Pipeline] = {}

    def classify(self, path: str) -> Decision:
        from asc_edge.audio.channels import select_channels, take_channels
        from asc_edge.audio.files import read_audio
        from asc_edge.audio.resample import resample
        from asc_edge.pipeline import Pipeline, classify_clip

        samples, rate_hz = read_audio(path)
        channels = select_channels(self._channel_map, samples.shape[1], path)
        clip = resample(take_channels(samples, channels), rate_hz, self.bundle.sample_rate_hz)
        if len(channels) not in self._pipelines:
            self._pipelines[len(channels)] = Pipeline(
                self.bundle, channels=len(channels), channels_as=self._channels_as
            )
        return classify_clip(self._pipelines[len(channels)], clip)


Writer = Callable[[str, "Decision"], None]


def _state(decision: Decision, bundle: Bundle) -> str:
    """State of a clip: ``unknown`` where the bundle has a threshold and no label reaches it."""
    from asc_edge.activities import UNKNOWN

    below = bundle.manifest.unknown_below
    if decision.top is not None and below is not None and decision.posterior[decision.top] < below:
        return UNKNOWN
    return decision.state


def _text_writer(files: Sequence[str], bundle: Bundle) -> Writer:
    from asc_edge.sinks.console import Glyphs, Palette

    paint, glyphs = Palette(sys.stdout), Glyphs(sys.stdout)
    file_width = min(48, max(map(len, files)))
    label_width = max(map(len, [*bundle.labels, "no_input"]))

    def write(path: str, decision: Decision) -> None:
        state, top = _state(decision, bundle), decision.top
        best = decision.posterior.get(top or "", 0.0)
        name = paint("bold", (top if top and state == "ok" else state).ljust(label_width))
        percent = f"{100 * best:3.0f} %" if top else "     "
        bar = paint("cyan", glyphs.bar(best))
        perhaps = f"perhaps {top}" if top and state != "ok" else ""
        print(f"{path.ljust(file_width)}  {name}  {percent}  {bar}  {perhaps}".rstrip())

    return write


def _jsonl_writer(_files: Sequence[str], bundle: Bundle) -> Writer:
    from asc_edge.sinks.jsonl import json_line, rounded

    def write(path: str, decision: Decision) -> None:
        fields = {
            "type": "clip",
            "file": path,
            "duration_s": round(decision.t_s, 6),
            "top": decision.top,
            "posterior": rounded(decision.posterior),
            "state": _state(decision, bundle),
            "channels": list(decision.channels),
            "latency_ms": round(decision.latency_ms, 3),
        }
        sys.stdout.write(json_line(fields))

    return write


def _csv_writer(_files: Sequence[str], bundle: Bundle) -> Writer:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "duration_s", "state", "top", *bundle.labels])

    def write(path: str, decision: Decision) -> None:
        # Where nothing was heard there are no posteriors, and the cells stay empty.
        state = _state(decision, bundle)
        posteriors = [
            f"{decision.posterior[label]:.6f}" if decision.posterior else "" for label in bundle.labels
        ]
        table.writerow([path, f"{decision.t_s:.3f}", state, decision.top or "", *posteriors])

    return write


_WRITERS = {"text": _text_writer, "jsonl": _jsonl_writer, "csv": _csv_writer}
