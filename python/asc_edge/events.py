"""From decisions to activities with a start and an end: smoothing, and hysteresis on top of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from asc_edge.activities import SILENT, UNKNOWN
from asc_edge.errors import ConfigError
from asc_edge.pipeline import Decision

__all__ = ["SILENT", "UNKNOWN", "Event", "EventRules", "EventTracker"]

# A posterior of nothing at all would outvote everything that comes after it.
POSTERIOR_FLOOR = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """When an activity has begun, and when it is over.

    Attributes
    ----------
    tau_s : float > 0
        Time constant of the moving average over log-posteriors. The window itself smooths already.
    enter, leave : float in (0, 1)
        Smoothed posteriors at which an activity may begin, and below which it may end.
    decisions : int >= 1
        How many decisions in a row must say so.
    min_duration_s : mapping of str to float
        By activity: one that ends sooner is never told, and one that doesn't is told this late, with the
        time at which it really began. 0 for those that aren't named.
    unknown_below : float in [0, leave]
        Where even the highest smoothed posterior is below this, what goes on is ``"unknown"``: a sound that
        the bundle wasn't trained on. 0 never says so.
    silent : bool
        Whether silence is told, too, as ``"silent"``.
    """

    tau_s: float = 5.0
    enter: float = 0.6
    leave: float = 0.4
    decisions: int = 3
    min_duration_s: Mapping[str, float] = field(default_factory=dict)
    unknown_below: float = 0.0
    silent: bool = False

    def __post_init__(self) -> None:
        if not self.tau_s > 0 or self.decisions < 1:
            raise ConfigError(f"event rules: impossible tau_s {self.tau_s} or decisions {self.decisions}")
        # Two activities could go on at once if both could be at their thresholds together.
        if not 0.0 < self.leave <= self.enter < 1.0 or self.enter < 0.5:
            raise ConfigError(f"event rules: impossible thresholds {self.enter} and {self.leave}")
        for activity, seconds in self.min_duration_s.items():
            if not 0.0 <= seconds < math.inf:
                raise ConfigError(f"event rules: impossible min_duration_s {seconds} of {activity!r}")
        # Above it an activity could go on and be unknown at once.
        if not 0.0 <= self.unknown_below <= self.leave:
            raise ConfigError(
                f"event rules: impossible unknown_below {self.unknown_below}: give 0 up to {self.leave}"
            )


@dataclass(frozen=True, slots=True)
class Event:
    """An activity.

    Attributes
    ----------
    activity : str
    start_s : float
        When the first of the decisions fell due that said it has begun; seconds of input heard.
    end_s : float or None
        When the first of those fell due that said it is over; None while it goes on.
    """

    activity: str
    start_s: float
    end_s: float | None = None


class EventTracker:
    """Watches the decisions of one pipeline. At most one activity goes on at a time.

    Parameters
    ----------
    rules : EventRules, optional

    Examples
    --------
    >>> tracker = EventTracker(EventRules(decisions=1))
    >>> decision = Decision(
    ...     t_s=10.0, top="cooking", posterior={"cooking": 0.9, "other": 0.1}, state="ok",
    ...     channels=("ok",), latency_ms=1.0)
    >>> tracker.update(decision)
    [Event(activity='cooking', start_s=10.0, end_s=None)]
    """

    def __init__(self, rules: EventRules | None = None) -> None:
        self._rules = rules or EventRules()
        self._smoothed: dict[str, float] = {}
        self._last_t_s = 0.0
        self._going_on: Event | None = None
        # Whether the sinks know of it; before that it may still turn out to be too short.
        self._is_told = False
        # How many decisions in a row have been for a change, and when the first of them fell due.
        self._leaving = _Run()
        self._entering: dict[str, _Run] = {}

    @property
    def going_on(self) -> Event | None:
        """The activity that goes on now, and has gone on for long enough to be told."""
        return self._going_on if self._is_told else None

    def update(self, decision: Decision) -> list[Event]:
        """Take the next decision.

        Returns
        -------
        list of Event
            What ended (with ``end_s``), then what began (without).
        """
        # Where nothing is heard, what went on is leaving, and nothing new may enter on old evidence.
        heard = decision.state == "ok"
        posterior = self._smooth(decision.posterior, decision.t_s) if heard else {}
        if heard and max(posterior.values()) < self._rules.unknown_below:
            posterior[UNKNOWN] = 1.0
        if decision.state == "silent" and self._rules.silent:
            posterior[SILENT] = 1.0
        ended = self._leave(posterior, decision.t_s)
        self._enter(posterior, decision.t_s)
        return [*ended, *self._tell(decision.t_s)]

    def _smooth(self, posterior: Mapping[str, float], t_s: float) -> dict[str, float]:
        """Exponential moving average of log-posteriors, turned back into posteriors."""
        logs = {label: math.log(max(value, POSTERIOR_FLOOR)) for label, value in posterior.items()}
        if self._smoothed.keys() == logs.keys():
            keep = math.exp(-max(0.0, t_s - self._last_t_s) / self._rules.tau_s)
            logs = {label: keep * self._smoothed[label] + (1.0 - keep) * log for label, log in logs.items()}
        # The time of the last heard decision: silence in between lets the memory fade too.
        self._smoothed, self._last_t_s = logs, t_s
        highest = max(logs.values())
        weights = {label: math.exp(log - highest) for label, log in logs.items()}
        total = sum(weights.values())
        return {label: weight / total for label, weight in weights.items()}

    def _leave(self, posterior: Mapping[str, float], t_s: float) -> list[Event]:
        event = self._going_on
        if event is None:
            return []
        self._leaving.count(posterior.get(event.activity, 0.0) < self._rules.leave, t_s)
        if self._leaving.length < self._rules.decisions:
            return []
        was_told, self._going_on, self._is_told = self._is_told, None, False
        ended = Event(event.activity, event.start_s, self._leaving.start_s)
        self._leaving = _Run()
        return [ended] if was_told else []

    def _tell(self, t_s: float) -> list[Event]:
        """What goes on, once it has done so for as long as its activity must."""
        event = self._going_on
        # What is about to end doesn't grow older.
        until_s = self._leaving.start_s if self._leaving.length else t_s
        if event is None or self._is_told:
            return []
        if until_s - event.start_s < self._rules.min_duration_s.get(event.activity, 0.0):
            return []
        self._is_told = True
        return [event]

    def _enter(self, posterior: Mapping[str, float], t_s: float) -> None:
        self._entering = {
            label: self._entering.get(label, _Run())
            for label, value in posterior.items()
            if value >= self._rules.enter
        }
        for label, run in self._entering.items():
            run.count(True, t_s)
            if self._going_on is None and run.length >= self._rules.decisions:
                self._going_on = Event(label, run.start_s)


@dataclass(slots=True)
class _Run:
    """Decisions in a row that agree."""

    length: int = 0
    start_s: float = 0.0

    def count(self, agrees: bool, t_s: float) -> None:
        if agrees and self.length == 0:
            self.start_s = t_s
        self.length = self.length + 1 if agrees else 0
