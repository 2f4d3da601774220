"""Text for people: one aligned line per decision, and a line of its own for what begins and ends."""

from __future__ import annotations

import os
from typing import TextIO

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats
from asc_edge.version import __version__

BAR_CELLS = 10
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_CHANNEL_STYLES = {"ok": "green", "dead": "red", "clipped": "yellow"}


class Palette:
    """Styles text on a terminal, or where ``FORCE_COLOR`` asks for it; honours ``NO_COLOR``."""

    def __init__(self, stream: TextIO) -> None:
        capable = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._on = (capable or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._on else text


class Glyphs:
    """Drawing characters that the stream's encoding has."""

    def __init__(self, stream: TextIO) -> None:
        fancy = "▏▎▍▌▋▊▉█●○▲▶■·"
        try:
            fancy.encode(stream.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            self.eighths, self.full = [""] * 8, "#"
            self.channels = {"ok": "o", "dead": "x", "clipped": "!"}
            self.begin, self.end, self.dot = ">", "=", "-"
        else:
            self.eighths, self.full = ["", *fancy[:7]], "█"
            self.channels = {"ok": "●", "dead": "○", "clipped": "▲"}
            self.begin, self.end, self.dot = "▶", "■", "·"

    def bar(self, fraction: float) -> str:
        """A bar of ten cells, filled to ``fraction``."""
        cells, eighth = divmod(round(min(max(fraction, 0.0), 1.0) * BAR_CELLS * 8), 8)
        return (self.full * cells + self.eighths[eighth]).ljust(BAR_CELLS)


class ConsoleSink:
    """Writes text for people.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._paint = Palette(stream)
        self._glyphs = Glyphs(stream)
        self._label_width = len("no_input")
        self._tenths = False
        self._window_s = 0.0

    def start(self, session: Session) -> None:
        self._label_width = max(map(len, [*session.labels, "no_input"]))
        dot = f" {self._glyphs.dot} "
        plural = "s" if session.channels != 1 else ""
        parts = (
            f"asc-edge {__version__}",
            f"bundle {session.bundle} {session.bundle_version}, {len(session.labels)} activities",
            session.source_name,
            f"{session.channels} channel{plural} at {session.sample_rate_hz} Hz",
        )
        self._line(self._paint("bold", parts[0]) + dot + dot.join(parts[1:]))
        identity = session.source.get("id")
        if identity:
            self._line(self._paint("dim", f"this microphone for good: --device '{identity}'"))
        if session.source.get("synthetic"):
            self._line(self._paint("dim", "what you will see is decided on sounds made by arithmetic"))
        self._line(self._paint("dim", f"first decision after {session.window_s:g} s; Ctrl-C ends"))
        self._window_s = session.window_s
        # Seconds are precise enough, unless decisions come faster.
        self._tenths = not session.hop_s.is_integer()

    def decision(self, decision: Decision) -> None:
        best = decision.posterior.get(decision.top or "", 0.0)
        name = (decision.top or decision.state).ljust(self._label_width)
        percent = f"{100 * best:3.0f} %" if decision.top else "     "
        dots = "".join(
            self._paint(_CHANNEL_STYLES.get(status, "red"), self._glyphs.channels.get(status, "?"))
            for status in decision.channels
        )
        name = self._paint("bold" if best >= 0.6 else "dim", name)
        bar = self._paint("cyan", self._glyphs.bar(best))
        at = clock(decision.t_s) + (f".{int(decision.t_s * 10) % 10}" if self._tenths else "")
        self._line(f"{at}  {name}  {percent}  {bar}  {dots}  {decision.latency_ms:5.1f} ms")

    def event(self, event: Event) -> None:
        if event.end_s is None:
            sign, what = self._glyphs.begin, f"began at {clock(event.start_s)}"
        else:
            sign, what = (
                self._glyphs.end,
                f"ended at {clock(event.end_s)}, after {span(event.end_s - event.start_s)}",
            )
        self._line(f"          {self._paint('green', sign)} {self._paint('bold', event.activity)} {what}")

    def notice(self, notice: Notice) -> None:
        self._line(f"{clock(notice.t_s)}  {self._paint('yellow', notice.text)}")

    def stats(self, stats: Stats) -> None:
        lost = f" ({stats.lost_s:.2f} s lost)" if stats.lost_s else ""
        self._line(
            f"{stats.decisions} decisions, {stats.skipped} skipped, {stats.overruns} overruns{lost} "
            f"in {span(stats.duration_s)}"
        )
        if 0.0 < stats.duration_s < self._window_s:
            self._line(
                f"too short for a decision, which takes {self._window_s:g} s; "
                "asc-edge classify repeats a shorter clip"
            )

    def _line(self, text: str) -> None:
        self._stream.write(text.rstrip() + "\n")
        self._stream.flush()


def clock(seconds: float) -> str:
    """Seconds as ``hh:mm:ss``, of which the hours may be many."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def span(seconds: float) -> str:
    """A length of time in words, as precise as it is long."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
