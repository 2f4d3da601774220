"""All that the page shows, as plain JSON; knows nothing of how it gets there."""

from __future__ import annotations

import base64
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime, tzinfo
from statistics import median
from typing import Any

import numpy as np

from asc_edge import machine
from asc_edge.activities import PRESENCE, colours_of
from asc_edge.events import Event
from asc_edge.glimpse import Glimpse
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats, moved, utc_now
from asc_edge.sinks.jsonl import decision_fields
from asc_edge.version import __version__
from asc_edge.web.history import Day, PastActivity, SessionEvents, combined

__all__ = ["Board", "Message", "without_secrets"]

Fields = dict[str, Any]
# The name of what has happened, and what the page must know of it.
Message = tuple[str, Fields]

PICTURE_S = 60.0
# Cells are sent as bytes between these levels, in dB of a full-scale sine.
LOW_DB, HIGH_DB = -140.0, 0.0
NOTICES = 50
LATENCIES = 300
_SECRET = re.compile(r"token|password|passphrase|secret|credential|(^|_)key$", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")
HIDDEN = "(hidden)"


class Board:
    """Takes what the sink is told, and says what to tell those who look.

    Parameters
    ----------
    configuration : dict
        Shown as it is, but for secrets.
    now : callable
        The wall clock.
    zone : tzinfo, optional
        Of the home; the machine's own by default.
    heat : callable
        Temperature and throttling, as `machine.heat` gives them.
    """

    def __init__(
        self,
        configuration: Mapping[str, object],
        *,
        now: Callable[[], datetime] = utc_now,
        zone: tzinfo | None = None,
        heat: Callable[[], Fields] = machine.heat,
    ) -> None:
        self._configuration = without_secrets(configuration)
        self._now = now
        self._zone = zone
        self._heat = heat
        self._session: Session | None = None
        self._events: SessionEvents | None = None
        self._activity: PastActivity | None = None
        # Beside the activities; None until a tracker has said something, as where there is none.
        self._presence: tuple[bool, datetime] | None = None
        self._decision: Fields | None = None
        self._heard_at: datetime | None = None
        self._ended: datetime | None = None
        self._picture: deque[Fields] = deque()
        self._channels: list[Fields] = []
        self._notices: deque[Fields] = deque(maxlen=NOTICES)
        self._counts: Counter[str] = Counter()
        self._lost_s = 0.0
        self._input_lost = False
        self._latencies_ms: deque[float] = deque(maxlen=LATENCIES)
        # What doesn't change while a page looks on, made once.
        self._boot = f"{__version__} {now().isoformat()}"

    def take(self, kind: str, line: Any) -> Message:
        """Take a session's next line: what its sink was called with, by the name of the call."""
        name, fields = getattr(self, f"_take_{kind}")(line)
        return name, fields

    def _take_start(self, session: Session) -> Message:
        self._session = session
        self._events = SessionEvents(session.started)
        return "state", self.state()

    def _take_decision(self, decision: Decision) -> Message:
        self._heard_at = self._now()
        self._latencies_ms.append(decision.latency_ms)
        self._counts["decisions"] += 1
        self._decision = decision_fields(decision, self._clock(self._heard_at))
        return "decision", self._decision

    def _take_event(self, event: Event) -> Message:
        assert self._events is not None
        if event.activity == PRESENCE:
            since_s = event.start_s if event.end_s is None else event.end_s
            self._presence = (event.end_s is None, self._events.at(since_s))
            return "activity", self._what_goes_on()
        past = self._events.add(event)
        if past.end is None:
            self._activity = past
        elif self._activity and self._activity.activity == past.activity:
            self._activity = None
        return "activity", self._what_goes_on()

    def _take_notice(self, notice: Notice) -> Message:
        assert self._events is not None
        if notice.kind in ("input_lost", "input_back"):
            self._input_lost = notice.kind == "input_lost"
        elif notice.kind == "clock" and self._session is not None:
            before, self._session = self._session.started, moved(self._session, notice)
            self._activity = self._events.move(self._session.started)
            if self._presence is not None:
                somebody, since = self._presence
                self._presence = (somebody, since + (self._session.started - before))
        self._counts[notice.kind] += 1
        gap_s = notice.details.get("gap_s")
        if notice.kind == "gap" and isinstance(gap_s, int | float):
            self._lost_s += gap_s
        fields = {
            "kind": notice.kind,
            "time": self._clock(self._events.at(notice.t_s)),
            "text": notice.text,
        }
        self._notices.append(fields)
        return "notice", {**fields, "health": self.health()}

    def _take_glimpse(self, glimpse: Glimpse) -> Message:
        self._channels = [
            {"status": status, "level_db": round(level_db, 1)}
            for status, level_db in zip(glimpse.status, glimpse.level_db, strict=True)
        ]
        self._counts["skipped"] = glimpse.skipped
        fields = _picture_fields(glimpse)
        if glimpse.cells_db.shape[2]:
            self._picture.append(fields)
        while self._picture and self._picture[0]["end_s"] < glimpse.end_s - PICTURE_S:
            self._picture.popleft()
        return "glimpse", {**fields, "channels": self._channels}

    def _take_stats(self, stats: Stats) -> Message:
        self._ended = self._now()
        self._counts.update({"overruns": stats.overruns})
        self._counts["skipped"], self._lost_s = stats.skipped, stats.lost_s
        return "end", {**asdict(stats), "health": self.health()}

    def state(self) -> Fields:
        """What goes on now, and what a page needs to show it."""
        session = self._session
        about = None
        if session is not None:
            about = {
                "bundle": session.bundle,
                "bundle_version": session.bundle_version,
                "labels": list(session.labels),
                "colours": colours_of(session.labels),
                "source": session.source_name,
                "synthetic": bool(session.source.get("synthetic")),
                "channels": session.channels,
                "sample_rate_hz": session.sample_rate_hz,
                "window_s": session.window_s,
                "hop_s": session.hop_s,
                "started": self._clock(session.started),
            }
        return {
            "version": __version__,
            "boot": self._boot,
            "now": self._clock(self._now()),
            "input": self._input(),
            "session": about,
            **self._what_goes_on(),
            "decision": self._decision,
            "channels": self._channels,
        }

    def snapshot(self) -> Fields:
        """The state, the sound of the last minute, and health: what a page is given first."""
        return {**self.state(), "picture": list(self._picture), "health": self.health()}

    def health(self) -> Fields:
        """How the input and the machine are."""
        heat = self._heat()
        latencies = self._latencies_ms
        return {
            "input": self._input(),
            "since_decision_s": self._since_decision_s(),
            "decisions": self._counts["decisions"],
            "skipped": self._counts["skipped"],
            "gaps": max(self._counts["gap"], self._counts["overruns"]),
            "lost_s": round(self._lost_s, 3),
            "inputs_lost": self._counts["input_lost"],
            "latency_ms": {
                "last": round(latencies[-1], 1),
                "median": round(median(latencies), 1),
                "max": round(max(latencies), 1),
            }
            if latencies
            else None,
            "temperature_c": heat["temperature_c"],
            "throttling": heat["throttling"],
            "memory_mb": _rounded(machine.resident_mb()),
            "notices": list(self._notices),
        }

    def configuration(self) -> Fields:
        """The configuration, without secrets."""
        return self._configuration

    def today(self) -> Day:
        """The home's calendar."""
        return Day.of(self._now(), self._zone)

    def day(self, day: date) -> Day:
        """A day of the home's calendar."""
        return Day(day, self._zone)

    def timeline(self, day: Day, past: list[PastActivity]) -> Fields:
        """A day's activities: those that a history gave, and this session's.

        Parameters
        ----------
        day : Day
        past : list of PastActivity
            What a history knows of the day; empty without one.
        """
        now = self._ended or self._now()
        return day.timeline(combined(past, self._events, day.start, day.end), now)

    def _input(self) -> str:
        if self._ended is not None:
            return "ended"
        if self._input_lost:
            return "lost"
        return "ok" if self._decision else "starting"

    def _since_decision_s(self) -> float | None:
        if self._heard_at is None:
            return None
        return round((self._now() - self._heard_at).total_seconds(), 1)

    def _what_goes_on(self) -> Fields:
        activity = presence = None
        if self._activity is not None:
            activity = {"activity": self._activity.activity, "since": self._clock(self._activity.start)}
        if self._presence is not None:
            somebody, since = self._presence
            presence = {"somebody": somebody, "since": self._clock(since)}
        return {"activity": activity, "presence": presence}

    def _clock(self, moment: datetime) -> str:
        return Day.of(moment, self._zone).clock(moment)


def _picture_fields(glimpse: Glimpse) -> Fields:
    """Cells as bytes, column by column and low bands first, for each channel a text in base 64."""
    scaled = (glimpse.cells_db - LOW_DB) * (255.0 / (HIGH_DB - LOW_DB))
    cells = np.clip(np.round(scaled), 0, 255).astype(np.uint8).transpose(0, 2, 1)
    return {
        "end_s": round(glimpse.end_s, 3),
        "column_s": glimpse.column_s,
        "low_db": LOW_DB,
        "high_db": HIGH_DB,
        "bands_hz": [round(band_hz) for band_hz in glimpse.bands_hz],
        "cells": [base64.b64encode(channel.tobytes()).decode() for channel in cells],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def without_secrets(values: Mapping[str, object]) -> Fields:
    """A configuration for everybody's eyes: no values of keys that speak of secrets, no users in addresses.

    The path of a file that holds a secret is none.
    """
    return {key: _shown(key, value) for key, value in values.items()}


def _shown(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if _SECRET.search(key) and not key.endswith("_file") and value not in ("", None):
        return HIDDEN
    if isinstance(value, list | tuple):
        return [_shown("", item) for item in value]
    return _USER_IN_URL.sub("", value) if isinstance(value, str) else value
