"""From a session's lines to the states of a room. Knows topics and payloads, and nothing of connections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from asc_edge.activities import ABSENCE, PRESENCE, SILENT, UNKNOWN
from asc_edge.events import Event
from asc_edge.mqtt.settings import MqttSettings, identifier
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats, moved
from asc_edge.sinks.mqtt.discovery import as_json, discovery, expire_after_s, heartbeat_s
from asc_edge.sinks.mqtt.outbox import Outbox
from asc_edge.text import iso_utc
from asc_edge.version import __version__

__all__ = ["OFFLINE", "ONLINE", "Room"]

ONLINE, OFFLINE = "online", "offline"
# Posteriors change with every decision, and nobody watches them that closely.
POSTERIOR_INTERVAL_S = 5.0


class Room:
    """Keeps the states of a room up to date in an outbox.

    Parameters
    ----------
    settings : MqttSettings
    outbox : Outbox
    model : str
        Name of the board or processor.
    clock : callable
        Seconds that only ever grow.
    now : callable
        The wall clock.
    """

    def __init__(
        self,
        settings: MqttSettings,
        outbox: Outbox,
        *,
        model: str,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._model = model
        self._clock = clock
        self._now = now
        self._base = settings.base_topic
        self._configs: dict[str, dict[str, object]] = {}
        self._session: Session | None = None
        self._going_on: Event | None = None
        self._activity, self._since = "undecided", ""
        self._presence = "None"
        # What a presence tracker says; None where there is none, or as long as it has said nothing.
        self._somebody: bool | None = None
        self._lost = ""
        self._channels: tuple[str, ...] = ()
        self._last_t_s: float | None = None
        self._skipped = 0
        self._events = 0
        self._temperature: float | None = None
        self._said: dict[str, object] = {}
        self._beat_s = self._posterior_s = float("-inf")

    def start(self, session: Session, temperature: float | None) -> None:
        """Announce the room. Nothing is known of it yet, whatever an earlier session left at the broker."""
        self._session = session
        self._temperature = temperature
        self._configs = discovery(
            self._settings, session, model=self._model, temperature=temperature is not None
        )
        for topic, fields in self._configs.items():
            self._outbox.state(topic, as_json(fields))
        self._since = self._time(0.0)
        self._say_activity()
        self._say_input()
        self._say_channels(())
        self._put("skipped", "0")
        self.heat(temperature)
        self._say_status()
        # The last one that a broker gets: who sees it finds the others there.
        self._outbox.state(f"{self._base}/availability", ONLINE, confirm=True)

    def decision(self, decision: Decision) -> None:
        """Take a decision in. While these come, states that stay the same are sent again now and then."""
        session = self._started()
        if self._last_t_s is not None:
            self._skipped += max(0, round((decision.t_s - self._last_t_s) / session.hop_s) - 1)
        self._last_t_s = decision.t_s
        self._put("skipped", str(self._skipped))
        if decision.state != "no_input":
            self._lost = ""
        elif not self._lost:
            self._lost = "no channel delivers sound"
        self._settle("undecided" if decision.state == "ok" else decision.state, decision.t_s)
        self._say_input()
        self._say_channels(decision.channels)
        if self._due(self._posterior_s, POSTERIOR_INTERVAL_S):
            self._posterior_s = self._clock()
            for label, value in decision.posterior.items():
                self._put(f"posterior/{identifier(label)}", str(round(100.0 * value)))
        if self._due(self._beat_s, heartbeat_s(self._settings, session)):
            self._beat()
        self._say_status()

    def event(self, event: Event) -> None:
        """Take in that an activity began or ended."""
        self._outbox.event(f"{self._base}/event", as_json(self._event_fields(event)))
        if event.activity == PRESENCE:
            # Beside the activities, and longer than they.
            self._somebody = event.end_s is None
            self._presence = self._presence if self._lost else self._present(self._activity)
            self._say_activity()
            self._say_status()
            return
        self._going_on = event if event.end_s is None else None
        self._settle("undecided", event.start_s if event.end_s is None else event.end_s)
        self._say_status()

    def notice(self, notice: Notice) -> None:
        """Take in what happened to the input."""
        # Decisions that couldn't be made for want of audio were not skipped.
        self._last_t_s = None
        if notice.kind == "input_lost":
            self._lost = notice.text
        elif notice.kind == "input_back":
            self._lost = ""
        elif notice.kind == "clock":
            self._session = moved(self._started(), notice)
            self._say_status()
            return
        self._settle("undecided", notice.t_s)
        self._say_input()
        self._say_status()

    def stats(self, stats: Stats) -> None:
        """The last words."""
        self._skipped = max(self._skipped, stats.skipped)
        self._put("skipped", str(self._skipped))
        self._say_status()
        self._outbox.state(f"{self._base}/availability", OFFLINE)

    def tick(self) -> None:
        """Say again what holds while no decisions can come: that there is no input.

        Nothing else, and at no other time: states must expire when decisions stop and nobody knows why.
        """
        if self._session is None or not self._lost:
            return
        if self._due(self._beat_s, heartbeat_s(self._settings, self._session)):
            self._beat_s = self._clock()
            self._outbox.refresh([f"{self._base}/problem", f"{self._base}/problem/attributes"])
            self._say_status(again=True)

    def heat(self, temperature_c: float | None) -> None:
        """Take in the processor's temperature, or nothing."""
        self._temperature = temperature_c
        if temperature_c is not None:
            self._put("temperature", f"{temperature_c:.0f}")
            self._outbox.refresh([f"{self._base}/temperature"])

    def is_known(self, topic: str) -> bool:
        """Whether a discovery topic is one of ours, and not what an earlier bundle left behind."""
        return topic in self._configs

    def _event_fields(self, event: Event) -> dict[str, object]:
        self._events += 1
        session = self._started()
        fields: dict[str, object] = {
            "event_type": "began" if event.end_s is None else "ended",
            # The same whenever it is sent: who gets it twice can tell.
            "id": f"{session.started:%Y%m%dT%H%M%S}-{self._events}",
            "activity": event.activity,
            "start": self._time(event.start_s),
        }
        if event.end_s is not None:
            fields["end"] = self._time(event.end_s)
            fields["duration_s"] = round(event.end_s - event.start_s, 3)
        return fields

    def _settle(self, otherwise: str, t_s: float) -> None:
        """Say what goes on: nothing can without input; and where no activity has begun, ``otherwise``."""
        if self._lost:
            activity, self._presence = "no_input", "None"
        elif self._going_on is not None:
            activity, t_s = self._going_on.activity, self._going_on.start_s
            self._presence = self._present(activity)
        else:
            activity = otherwise
            self._presence = self._present(activity)
        if activity != self._activity:
            self._activity, self._since = activity, self._time(t_s)
        self._say_activity()

    def _present(self, activity: str) -> str:
        """Whether somebody is there while this goes on."""
        if self._somebody is not None:
            return "ON" if self._somebody else "OFF"
        if activity in (ABSENCE, SILENT):
            return "OFF"
        # Whoever made the last sound may still be there; a sound without a label needn't be anybody's.
        return self._presence if activity in ("undecided", UNKNOWN) else "ON"

    def _say_activity(self) -> None:
        self._put("activity", self._activity)
        self._put("activity/attributes", as_json({"since": self._since}))
        self._put("presence", self._presence)

    def _say_input(self) -> None:
        self._put("problem", "ON" if self._lost else "OFF")
        self._put("problem/attributes", as_json({"reason": self._lost or "none"}))

    def _say_channels(self, channels: tuple[str, ...]) -> None:
        self._channels = channels
        # Clipped ones work, and a loud moment is no news.
        working = [status != "dead" for status in channels]
        self._put("microphones", str(sum(working)) if channels else "None")
        by_number = {str(number): "ok" if works else "dead" for number, works in enumerate(working, 1)}
        self._put("microphones/attributes", as_json(by_number))

    def _say_status(self, *, again: bool = False) -> None:
        session = self._started()
        fields: dict[str, object] = {
            "node": self._settings.node_name,
            "room": self._settings.room_name,
            "version": __version__,
            "bundle": f"{session.bundle} {session.bundle_version}",
            "activity": self._activity,
            "since": self._since,
            "presence": self._presence,
            "problem": self._lost,
            "microphones": {
                "working": sum(status != "dead" for status in self._channels),
                "of": session.channels,
            },
            "skipped": self._skipped,
            "started": iso_utc(session.started),
            "expire_after_s": expire_after_s(self._settings, session),
        }
        if again or fields != self._said:
            self._said = fields
            self._put(
                "status",
                as_json({**fields, "temperature_c": self._temperature, "time": iso_utc(self._now())}),
            )

    def _beat(self) -> None:
        self._beat_s = self._clock()
        names = ["activity", "presence", "problem", "microphones", "skipped"]
        names += [f"posterior/{identifier(label)}" for label in self._started().labels]
        self._outbox.refresh([f"{self._base}/{name}" for name in names])
        self._say_status(again=True)

    def _put(self, name: str, payload: str) -> None:
        self._outbox.state(f"{self._base}/{name}", payload)

    def _due(self, last_s: float, interval_s: float) -> bool:
        return self._clock() - last_s >= interval_s

    def _started(self) -> Session:
        assert self._session is not None, "a sink hears of the start first"
        return self._session

    def _time(self, t_s: float) -> str:
        return iso_utc(self._started().started + timedelta(seconds=t_s))
