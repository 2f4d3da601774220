"""What a user says about the microphone: the ``[input]`` of a configuration file."""

from __future__ import annotations

from dataclasses import dataclass

from asc_edge.audio.channel_presets import channel_preset
from asc_edge.audio.channels import parse_channel_map
from asc_edge.errors import ChannelMapError, ConfigError

__all__ = ["InputSettings"]


@dataclass(frozen=True, slots=True)
class InputSettings:
    """Which microphone to listen to.

    Attributes
    ----------
    device : str
        Stable id, name, part of a name, or index; empty for the machine's default input.
    channels : str
        Channel map like ``"2,3,4,5"``, counted from 1; empty for all, or for the preset's.
    preset : str
        Name of a known array, which has a map of its own; see :mod:`asc_edge.audio.channel_presets`.
    wait : bool
        Whether to wait for a microphone that isn't there at the start.

    Raises
    ------
    ConfigError
        When a field can't work; the message names it.
    """

    device: str = ""
    channels: str = ""
    preset: str = ""
    wait: bool = True

    def __post_init__(self) -> None:
        for name in ("device", "channels", "preset"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigError(f'input.{name} is {value!r}: give text, for instance "{_EXAMPLES[name]}"')
        if not isinstance(self.wait, bool):
            raise ConfigError(f"input.wait is {self.wait!r}: give true or false")
        if self.channels and self.preset:
            raise ConfigError("input.channels and input.preset both give a channel map: keep one of them")
        try:
            self.channel_map()
        except ChannelMapError as error:
            raise ConfigError(f"input.channels: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"input.preset: {error}") from None

    def channel_map(self) -> tuple[int, ...] | None:
        """Indices (from 0) of the microphones, or None for all channels."""
        if self.preset:
            return channel_preset(self.preset).microphones
        return parse_channel_map(self.channels) if self.channels else None


_EXAMPLES = {"device": "usb-id:2886:0018", "channels": "2,3,4,5", "preset": "respeaker-4mic"}
