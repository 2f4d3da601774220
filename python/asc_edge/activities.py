"""Names that have a meaning of their own beside a bundle's labels, and the colour of every activity.

Light on purpose: whoever looks at a history needs these and neither numpy nor a pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

__all__ = [
    "ABSENCE",
    "COLOURS",
    "NO_ACTIVITY",
    "PRESENCE",
    "SILENT",
    "UNKNOWN",
    "colour_of",
    "colour_rules",
    "colours_of",
]

# What the tracker can say beside the bundle's labels, where its rules ask for it.
UNKNOWN = "unknown"
SILENT = "silent"
# Somebody is here: goes on beside the activities, and is none of them.
PRESENCE = "presence"
ABSENCE = "absence"
# Told like activities, and nothing that anybody does.
NO_ACTIVITY = frozenset({ABSENCE, SILENT, UNKNOWN})

# The nine of SINS and of task 5 of DCASE 2018 have the same colour for ever, whatever bundle knows them.
_PLACES = {
    "absence": 0,
    "cooking": 1,
    "dishwashing": 2,
    "eating": 3,
    "other": 4,
    "social_activity": 5,
    "vacuum_cleaner": 6,
    "watching_tv": 7,
    "working": 8,
    UNKNOWN: 9,
    SILENT: 10,
}
# Behind them are those for labels of other bundles, and for taught ones.
COLOURS = 14


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """The colours of activities: names of classes in the style sheet `colour_rules`.

    Parameters
    ----------
    labels : sequence of str
        The order gives colours to labels that have none for ever: first those that are nobody's, then those
        of labels that aren't among these.

    Returns
    -------
    dict of str to str
        ``"c0"`` up to ``"c13"`` for these labels and all that have one for ever. No two alike, unless there
        are more labels than colours.
    """
    places, others = dict(_PLACES), [label for label in dict.fromkeys(labels) if label not in _PLACES]
    used = {_PLACES[label] for label in labels if label in _PLACES} | {_PLACES[UNKNOWN], _PLACES[SILENT]}
    own = range(len(_PLACES), COLOURS)
    free = [*own, *(place for place in range(len(_PLACES)) if place not in used)]
    places.update((label, free[number % len(free)]) for number, label in enumerate(others))
    return {label: f"c{place}" for label, place in places.items()}


def colour_of(activity: str, order: Sequence[str]) -> str:
    """The colour of one activity among those of `colours_of`; of one that isn't there, the last one."""
    return colours_of(order).get(activity, f"c{COLOURS - 1}")


def colour_rules() -> str:
    """The style sheet with the colours, in the light and in the dark, that all pages share."""
    return (files("asc_edge") / "activities.css").read_text(encoding="utf-8")
