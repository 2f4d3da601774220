"""The command line as somebody typed it: what a page prints beside its figures."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

__all__ = ["PROG", "typed"]

PROG = "asc-edge-train"


def typed(argv: Sequence[str] | None) -> str:
    """The whole command; ``argv`` are its arguments, None for the process's own."""
    return shlex.join([PROG, *(sys.argv[1:] if argv is None else argv)])
