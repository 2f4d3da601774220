"""Channel maps of arrays that are sold by the thousand: which of their channels are bare microphones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asc_edge.audio.devices import InputDevice
from asc_edge.errors import ConfigError

__all__ = ["PRESETS", "ChannelPreset", "channel_preset", "suggest_preset"]


@dataclass(frozen=True, slots=True)
class ChannelPreset:
    """The channels of one kind of array.

    Attributes
    ----------
    name : str
        What a user gives.
    title : str
        What the maker calls it.
    device_channels : int
        How many channels it has in all; another number is another firmware, with another map.
    microphones : tuple of int
        Indices (from 0) of its bare microphones.
    identities : tuple of str
        How its stable ids begin, see :func:`asc_edge.audio.identity.stable_id`.
    note : str
        What else to know of it, in one line.
    """

    name: str
    title: str
    device_channels: int
    microphones: tuple[int, ...]
    identities: tuple[str, ...]
    note: str = ""

    @property
    def channels_text(self) -> str:
        """The map as ``--channels`` takes it, counted from 1."""
        return ",".join(str(index + 1) for index in self.microphones)


PRESETS: tuple[ChannelPreset, ...] = (
    # Seeed's wiki, "ReSpeaker USB Mic Array", table of firmwares: channel 0 processed, 1-4 bare microphones,
    # 5 playback. USB id: the crate `respeaker` and the array's own tools.
    ChannelPreset(
        "respeaker-4mic",
        "ReSpeaker USB Mic Array (XVF-3000), firmware of 6 channels",
        6,
        (1, 2, 3, 4),
        ("usb-id:2886:0018",),
        "the firmware of 1 channel has a processed one only",
    ),
    # Seeed's wiki, "reSpeaker XVF3800": channels 0 and 1 processed, 2-5 bare microphones. The USB id, and
    # that firmware 2.0.8 leaves those at zero: its repository's reports 22 and 24
    # (respeaker/reSpeaker_XVF3800_USB_4MIC_ARRAY).
    ChannelPreset(
        "respeaker-xvf3800",
        "reSpeaker XVF3800 USB 4-Mic Array, firmware of 6 channels",
        6,
        (2, 3, 4, 5),
        ("usb-id:2886:001a",),
        "where firmware 2.0.8 leaves these silent, use channel 1",
    ),
    # Seeed's wiki, "ReSpeaker 6-Mic Circular Array Kit": 8 channels, 6 microphones, then 2 of playback.
    # The card's id is seeed-voicecard's name for it, cut to ALSA's 15 letters.
    ChannelPreset(
        "respeaker-6mic",
        "ReSpeaker 6-Mic Circular Array for Raspberry Pi",
        8,
        (0, 1, 2, 3, 4, 5),
        ("alsa:seeed8micvoicec",),
        "the 4-Mic Linear Array has the same card: there only channels 1-4 are microphones",
    ),
    # Seeed's wiki, "ReSpeaker 4-Mic Array for Raspberry Pi": 4 channels, all of them microphones.
    ChannelPreset(
        "respeaker-4mic-hat",
        "ReSpeaker 4-Mic Array for Raspberry Pi",
        4,
        (0, 1, 2, 3),
        ("alsa:seeed4micvoicec",),
    ),
)


def channel_preset(name: str) -> ChannelPreset:
    """Look up a preset by its name.

    Raises
    ------
    ConfigError
        When there is none; the message lists what there is.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    known = ", ".join(preset.name for preset in PRESETS)
    raise ConfigError(f"no channel preset {name!r}; there is {known}")


def suggest_preset(device: InputDevice, presets: Sequence[ChannelPreset] = PRESETS) -> ChannelPreset | None:
    """The preset that fits a device by its identity and its number of channels, if any."""
    for preset in presets:
        if device.channels == preset.device_channels and device.stable_id.startswith(preset.identities):
            return preset
    return None
