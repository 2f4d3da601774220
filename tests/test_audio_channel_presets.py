"""Channel maps of known arrays, and which device gets which."""

from __future__ import annotations

import json

import pytest

from asc_edge.audio import devices as devices_module
from asc_edge.audio.channel_presets import PRESETS, channel_preset, suggest_preset
from asc_edge.audio.channels import parse_channel_map
from asc_edge.audio.devices import InputDevice
from asc_edge.cli import main
from asc_edge.errors import ConfigError


def _device(identity: str, channels: int) -> InputDevice:
    return InputDevice(1, "Array", "ALSA", channels, 16000, identity, True)


# Catches: the off-by-one that makes a beamformed or a playback channel vote.
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("respeaker-4mic", "2,3,4,5"),
        ("respeaker-xvf3800", "3,4,5,6"),
        ("respeaker-6mic", "1,2,3,4,5,6"),
        ("respeaker-4mic-hat", "1,2,3,4"),
    ],
)
def test_presets(name: str, channels: str) -> None:
    preset = channel_preset(name)
    assert preset.channels_text == channels
    assert parse_channel_map(channels) == preset.microphones
    assert max(preset.microphones) < preset.device_channels


def test_every_preset_is_known_and_others_are_refused() -> None:
    assert [channel_preset(preset.name) for preset in PRESETS] == list(PRESETS)
    with pytest.raises(ConfigError, match="no channel preset 'x'; there is respeaker-4mic"):
        channel_preset("x")


# Catches: the map of one firmware suggested for another, whose channels are others.
def test_a_suggestion_fits_identity_and_channels() -> None:
    suggested = suggest_preset(_device("usb-id:2886:0018:4C0A17", 6))
    assert suggested is channel_preset("respeaker-4mic")
    assert suggest_preset(_device("usb-id:2886:0018:4C0A17", 1)) is None
    assert suggest_preset(_device("usb-id:0d8c:013c", 6)) is None
    assert suggest_preset(_device("alsa:seeed8micvoicec", 8)) is channel_preset("respeaker-6mic")


# Catches: a suggestion that nobody gets to see, or that isn't the map.
def test_devices_tells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = [_device("usb-id:2886:001a:X", 6), _device("usb-id:0d8c:013c", 1)]
    monkeypatch.setattr(devices_module, "list_devices", lambda: found)
    assert main(["devices"]) == 0
    assert "--device usb-id:2886:001a:X --channels 3,4,5,6" in capsys.readouterr().out
    assert main(["devices", "--json"]) == 0
    assert [entry["preset"] for entry in json.loads(capsys.readouterr().out)] == ["respeaker-xvf3800", None]
