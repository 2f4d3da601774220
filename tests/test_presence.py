"""Presence: somebody is here as soon as people are heard, and for a while after."""

from __future__ import annotations

import math
from typing import Any

import pytest

from asc_edge.errors import ConfigError
from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.presence import PresenceRules, PresenceTracker, presence_for

RULES = PresenceRules(hold_s=20.0)


def _decision(t_s: float, absence: float | None, state: str = "ok") -> Decision:
    """A decision that is so sure of absence; None hears nothing."""
    if absence is None:
        return Decision(t_s, None, {}, state, ("ok",), 1.0)  # type: ignore[arg-type]
    posterior = {"absence": absence, "eating": 0.6 * (1 - absence), "other": 0.4 * (1 - absence)}
    return Decision(t_s, max(posterior, key=posterior.__getitem__), posterior, "ok", ("ok",), 1.0)


def _play(tracker: PresenceTracker, script: list[float | None], start_s: float = 10.0) -> list[Event]:
    events = []
    for number, absence in enumerate(script):
        state = "silent" if absence is None else "ok"
        events += tracker.update(_decision(start_s + number, absence, state))
    return events


# Catches: presence that needs one sure activity, one decision that is enough, and a wrong time.
def test_people_are_heard_whatever_they_do() -> None:
    assert _play(PresenceTracker(RULES), [0.3] * 2 + [0.9] + [0.3] * 2) == []
    tracker = PresenceTracker(RULES)
    assert _play(tracker, [0.9, 0.3, 0.3, 0.3, 0.3]) == [Event("presence", 11.0)]
    assert tracker.somebody


# Catches: an alarm on one decision of absence, and a hold that never ends or ends at another time.
def test_absence_and_silence_end_it_after_the_hold() -> None:
    tracker = PresenceTracker(RULES)
    events = _play(tracker, [0.1] * 5 + [0.95] * 15 + [0.1] + [0.95] * 10 + [None] * 15)
    # One decision is no sign of people, so the last ones are the first five.
    assert events == [Event("presence", 10.0), Event("presence", 10.0, 14.0)]
    assert not tracker.somebody
    assert _play(PresenceTracker(RULES), [0.1] * 5 + [0.95] * 19) == [Event("presence", 10.0)]


# Catches: a microphone that was away taken for people who left.
def test_only_heard_time_counts() -> None:
    tracker = PresenceTracker(RULES)
    _play(tracker, [0.1] * 3)
    for t_s in range(13, 200):
        assert tracker.update(_decision(float(t_s), None, "no_input")) == []
    assert tracker.somebody
    # An hour in which there were no decisions at all: the step counts no more than half a minute.
    long = PresenceTracker(PresenceRules(hold_s=60.0))
    _play(long, [0.1] * 3)
    assert long.update(_decision(3600.0, 0.95)) == []
    assert long.somebody


# Catches: sound events that begin nothing, or don't keep what goes on.
def test_a_sound_of_people_is_a_sign_by_itself() -> None:
    tracker = PresenceTracker(RULES)
    assert _play(tracker, [0.95] * 5) == []
    assert tracker.sound(15.0) == [Event("presence", 15.0)]
    assert _play(tracker, [0.95] * 15, 16.0) == []
    assert tracker.sound(31.0) == []
    assert _play(tracker, [0.95] * 15, 32.0) == []
    assert tracker.somebody


# Catches: a dishwasher that keeps somebody at home.
def test_what_needs_nobody_is_no_sign() -> None:
    rules = PresenceRules(without_people=frozenset({"absence", "dishwasher"}), decisions=1)
    tracker = PresenceTracker(rules)
    running = Decision(1.0, "dishwasher", {"dishwasher": 0.9, "absence": 0.1}, "ok", ("ok",), 1.0)
    assert tracker.update(running) == []


# Catches: a bundle that must call rain an activity, and so hears somebody all day.
def test_only_bundles_that_know_absence_can_tell() -> None:
    assert presence_for(("cooking", "other")) is None
    assert presence_for(("absence", "cooking")) is not None


@pytest.mark.parametrize("values", [{"enter": 0.0}, {"decisions": 0}, {"hold_s": -1.0}, {"hold_s": math.inf}])
def test_impossible_rules_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="presence rules"):
        PresenceRules(**values)
