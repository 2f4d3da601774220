"""From decisions, events and notices to what a room says of itself; a clock that is told the time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from asc_edge.events import Event
from asc_edge.mqtt import MqttSettings
from asc_edge.sinks import Notice
from asc_edge.sinks.mqtt.outbox import Outbox
from asc_edge.sinks.mqtt.room import Room
from mqtt_session import STATS, decision, session

BASE = "asc-edge/pi/kitchen"


class House:
    """A room, its outbox as a broker would have got it, and a clock."""

    def __init__(self, **fields: Any) -> None:
        self.now_s = 0.0
        self.kept: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.outbox = Outbox()
        self.room = Room(
            MqttSettings(node="pi", room="kitchen", expire_after_s=60),
            self.outbox,
            model="Raspberry Pi 5",
            clock=lambda: self.now_s,
            now=lambda: datetime.fromtimestamp(1772366400 + self.now_s, UTC),
        )
        self.room.start(session(**fields), 51.3)
        self.order = self.deliver()

    def deliver(self) -> list[str]:
        """Deliver what waits; the topics, below the room's own."""
        topics = []
        while (message := self.outbox.next()) is not None:
            if message.is_event:
                self.events.append(json.loads(message.payload))
            else:
                self.kept[message.topic] = message.payload
            topics.append(message.topic.removeprefix(f"{BASE}/"))
        return topics

    def decide(self, t_s: float, *args: Any, **fields: Any) -> list[str]:
        self.now_s = t_s
        self.room.decision(decision(t_s, *args, **fields))
        return self.deliver()

    def __getitem__(self, name: str) -> str:
        return self.kept[f"{BASE}/{name}"]

    def status(self) -> dict[str, Any]:
        return json.loads(self["status"])


# Catches: an activity of yesterday that comes to life when a runner starts, and one shown before its entity.
def test_a_start_knows_nothing_and_is_available_last() -> None:
    house = House()
    assert (house["activity"], house["presence"], house["problem"]) == ("undecided", "None", "OFF")
    assert (house["microphones"], house["temperature"], house["skipped"]) == ("None", "51", "0")
    assert house.order[-1] == "availability"
    configs = [place for place, topic in enumerate(house.order) if topic.endswith("/config")]
    assert configs == list(range(len(configs)))


# Catches: activity and presence that disagree, times that are those of the broker, ids that change.
def test_an_activity_from_beginning_to_end() -> None:
    house = House()
    house.decide(5.0)
    assert house["activity"] == "undecided"
    assert (house["posterior/cooking"], house["posterior/absence"]) == ("90", "10")
    house.room.event(Event("cooking", 5.0))
    house.deliver()
    assert (house["activity"], house["presence"]) == ("cooking", "ON")
    assert json.loads(house["activity/attributes"]) == {"since": "2026-03-01T12:00:05.000Z"}
    # Silence within an activity is a part of it until the events say otherwise.
    house.decide(6.0, "silent")
    assert (house["activity"], house["presence"]) == ("cooking", "ON")
    house.room.event(Event("cooking", 5.0, 65.5))
    house.decide(66.0, "silent")
    assert (house["activity"], house["presence"]) == ("silent", "OFF")
    assert house.events == [
        {
            "event_type": "began",
            "id": "20260301T120000-1",
            "activity": "cooking",
            "start": "2026-03-01T12:00:05.000Z",
        },
        {
            "event_type": "ended",
            "id": "20260301T120000-2",
            "activity": "cooking",
            "start": "2026-03-01T12:00:05.000Z",
            "end": "2026-03-01T12:01:05.500Z",
            "duration_s": 60.5,
        },
    ]
    house.room.event(Event("absence", 70.0))
    house.deliver()
    assert (house["activity"], house["presence"]) == ("absence", "OFF")


# Catches: a sound without a label that is nobody's activity and turns the light on, and silence that does.
def test_unknown_and_silent_activities_are_options_and_nobody() -> None:
    house = House()
    config = json.loads(house.kept["homeassistant/sensor/asc-edge_pi--kitchen/activity/config"])
    for activity, presence in (("unknown", "None"), ("cooking", "ON"), ("unknown", "ON"), ("silent", "OFF")):
        house.room.event(Event(activity, house.now_s))
        house.deliver()
        assert (house["activity"], house["presence"]) == (activity, presence)
        assert activity in config["options"]
        house.room.event(Event(activity, house.now_s, house.now_s + 1.0))
        house.deliver()
        assert house["activity"] == "undecided"


# Catches: "presence" in the activity's place, an activity that ends with it, and a light that goes out early.
def test_a_tracker_of_presence_goes_on_beside_activities() -> None:
    house = House()
    house.room.event(Event("cooking", 5.0))
    house.room.event(Event("presence", 5.0))
    house.deliver()
    assert (house["activity"], house["presence"]) == ("cooking", "ON")
    house.room.event(Event("cooking", 5.0, 65.0))
    house.decide(66.0, "silent")
    assert (house["activity"], house["presence"]) == ("silent", "ON")
    house.room.event(Event("presence", 5.0, 65.0))
    house.deliver()
    assert (house["activity"], house["presence"]) == ("silent", "OFF")


# Catches: a microphone that is gone while Home Assistant shows a quiet room, and a problem that never ends.
def test_input_that_is_lost_and_found() -> None:
    house = House()
    house.decide(5.0)
    house.room.event(Event("cooking", 5.0))
    house.room.notice(Notice("input_lost", 9.0, "the microphone is gone"))
    house.deliver()
    assert (house["problem"], house["activity"], house["presence"]) == ("ON", "no_input", "None")
    assert json.loads(house["problem/attributes"]) == {"reason": "the microphone is gone"}
    assert house.status()["problem"] == "the microphone is gone"
    house.room.notice(Notice("input_back", 300.0, "it is back"))
    house.decide(310.0)
    assert (house["problem"], house["activity"]) == ("OFF", "cooking")
    # Nobody skipped the decisions that had nothing to decide on.
    assert house["skipped"] == "0"
    house.decide(311.0, "no_input", ("dead",) * 4)
    assert (house["problem"], house["microphones"], house["activity"]) == ("ON", "0", "no_input")


# Catches: a channel that died unseen, a loud moment that counts as a fault.
def test_microphones_are_counted() -> None:
    house = House()
    house.decide(5.0, channels=("ok", "dead", "clipped", "ok"))
    assert house["microphones"] == "3"
    assert json.loads(house["microphones/attributes"]) == {"1": "ok", "2": "dead", "3": "ok", "4": "ok"}
    assert house.status()["microphones"] == {"working": 3, "of": 4}


# Catches: skipped decisions that nobody hears of before the end.
def test_skipped_decisions_are_counted() -> None:
    house = House()
    house.decide(5.0)
    house.decide(8.0)
    assert house["skipped"] == "2"
    house.room.stats(STATS)
    house.deliver()
    assert (house["skipped"], house["availability"]) == ("2", "offline")


# Catches: traffic of a message per entity and decision, and states that expire in the middle of an activity.
def test_states_are_said_again_three_times_before_they_expire() -> None:
    house = House()
    house.decide(5.0)
    house.room.event(Event("cooking", 5.0))
    house.deliver()
    said = {t_s: house.decide(float(t_s)) for t_s in range(6, 126)}
    names = ("activity", "presence", "problem", "microphones", "skipped", "status", "posterior/cooking")
    times = {name: [t_s for t_s, topics in said.items() if name in topics] for name in names}
    for name, at in times.items():
        assert len(at) == 6, name
        assert max(later - earlier for earlier, later in pairwise(at)) <= 20, name
    # The rest of the decisions said nothing: all was as before.
    assert sum(map(len, said.values())) == 6 * (7 + 2)


# Catches: a runner that hangs with its connection alive, and looks healthy for ever.
def test_nothing_is_said_again_once_decisions_stop() -> None:
    house = House()
    house.decide(5.0)
    for t_s in range(6, 600):
        house.now_s = float(t_s)
        house.room.tick()
    assert house.deliver() == []


# Catches: a known problem that expires while it lasts.
def test_lost_input_is_said_again_without_decisions() -> None:
    house = House()
    house.decide(5.0)
    house.room.notice(Notice("input_lost", 9.0, "gone"))
    house.deliver()
    said: list[str] = []
    for t_s in range(6, 126):
        house.now_s = float(t_s)
        house.room.tick()
        said += house.deliver()
    assert said.count("problem") == said.count("status") == 6
    assert "activity" not in said


# Catches: posteriors that flood the broker with every decision of a fast bundle.
@pytest.mark.parametrize("hop_s", [0.1, 1.0])
def test_posteriors_are_said_every_five_seconds_at_most(hop_s: float) -> None:
    house = House(hop_s=hop_s)
    topics: list[str] = []
    for number in range(int(60 / hop_s)):
        topics += house.decide(number * hop_s, cooking=0.5 + 0.4 * (number % 2))
    assert topics.count("posterior/cooking") <= 16


# Catches: a slow bundle whose states expire between two decisions.
def test_a_slow_bundle_expires_later() -> None:
    house = House(hop_s=60.0)
    config = json.loads(house.kept["homeassistant/sensor/asc-edge_pi--kitchen/activity/config"])
    assert config["expire_after"] == house.status()["expire_after_s"] == 240


# Catches: times of day by a clock that was wrong at the start; a room that is undecided because it was set.
def test_a_clock_that_is_set_moves_times_and_nothing_else() -> None:
    house = House()
    house.decide(5.0)
    house.room.event(Event("cooking", 5.0))
    house.room.notice(Notice("clock", 6.0, "set", {"moved_s": 3600.0}))
    house.room.event(Event("cooking", 5.0, 65.0))
    house.deliver()
    assert house["problem"] == "OFF"
    began, ended = (event for event in house.events)
    assert began["start"].startswith("2026-03-01T12:00:05")
    assert (ended["start"][11:19], ended["end"][11:19]) == ("13:00:05", "13:01:05")
