"""Devices are listed, found again, and told apart; on a machine that only exists here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from asc_edge.audio.devices import (
    InputDevice,
    channels_to_open,
    list_devices,
    load_sounddevice,
    quiet_libraries,
    refresh_devices,
    resolve_device,
)
from asc_edge.audio.identity import is_plugged_in, stable_id
from asc_edge.errors import DeviceError, DeviceNotFoundError


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A /proc and /sys with a USB array, a USB microphone without serial number, and a HAT."""
    cards = {
        0: ("vc4hdmi", None, None),
        1: ("ArrayUAC10", "2886:0018", "4C0A17"),
        2: ("Device", "0d8c:013c", None),
        3: ("seeed4micvoicec", None, None),
    }
    for number, (card_id, usb_id, serial) in cards.items():
        proc = tmp_path / "proc/asound" / f"card{number}"
        proc.mkdir(parents=True)
        (proc / "id").write_text(f"{card_id}\n")
        usb = tmp_path / f"sys/devices/usb1/1-{number}"
        card = usb / f"1-{number}:1.0/sound/card{number}"
        card.mkdir(parents=True)
        (card / "device").symlink_to("../..")
        if usb_id:
            (proc / "usbid").write_text(f"{usb_id}\n")
        if serial:
            (usb / "serial").write_text(f"{serial}\n")
        by_class = tmp_path / "sys/class/sound"
        by_class.mkdir(parents=True, exist_ok=True)
        (by_class / f"card{number}").symlink_to(
            f"../../devices/usb1/1-{number}/1-{number}:1.0/sound/card{number}"
        )
    return tmp_path


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("ReSpeaker 4 Mic Array (UAC1.0): USB Audio (hw:1,0)", "usb-id:2886:0018:4C0A17"),
        ("ReSpeaker 4 Mic Array (UAC1.0): USB Audio (hw:1,1)", "usb-id:2886:0018:4C0A17,1"),
        ("USB PnP Sound Device: Audio (hw:2,0)", "usb-id:0d8c:013c"),
        ("seeed-4mic-voicecard: bcm2835-i2s (hw:3,0)", "alsa:seeed4micvoicec"),
        ("gone: (hw:9,0)", "name:gone: (hw:9,0)"),
        ("pulse", "name:pulse"),
    ],
)
def test_identity_survives_another_order_of_cards(name: str, identity: str, machine: Path) -> None:
    """Catches an identity with the card's number in it, or a serial number of the wrong folder."""
    assert stable_id(name, machine) == identity


# Catches: a card that is waited for although it is there, or asked for again and again although it can't be.
def test_the_kernel_knows_which_cards_are_there(machine: Path, tmp_path: Path) -> None:
    for there in (
        "usb-id:2886:0018:4C0A17",
        "usb-id:2886:0018:4C0A17,1",
        "alsa:seeed4micvoicec",
        "name:pulse",
    ):
        assert is_plugged_in(there, machine)
    for gone in ("usb-id:2886:0018:OTHER", "usb-id:2886:0018", "alsa:Loopback"):
        assert not is_plugged_in(gone, machine)
    # A container or another system may have no such folder: nothing is known then.
    assert is_plugged_in("usb-id:2886:0018:OTHER", tmp_path / "nowhere")


# Catches: a list that stays what it was, and a PortAudio that is left closed.
def test_a_refresh_starts_portaudio_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def refuse() -> None:
        calls.append("initialise")
        raise RuntimeError("no host API")

    fake = SimpleNamespace(
        _terminate=lambda: calls.append("terminate"),
        _initialize=lambda: calls.append("initialise"),
        PortAudioError=RuntimeError,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    refresh_devices()
    assert calls == ["terminate", "initialise"]
    fake._initialize = refuse
    with pytest.raises(DeviceError, match="can't start: no host API"):
        refresh_devices()
    # Closed by then: closing it once more fails, and must not keep it from starting.
    fake._terminate, fake._initialize = refuse, lambda: calls.append("back")
    refresh_devices()
    assert calls[-1] == "back"


def _device(index: int, name: str, identity: str, channels: int = 4, *, default: bool = False) -> InputDevice:
    return InputDevice(index, name, "ALSA", channels, 16000, identity, default)


DEVICES = [
    _device(1, "ReSpeaker Array (hw:1,0)", "usb-id:2886:0018:A"),
    _device(3, "USB Microphone (hw:2,0)", "usb-id:0d8c:013c", 1),
    _device(4, "USB Microphone (hw:3,0)", "usb-id:0d8c:013c", 1),
    _device(6, "pulse", "name:pulse", 32, default=True),
    _device(7, "pulse monitor", "name:pulse monitor", 32),
]


@pytest.mark.parametrize(
    ("selector", "index"),
    [
        (1, 1),
        ("4", 4),
        ("usb-id:2886:0018:A", 1),
        ("ReSpeaker Array (hw:1,0)", 1),
        ("respeaker", 1),
        ("hw:3,0", 4),
        ("pulse", 6),
        (None, 6),
    ],
)
def test_finds_by_index_identity_name_and_part_of_a_name(selector: int | str | None, index: int) -> None:
    """Catches an exact name that loses to a longer one, and an index taken for a position in the list."""
    assert resolve_device(selector, DEVICES).index == index


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (0, "no input device 0"),
        ("99", "no input device 99"),
        (-1, "answers to '-1'"),
        ("theremin", "answers to 'theremin'; there is 1 'ReSpeaker"),
        ("USB Mic", "could be any of the input devices 3, 4"),
        ("usb-id:0d8c:013c", "could be any of the input devices 3, 4"),
        ("", "answers to ''"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(selector: int | str, words: str) -> None:
    """Catches a guess between two microphones, and index 0 taken for nothing given."""
    with pytest.raises(DeviceNotFoundError, match=words) as caught:
        resolve_device(selector, DEVICES)
    assert "asc-edge devices" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_machine_without_microphone_is_offered_the_demo() -> None:
    with pytest.raises(DeviceNotFoundError, match="--demo"):
        resolve_device(None, [])


@pytest.mark.parametrize(
    ("inputs", "wanted", "opened"),
    [(2, None, 2), (6, None, 6), (12, None, 8), (32, None, 4), (32, (0, 5), 6), (6, (1, 2, 3, 4), 5)],
)
def test_opens_what_the_map_needs(inputs: int, wanted: tuple[int, ...] | None, opened: int) -> None:
    """Catches 32 channels opened of a sound server, and a map whose last channel is not open."""
    assert channels_to_open(_device(0, "x", "name:x", inputs), wanted) == opened


def test_lists_inputs_only(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    """Catches loudspeakers among the microphones, and indices that count inputs alone."""
    found = [
        {"name": "hdmi (hw:0,0)", "hostapi": 0, "max_input_channels": 0, "default_samplerate": 48000.0},
        {"name": "Array (hw:1,0)", "hostapi": 0, "max_input_channels": 6, "default_samplerate": 16000.0},
    ]
    fake = SimpleNamespace(
        query_hostapis=lambda: [{"name": "ALSA"}],
        query_devices=lambda: found,
        default=SimpleNamespace(device=(1, 0)),
        PortAudioError=RuntimeError,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    expected = InputDevice(1, "Array (hw:1,0)", "ALSA", 6, 16000, "usb-id:2886:0018:4C0A17", True)
    assert list_devices(machine) == [expected]


def test_a_missing_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches an OSError of the import that reaches the user."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(DeviceError, match="apt install libportaudio2"):
        load_sounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="pip install sounddevice"):
        load_sounddevice()


def test_libraries_are_kept_quiet_and_then_heard_again(capfd: pytest.CaptureFixture[str]) -> None:
    """Catches standard error that stays redirected, so that no error is ever seen again."""
    with quiet_libraries():
        os.write(2, b"ALSA lib confmisc.c: cannot find card")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
