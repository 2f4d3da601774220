"""Reads the command line, runs one command, and turns every failure into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from asc_edge.cli import (
    bench,
    bundle,
    classify,
    config,
    devices,
    fleet,
    history,
    listen,
    record,
    service,
    teach,
)
from asc_edge.cli import report as day_report
from asc_edge.cli.options import forget_output, make_parser, report, report_unexpected
from asc_edge.errors import AscEdgeError

_DESCRIPTION = "Tells which activity is going on in a home from a microphone array, on this device."
_EXAMPLES = """\
  asc-edge devices                     what can be heard here
  asc-edge listen --demo               a synthetic scene, for those without a microphone
  asc-edge listen --device usb-id:2886:0018
  asc-edge classify kitchen.wav
  asc-edge teach washing_machine       learn an activity from two minutes of it
  asc-edge record own --label cooking  labelled clips, for training a bundle of your own
  asc-edge bench                       how fast decisions are on this machine
  asc-edge config init                 everything that can be set, in a file
  asc-edge service install             listen from now on, also after a reboot
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``asc-edge``.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; the process's own by default.

    Returns
    -------
    int
        0 done, 1 failed while running, 2 used wrongly, 130 interrupted before anything had begun.
    """
    if sys.stdout is None:
        # Closed by who started it, who wants to see nothing then.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    try:
        args = _parser().parse_args(argv)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except AscEdgeError as error:
        if os.environ.get("ASC_EDGE_DEBUG"):
            raise
        return report(str(error), error.exit_code)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        forget_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("ASC_EDGE_DEBUG"):
            raise
        if isinstance(error, OSError):
            forget_output()
        return report_unexpected(error)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("asc-edge", _DESCRIPTION, _EXAMPLES)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    modules = (
        devices,
        listen,
        classify,
        teach,
        record,
        config,
        service,
        history,
        day_report,
        fleet,
        bundle,
        bench,
    )
    for module in modules:
        module.add_parser(commands)
    return parser
