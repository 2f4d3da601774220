"""Whether a microphone lives: what it has just done, what that makes it, and when to try again."""

from __future__ import annotations

from typing import Literal

import numpy as np

from asc_edge.audio.samples import Samples

__all__ = ["Liveness", "LivenessState", "ZerosStep", "ZerosWatch"]

LivenessState = Literal["absent", "healthy", "lost", "recovering"]
ZerosStep = Literal["nothing", "reopen", "tell", "sound"]

FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 3.0
# A muted or wrongly enumerated microphone delivers zeros, but so does one with a noise gate in a quiet room.
ZEROS_S = 30.0
ZEROS_AGAIN_S = 5.0
LONGEST_ZEROS_S = 3600.0
# A device that comes up wrongly lets a few samples through.
MOST_SOUND_IN_ZEROS = 1e-3


class Liveness:
    """The state machine of one microphone.

    ``absent`` until the first sound, then ``healthy``; ``lost`` when it fails, ``recovering`` from the moment
    that it could be opened again until something is heard. It also remembers what the user was told, so that
    an outage has one message at its start and one at its end, however often it almost ends.

    Attributes
    ----------
    state : {"absent", "healthy", "lost", "recovering"}
    told : bool
        Whether the user has been told that it is gone.
    """

    def __init__(self) -> None:
        self.state: LivenessState = "absent"
        self.told = False
        self._heard_ever = False
        self._retry_s = 0.0

    @property
    def retry_s(self) -> float:
        """For how many seconds to wait before the next try."""
        return self._retry_s

    def failed(self) -> bool:
        """It can't be found, opened or heard.

        Returns
        -------
        bool
            Whether the user has to be told.
        """
        was_healthy = self.state == "healthy"
        self.state = "lost" if self._heard_ever else "absent"
        # What has just been heard may be there again at once.
        self._retry_s = 0.0 if was_healthy else min(max(2.0 * self._retry_s, FIRST_RETRY_S), LONGEST_RETRY_S)
        return self.failed_silently()

    def failed_silently(self) -> bool:
        """It goes on, but delivers nothing of use; what :meth:`failed` says of the user."""
        first, self.told = not self.told, True
        return first

    def opened(self) -> None:
        """It could be opened."""
        self.state = "recovering"

    def heard(self) -> bool:
        """It has delivered something.

        Returns
        -------
        bool
            Whether the user has to be told that it is back.
        """
        self.state, self._heard_ever, self._retry_s = "healthy", True, 0.0
        was_told, self.told = self.told, False
        return was_told


class ZerosWatch:
    """Notices a microphone that runs and delivers digital zeros.

    Opening it once more often helps; where it doesn't, the user has to. A device that falls silent on purpose
    would be opened again and again, so it has twice as long the next time.

    Attributes
    ----------
    told : bool
        Whether the user has been told.
    """

    def __init__(self) -> None:
        self.told = False
        self._zeros_s = 0.0
        self._limit_s = ZEROS_S
        self._reopened = False

    def heard(self, block: Samples, rate_hz: int) -> ZerosStep:
        """Take a block of the channels that matter, and say what to do."""
        if np.count_nonzero(block) > MOST_SOUND_IN_ZEROS * block.size:
            was_told = self.told
            if self._reopened:
                self._limit_s = min(2.0 * self._limit_s, LONGEST_ZEROS_S)
            self._zeros_s, self._reopened, self.told = 0.0, False, False
            return "sound" if was_told else "nothing"
        self._zeros_s += len(block) / rate_hz
        if self.told or self._zeros_s < (ZEROS_AGAIN_S if self._reopened else self._limit_s):
            return "nothing"
        self._zeros_s = 0.0
        if self._reopened:
            self.told = True
            return "tell"
        self._reopened = True
        return "reopen"

    def unplugged(self) -> None:
        """It was away meanwhile: what comes now is another try."""
        self._zeros_s, self._reopened, self.told = 0.0, False, False
