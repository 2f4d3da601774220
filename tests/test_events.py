"""Activities that begin and end: scripted decisions, and what has to come of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import softmax

from asc_edge.errors import ConfigError
from asc_edge.events import Event, EventRules, EventTracker
from asc_edge.false_events import count_false_events
from asc_edge.pipeline import Decision

LABELS = ("cooking", "eating", "working")
# Almost no memory: the hysteresis can be seen by itself.
SHARP = EventRules(tau_s=1e-3)


def _decision(t_s: float, posterior: dict[str, float] | None, state: str = "ok") -> Decision:
    posterior = posterior or {}
    top = max(posterior, key=posterior.__getitem__) if posterior else None
    return Decision(t_s, top, posterior, state, ("ok",), 1.0)


def _all_on(label: str, p: float) -> dict[str, float]:
    return {other: p if other == label else (1 - p) / (len(LABELS) - 1) for other in LABELS}


def _play(script: list[tuple[str, float]], rules: EventRules = SHARP) -> list[Event]:
    """One decision a second, from 10 s on; a label of "" is silence."""
    tracker = EventTracker(rules)
    events = []
    for number, (label, p) in enumerate(script):
        silent = _decision(10.0 + number, None, "silent")
        events += tracker.update(_decision(10.0 + number, _all_on(label, p)) if label else silent)
    return events


def test_begins_with_the_third_decision_and_dates_it_from_the_first() -> None:
    assert _play([("cooking", 0.9)] * 2) == []
    assert _play([("cooking", 0.9)] * 3) == [Event("cooking", 10.0)]
    assert _play([("cooking", 0.9)] * 30) == [Event("cooking", 10.0)]


def test_two_and_a_slip_do_not_begin() -> None:
    """Catches a counter that isn't reset by a decision that disagrees."""
    assert _play([("cooking", 0.9), ("cooking", 0.9), ("cooking", 0.59)] * 5) == []


def test_between_the_thresholds_it_goes_on() -> None:
    """Catches one threshold for both ways, which flaps."""
    assert _play([("cooking", 0.9)] * 3 + [("cooking", 0.45), ("cooking", 0.58)] * 10) == [
        Event("cooking", 10.0)
    ]


def test_ends_with_the_third_decision_and_dates_it_from_the_first() -> None:
    low = [("cooking", 0.36)]
    assert _play([("cooking", 0.9)] * 3 + low * 2 + [("cooking", 0.5)] + low * 2) == [Event("cooking", 10.0)]
    assert _play([("cooking", 0.9)] * 3 + low * 3) == [Event("cooking", 10.0), Event("cooking", 10.0, 13.0)]


def test_one_activity_ends_before_the_next_begins() -> None:
    """Catches two activities at once, and a successor that has to wait for its turn."""
    events = _play([("cooking", 0.9)] * 3 + [("eating", 0.9)] * 3)
    assert events == [Event("cooking", 10.0), Event("cooking", 10.0, 13.0), Event("eating", 13.0)]


def test_silence_ends_what_went_on() -> None:
    events = _play([("cooking", 0.9)] * 3 + [("", 0.0)] * 3)
    assert events == [Event("cooking", 10.0), Event("cooking", 10.0, 13.0)]


def test_silence_begins_nothing_and_breaks_what_was_about_to() -> None:
    """Catches old evidence that goes on counting while nothing is heard."""
    assert _play([("cooking", 0.9), ("cooking", 0.9), ("", 0.0), ("cooking", 0.9), ("cooking", 0.9)]) == []


def test_evidence_fades_while_nothing_is_heard() -> None:
    """Catches a memory of an hour ago that weighs as much as one of a second ago."""
    rules = EventRules(tau_s=20.0, decisions=1)

    def events_after(silence_s: float) -> list[Event]:
        tracker = EventTracker(rules)
        tracker.update(_decision(10.0, _all_on("cooking", 0.55)))
        tracker.update(_decision(10.5, None, "no_input"))
        return tracker.update(_decision(10.0 + silence_s, _all_on("eating", 0.7)))

    assert events_after(1.0) == []
    assert events_after(3600.0) == [Event("eating", 3610.0)]


def test_smoothing_is_a_first_order_filter_of_log_posteriors(rng: np.random.Generator) -> None:
    """Catches an average of posteriors, or a constant that ignores the hop."""
    tau_s, hop_s = 4.0, 0.5
    posteriors = softmax(3 * rng.standard_normal((60, 3)), axis=1)
    keep = math.exp(-hop_s / tau_s)
    logs = np.log(np.maximum(posteriors, 1e-3))
    start = keep * logs[:1]
    smoothed = softmax(lfilter([1 - keep], [1, -keep], logs, axis=0, zi=start)[0], axis=1)
    rules = EventRules(tau_s=tau_s, decisions=1, enter=0.5, leave=0.5)
    tracker = EventTracker(rules)
    going_on = []
    for number, row in enumerate(posteriors):
        tracker.update(_decision(hop_s * number, dict(zip(LABELS, row.tolist(), strict=True))))
        going_on.append(tracker.going_on.activity if tracker.going_on else None)
    expected = [LABELS[row.argmax()] if row.max() >= 0.5 else None for row in smoothed]
    assert going_on == expected
    assert len(set(expected)) >= 3


def test_one_slip_does_not_end_an_activity() -> None:
    """Catches a posterior of zero that outvotes everything after it."""
    script = [("cooking", 0.95)] * 20 + [("eating", 1.0)] + [("cooking", 0.95)] * 20
    assert _play(script, EventRules()) == [Event("cooking", 10.0)]


def test_a_change_is_told_within_a_quarter_of_a_minute() -> None:
    events = _play([("cooking", 0.9)] * 30 + [("eating", 0.9)] * 30, EventRules())
    assert [event.activity for event in events] == ["cooking", "cooking", "eating"]
    assert 40.0 < events[-1].start_s < 55.0


@pytest.mark.parametrize(
    "values",
    [
        {"tau_s": 0.0},
        {"enter": 0.3, "leave": 0.4},
        {"enter": 0.45},
        {"decisions": 0},
        {"enter": 1.0},
        {"min_duration_s": {"cooking": -1.0}},
        {"min_duration_s": {"cooking": math.nan}},
        {"unknown_below": 0.5},
        {"unknown_below": -0.1},
    ],
)
def test_impossible_rules_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="event rules"):
        EventRules(**values)


LONG = EventRules(tau_s=1e-3, min_duration_s={"cooking": 10.0})


# Catches: a minimum that delays the time of the beginning, or that other activities have to keep.
def test_a_minimum_duration_is_waited_for_and_dated_back() -> None:
    assert _play([("cooking", 0.9)] * 10, LONG) == []
    assert _play([("cooking", 0.9)] * 11, LONG) == [Event("cooking", 10.0)]
    assert _play([("eating", 0.9)] * 3, LONG) == [Event("eating", 10.0)]


# Catches: an end of something that was never told, and one that grows old while it is already leaving.
def test_what_is_too_short_is_never_told() -> None:
    low = [("cooking", 0.36)]
    assert _play([("cooking", 0.9)] * 9 + low * 20, LONG) == []
    script = [("cooking", 0.9)] * 9 + [("eating", 0.9)] * 5
    assert _play(script, LONG) == [Event("eating", 19.0)]
    tracker = EventTracker(LONG)
    for t_s in range(10, 19):
        tracker.update(_decision(float(t_s), _all_on("cooking", 0.9)))
        assert tracker.going_on is None


# Catches: a minimum that a dip between the thresholds starts anew.
def test_a_dip_does_not_start_the_minimum_anew() -> None:
    script = [("cooking", 0.9)] * 5 + [("cooking", 0.45)] * 3 + [("cooking", 0.9)] * 3
    assert _play(script, LONG) == [Event("cooking", 10.0)]


# Catches: an unknown that is said by default, of what is known, or of silence.
def test_unknown_is_what_no_label_answers_to() -> None:
    nothing_fits, rules = [("cooking", 0.34)] * 4, EventRules(tau_s=1e-3, unknown_below=0.38)
    assert _play(nothing_fits) == []
    assert _play(nothing_fits, rules) == [Event("unknown", 10.0)]
    assert _play([("cooking", 0.45)] * 4, rules) == []
    assert _play([("", 0.0)] * 4, rules) == []
    assert _play([("cooking", 0.34)] * 4 + [("cooking", 0.9)] * 3, rules) == [
        Event("unknown", 10.0),
        Event("unknown", 10.0, 14.0),
        Event("cooking", 14.0),
    ]


# Catches: silence that is told by default, and a dead microphone that is called silence.
def test_silence_is_told_where_it_is_asked_for() -> None:
    rules = EventRules(tau_s=1e-3, silent=True)
    assert _play([("", 0.0)] * 5) == []
    events = _play([("cooking", 0.9)] * 3 + [("", 0.0)] * 4 + [("cooking", 0.9)] * 3, rules)
    assert [(event.activity, event.end_s) for event in events] == [
        ("cooking", None),
        ("cooking", 13.0),
        ("silent", None),
        ("silent", 17.0),
        ("cooking", None),
    ]
    tracker = EventTracker(rules)
    assert [tracker.update(_decision(float(t), None, "no_input")) for t in range(5)] == [[]] * 5


# Catches: mistakes that aren't counted, what is no mistake counted, and a rate of another time.
def test_false_events_are_counted_by_the_day() -> None:
    labels = ("absence", "cooking")

    def decision(t_s: float, p: float) -> Decision:
        return _decision(t_s, {labels[0]: p, labels[1]: 1 - p})

    script = [0.95] * 100 + [0.1] * 10 + [0.95] * 90
    decisions = [decision(float(t), p) for t, p in enumerate(script)]
    found = count_false_events(decisions, 1.0, SHARP)
    assert (found.by_activity, found.heard_s, found.per_day) == ({"cooking": 1}, 200.0, 432.0)
    assert count_false_events(decisions[:100], 1.0, SHARP).count == 0
    with pytest.raises(ConfigError, match="no decisions"):
        count_false_events([], 1.0)
