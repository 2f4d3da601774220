"""How often activities are told in a home where there are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asc_edge.errors import ConfigError
from asc_edge.events import SILENT, UNKNOWN, EventRules, EventTracker
from asc_edge.pipeline import Decision
from asc_edge.presence import ABSENCE

__all__ = ["FalseEvents", "count_false_events"]

SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class FalseEvents:
    """What a time without activities was taken for.

    Attributes
    ----------
    by_activity : dict of str to int
        How many events of each activity began.
    heard_s : float
        Seconds that the decisions stand for.
    """

    by_activity: dict[str, int]
    heard_s: float

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.by_activity.values())

    @property
    def per_day(self) -> float:
        """Events in 24 hours."""
        return self.count * SECONDS_PER_DAY / self.heard_s


def count_false_events(
    decisions: Iterable[Decision],
    hop_s: float,
    rules: EventRules | None = None,
    allowed: frozenset[str] = frozenset({ABSENCE, SILENT, UNKNOWN}),
) -> FalseEvents:
    """Count the events that decisions on an empty home give rise to.

    Parameters
    ----------
    decisions : iterable of Decision
        In order.
    hop_s : float > 0
        Seconds that each of them stands for.
    rules : EventRules, optional
    allowed : frozenset of str
        Activities that are no mistake there.

    Returns
    -------
    FalseEvents

    Raises
    ------
    ConfigError
        When there is no decision.
    """
    tracker = EventTracker(rules)
    found: dict[str, int] = {}
    made = 0
    for decision in decisions:
        made += 1
        for event in tracker.update(decision):
            if event.end_s is None and event.activity not in allowed:
                found[event.activity] = found.get(event.activity, 0) + 1
    if made == 0:
        raise ConfigError("no decisions: there is nothing to count false events in")
    return FalseEvents(found, made * hop_s)
