"""Whether somebody is here: an entity of its own beside the activities, and slower to give up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from asc_edge.activities import ABSENCE, PRESENCE
from asc_edge.errors import ConfigError
from asc_edge.events import Event
from asc_edge.pipeline import Decision

__all__ = ["ABSENCE", "PRESENCE", "PresenceRules", "PresenceTracker", "presence_for"]

# Longer steps between two decisions are gaps, in which nobody can have been missed.
_LONGEST_STEP_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceRules:
    """When somebody is here.

    Attributes
    ----------
    without_people : frozenset of str
        Labels that need nobody: what a home does by itself. ``"absence"`` is always one of them.
    enter : float in (0, 1)
        Sum of the other labels' posteriors from which on a decision hears somebody.
    decisions : int >= 1
        How many decisions in a row must do so.
    hold_s : float >= 0
        Nobody is here any more once so much time was heard without anybody: people sit still, too.
    """

    without_people: frozenset[str] = frozenset({ABSENCE})
    enter: float = 0.6
    decisions: int = 3
    hold_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0.0 < self.enter < 1.0 or self.decisions < 1 or not 0.0 <= self.hold_s < math.inf:
            values = f"enter {self.enter}, decisions {self.decisions} or hold_s {self.hold_s}"
            raise ConfigError(f"presence rules: impossible {values}")


class PresenceTracker:
    """Watches decisions, and sound events if there are any, for signs of people.

    Only time in which something could have been heard counts towards an end: a microphone that is away has
    not seen anybody leave.

    Parameters
    ----------
    rules : PresenceRules, optional

    Examples
    --------
    >>> tracker = PresenceTracker(PresenceRules(decisions=1, hold_s=10.0))
    >>> eating = Decision(5.0, "eating", {"eating": 0.9, "absence": 0.1}, "ok", ("ok",), 1.0)
    >>> tracker.update(eating)
    [Event(activity='presence', start_s=5.0, end_s=None)]
    """

    def __init__(self, rules: PresenceRules | None = None) -> None:
        self._rules = rules or PresenceRules()
        self._going_on: Event | None = None
        self._signs = 0
        self._first_sign_s = 0.0
        self._last_sign_s = 0.0
        self._without_s = 0.0
        self._last_t_s: float | None = None

    @property
    def somebody(self) -> bool:
        """Whether somebody is here, as far as can be heard."""
        return self._going_on is not None

    def update(self, decision: Decision) -> list[Event]:
        """Take the next decision.

        Returns
        -------
        list of Event
            One of activity ``"presence"`` when it began (without ``end_s``) or ended (with it).
        """
        step_s = 0.0 if self._last_t_s is None else decision.t_s - self._last_t_s
        self._last_t_s = decision.t_s
        if decision.state == "no_input":
            self._signs = 0
            return []
        somebody = 0.0
        for label, value in decision.posterior.items():
            if label != ABSENCE and label not in self._rules.without_people:
                somebody += value
        if somebody >= self._rules.enter:
            self._first_sign_s = decision.t_s if self._signs == 0 else self._first_sign_s
            self._signs += 1
            return self._sign(decision.t_s) if self._signs >= self._rules.decisions else []
        self._signs = 0
        self._without_s += min(max(0.0, step_s), _LONGEST_STEP_S)
        return self._end_if_over()

    def sound(self, t_s: float) -> list[Event]:
        """A sound that only somebody makes was heard at ``t_s`` seconds: steps, a door, a voice.

        Returns
        -------
        list of Event
            As :meth:`update`.
        """
        self._first_sign_s = t_s if self._signs == 0 else self._first_sign_s
        return self._sign(t_s)

    def _sign(self, t_s: float) -> list[Event]:
        self._without_s, self._last_sign_s = 0.0, t_s
        if self._going_on is not None:
            return []
        self._going_on = Event(PRESENCE, self._first_sign_s)
        return [self._going_on]

    def _end_if_over(self) -> list[Event]:
        event = self._going_on
        if event is None or self._without_s < self._rules.hold_s:
            return []
        self._going_on = None
        # From the last sign on nobody was heard; the hold only waited to be sure.
        return [Event(PRESENCE, event.start_s, self._last_sign_s)]


def presence_for(labels: Iterable[str], rules: PresenceRules | None = None) -> PresenceTracker | None:
    """A tracker for a bundle of these labels; None for one that doesn't know absence.

    Such a bundle has to call every sound an activity, also the rain, so that it would hear somebody all day.
    """
    return PresenceTracker(rules) if ABSENCE in labels else None
