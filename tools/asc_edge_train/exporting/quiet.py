"""Converters that talk: progress, remarks and warnings of theirs, from Python and from C++, go nowhere."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

__all__ = ["quietly"]


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Send standard output and error nowhere, for this whole process, and let no warning through.

    C++ libraries write to the file descriptors themselves, so these are what is turned away.
    """
    logging_off = logging.root.manager.disable
    saved = {}
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(tempfile.TemporaryFile())
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
            with contextlib.suppress(OSError):  # a process may have been started without it
                saved[number] = os.dup(number)
                os.dup2(nowhere.fileno(), number)
        try:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(_sink())))
            stack.enter_context(contextlib.redirect_stderr(stack.enter_context(_sink())))
            logging.disable(logging.CRITICAL)
            yield
        finally:
            logging.disable(logging_off)
            for number, copy in saved.items():
                os.dup2(copy, number)
                os.close(copy)


@contextlib.contextmanager
def _sink() -> Iterator[object]:
    with open(os.devnull, "w", encoding="utf-8") as sink:  # noqa: PTH123
        yield sink
