"""The log: the journal's own protocol, lines with a priority for other managers, plain ones for people."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal, TextIO

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats, moved
from asc_edge.text import printable_line

__all__ = ["JournalSink", "Log", "choose_form"]

Form = Literal["journal", "prefix", "plain"]

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
WARNING, INFO = 4, 6
_MOST_LETTERS = 2000


def choose_form(
    wanted: str = "auto",
    environ: Mapping[str, str] = os.environ,
    stream: TextIO | None = None,
    journal: Path = JOURNAL_SOCKET,
) -> Form:
    """How to write the log.

    ``JOURNAL_STREAM`` holds the device and inode of the stream that the journal reads: only where they are
    those of ``stream`` does standard error really end there, and has not been led elsewhere since.

    Parameters
    ----------
    wanted : {"auto", "journal", "prefix", "plain"}
    environ : mapping of str to str
    stream : text file, optional
        Standard error by default.
    journal : Path
    """
    if wanted in ("journal", "prefix", "plain"):
        return wanted  # type: ignore[return-value]
    stream = sys.stderr if stream is None else stream
    promised = environ.get("JOURNAL_STREAM", "")
    if promised:
        try:
            status = os.fstat(stream.fileno())
        except (AttributeError, OSError, ValueError):
            return "plain"
        if promised == f"{status.st_dev}:{status.st_ino}":
            return "journal" if journal.exists() else "prefix"
        return "plain"
    # Another service manager that speaks the same language, with a log of its own.
    return "prefix" if environ.get("NOTIFY_SOCKET") else "plain"


class Log:
    """Writes one line for each thing that is worth one. Never raises: a full disk must not end the listening.

    Parameters
    ----------
    form : {"journal", "prefix", "plain"}
    stream : text file, optional
        Standard error by default.
    journal : Path
        The journal's socket.
    """

    def __init__(self, form: Form, stream: TextIO | None = None, journal: Path = JOURNAL_SOCKET) -> None:
        self.form = form
        self._stream = stream
        self._journal = journal

    def warning(self, text: str, /, **fields: object) -> None:
        """Something is lost or wrong, or is back."""
        self._write(WARNING, text, fields)

    def info(self, text: str, /, **fields: object) -> None:
        """Something happened as it should."""
        self._write(INFO, text, fields)

    def _write(self, priority: int, text: str, fields: Mapping[str, object]) -> None:
        # Names of devices and files are quoted in it: no control character of theirs may start a line.
        text = printable_line(text)[:_MOST_LETTERS]
        if self.form == "journal" and self._send(priority, text, fields):
            return
        head = "asc-edge: " if self.form == "plain" else f"<{priority}>"
        stream = sys.stderr if self._stream is None else self._stream
        try:
            stream.write(f"{head}{text}\n")
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass

    def _send(self, priority: int, text: str, fields: Mapping[str, object]) -> bool:
        """systemd's native journal protocol: a line per field, of which none holds a newline."""
        lines = [f"MESSAGE={text}", f"PRIORITY={priority}", "SYSLOG_IDENTIFIER=asc-edge"]
        for key, value in fields.items():
            lines.append(f"ASC_EDGE_{key.upper()}={' '.join(str(value).split())[:_MOST_LETTERS]}")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(("\n".join(lines) + "\n").encode(), str(self._journal))
        except OSError:
            return False
        return True


class JournalSink:
    """Notices, and where asked for activities, as lines of the log.

    Parameters
    ----------
    log : Log
    activities : bool
        Whether the log may know what goes on in the home.
    """

    def __init__(self, log: Log, *, activities: bool = False) -> None:
        self._log = log
        self._activities = activities
        self._input_lost: bool | None = None
        self._session: Session | None = None

    def start(self, session: Session) -> None:
        self._session = session
        self._log.info(
            f"listening to {session.source_name} with {session.bundle} {session.bundle_version}",
            kind="start",
            bundle=session.bundle,
            bundle_version=session.bundle_version,
            source=session.source_name,
            channels=session.channels,
        )

    def decision(self, decision: Decision) -> None:
        """Not one a second: the history and the page are there for these."""

    def event(self, event: Event) -> None:
        if self._activities:
            verb, t_s = ("began", event.start_s) if event.end_s is None else ("ended", event.end_s)
            time = self._time(t_s)
            text = f"{event.activity} {verb} at {time}"
            self._log.info(text, kind="event", activity=event.activity, time=time)

    def notice(self, notice: Notice) -> None:
        if notice.kind in ("input_lost", "input_back"):
            # A supervisor may try, and say so, many times: the log holds when it began and when it was over.
            lost = notice.kind == "input_lost"
            if lost == self._input_lost:
                return
            self._input_lost = lost
        if notice.kind == "clock" and self._session is not None:
            self._session = moved(self._session, notice)
        # A field's name has letters, digits and underscores.
        fields = {key: value for key, value in notice.details.items() if re.fullmatch(r"\w+", key, re.ASCII)}
        self._log.warning(notice.text, **{**fields, "kind": notice.kind, "t_s": notice.t_s})

    def stats(self, stats: Stats) -> None:
        self._log.info(
            f"stopped: {stats.decisions} decisions, {stats.skipped} skipped, {stats.overruns} overruns",
            kind="stats",
            decisions=stats.decisions,
            duration_s=stats.duration_s,
            lost_s=stats.lost_s,
        )

    def _time(self, t_s: float) -> str:
        if self._session is None:
            return f"{t_s:g} s"
        moment = self._session.started + timedelta(seconds=t_s)
        return moment.astimezone().isoformat(timespec="seconds")
