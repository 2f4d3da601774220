"""What happens to the input, as the source, the monitor and the sinks speak of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Notice", "NoticeKind"]

NoticeKind = Literal["input_lost", "input_back", "gap", "channels", "clock"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to the input, and not in the home.

    Attributes
    ----------
    kind : {"input_lost", "input_back", "gap", "channels", "clock"}
        The microphone is gone, or is back; audio is missing; the health of a channel has changed; the wall
        clock was set, or has drifted from what was counted: ``moved_s`` of the details goes onto the time of
        day at which the session started.
    t_s : float
        When, in seconds of input heard, lost audio included.
    text : str
        The same in one line, for people.
    details : dict of str to object
        What a program may want to know of it; plain JSON.
    """

    kind: NoticeKind
    t_s: float
    text: str
    details: dict[str, object] = field(default_factory=dict)
