"""Microphones that PortAudio offers, and how one of them is found again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asc_edge.audio.identity import stable_id
from asc_edge.errors import AmbiguousDeviceError, DeviceError, DeviceNotFoundError

# A sound server mixes to any number of channels that is asked for: more inputs than this aren't microphones.
MOST_REAL_INPUTS = 16


@dataclass(frozen=True, slots=True)
class InputDevice:
    """One input of this machine.

    Attributes
    ----------
    index : int
        PortAudio's number for it, valid until the next reboot or replugging.
    name, host_api : str
    channels : int
        How many inputs it reports.
    default_rate_hz : int
    stable_id : str
        What to store and to give to ``--device``; see :func:`asc_edge.audio.identity.stable_id`.
    is_default : bool
        Whether it is the machine's default input.
    """

    index: int
    name: str
    host_api: str
    channels: int
    default_rate_hz: int
    stable_id: str
    is_default: bool


def list_devices(root: Path = Path("/")) -> list[InputDevice]:
    """Every input that PortAudio finds now.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.

    Raises
    ------
    DeviceError
        When PortAudio isn't installed, or fails.
    """
    sounddevice = load_sounddevice()
    try:
        host_apis = [str(host_api["name"]) for host_api in sounddevice.query_hostapis()]
        default = int(sounddevice.default.device[0])
        return [
            InputDevice(
                index=index,
                name=str(device["name"]),
                host_api=host_apis[device["hostapi"]],
                channels=int(device["max_input_channels"]),
                default_rate_hz=round(device["default_samplerate"]),
                stable_id=stable_id(str(device["name"]), root),
                is_default=index == default,
            )
            for index, device in enumerate(sounddevice.query_devices())
            if device["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"PortAudio can't list the microphones: {error}") from None


def refresh_devices() -> None:
    """Make PortAudio look again which devices there are. It ends every stream: call it when none is open.

    Raises
    ------
    DeviceError
        When PortAudio isn't installed, or doesn't come back.
    """
    sounddevice = load_sounddevice()
    # There is no public way: PortAudio looks once, when it is initialised.
    with quiet_libraries():
        with suppress(sounddevice.PortAudioError):
            sounddevice._terminate()
        try:
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"PortAudio can't start: {error}") from None


def resolve_device(selector: int | str | None, devices: Sequence[InputDevice]) -> InputDevice:
    """Find the input that is meant.

    Parameters
    ----------
    selector : int, str or None
        An index, a stable id, a name or a part of one; None means the machine's default input.
    devices : sequence of InputDevice
        What :func:`list_devices` gave.

    Raises
    ------
    DeviceNotFoundError
        When there is no such input.
    AmbiguousDeviceError
        When there is more than one.
    """
    if not devices:
        raise DeviceNotFoundError("no microphone found; plug one in, or try: asc-edge listen --demo")
    if selector is None:
        return next((device for device in devices if device.is_default), devices[0])
    text = str(selector).strip()
    if text.isascii() and text.isdigit():
        found = [device for device in devices if device.index == int(text)]
        if not found:
            raise DeviceNotFoundError(f"there is no input device {text}; {_what_there_is(devices)}")
        return found[0]
    for match in (
        [device for device in devices if device.stable_id == text],
        [device for device in devices if device.name == text],
        [device for device in devices if text and text.casefold() in device.name.casefold()],
    ):
        if len(match) == 1:
            return match[0]
        if match:
            numbers = ", ".join(str(device.index) for device in match)
            raise AmbiguousDeviceError(
                f"{text!r} could be any of the input devices {numbers}; {_what_there_is(match)}"
            )
    raise DeviceNotFoundError(f"no input device answers to {text!r}; {_what_there_is(devices)}")


def channels_to_open(device: InputDevice, wanted: Sequence[int] | None) -> int:
    """How many inputs to open: what the channel map (indices from 0) needs, else all up to eight."""
    if wanted is not None:
        return max(wanted) + 1
    return 4 if device.channels > MOST_REAL_INPUTS else min(device.channels, 8)


def load_sounddevice() -> Any:
    """Import sounddevice, which starts PortAudio.

    Raises
    ------
    DeviceError
        When the package or PortAudio itself isn't installed, or PortAudio can't start.
    """
    try:
        with quiet_libraries():
            import sounddevice
    except ImportError:
        raise DeviceError("microphones need sounddevice; install it with: pip install sounddevice") from None
    except OSError:
        raise DeviceError(
            "microphones need the PortAudio library; install it with: apt install libportaudio2"
        ) from None
    except Exception as error:  # PortAudioError, which can't be named while its module fails to import
        raise DeviceError(f"PortAudio can't start: {error}") from None
    return sounddevice


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep ALSA and JACK from writing to standard error what they tried before they found what works."""
    if os.environ.get("ASC_EDGE_DEBUG"):
        yield
        return
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed: nothing to keep clean
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _what_there_is(devices: Sequence[InputDevice]) -> str:
    listed = ", ".join(f"{device.index} {device.name!r}" for device in devices)
    return f"there is {listed} (asc-edge devices tells more)"
