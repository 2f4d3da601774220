"""A microphone's identity that survives a reboot.

The index of a sound card changes with the order in which USB devices are found. Its vendor, product and
serial number don't, and neither does the identity that ALSA gives to a built-in card.
"""

from __future__ import annotations

import re
from pathlib import Path

_ALSA_HARDWARE = re.compile(r"\(hw:(\d+),(\d+)\)")


def stable_id(name: str, root: Path = Path("/")) -> str:
    """Name a PortAudio device for good.

    Parameters
    ----------
    name : str
        As PortAudio gives it; ALSA hardware ends in ``(hw:CARD,DEVICE)``.
    root : Path
        Where ``proc`` and ``sys`` are mounted.

    Returns
    -------
    str
        ``usb-id:VENDOR:PRODUCT[:SERIAL]`` for a USB card, ``alsa:CARD`` for another one, followed by
        ``,DEVICE`` unless that is 0; ``name:NAME`` for what is no card (a sound server, for instance).
    """
    match = _ALSA_HARDWARE.search(name)
    if match is None:
        return f"name:{name}"
    card, device = int(match[1]), int(match[2])
    proc = root / "proc" / "asound" / f"card{card}"
    suffix = f",{device}" if device else ""
    usb_id = _read(proc / "usbid")
    if usb_id:
        serial = _read(_usb_device(root, card) / "serial")
        return f"usb-id:{usb_id}" + (f":{serial}" if serial else "") + suffix
    card_id = _read(proc / "id")
    return f"alsa:{card_id}{suffix}" if card_id else f"name:{name}"


def is_plugged_in(identity: str, root: Path = Path("/")) -> bool:
    """Whether the card that an identity names may be there, asked of the kernel, which costs next to nothing.

    Parameters
    ----------
    identity : str
        A stable id.
    root : Path
        Where ``proc`` and ``sys`` are mounted.

    Returns
    -------
    bool
        False only for a card that surely isn't there; what is no card can't be told.
    """
    asound = root / "proc" / "asound"
    if not identity.startswith(("usb-id:", "alsa:")) or not asound.is_dir():
        return True
    wanted = identity.partition(",")[0]
    cards = (folder.name.removeprefix("card") for folder in asound.glob("card*"))
    return any(stable_id(f"(hw:{card},0)", root) == wanted for card in cards if card.isdigit())


def _usb_device(root: Path, card: int) -> Path:
    """Folder of the USB device whose interface is the card."""
    interface = root / "sys" / "class" / "sound" / f"card{card}" / "device"
    return interface.resolve().parent


def _read(path: Path) -> str:
    """Content of a small file of the kernel, or nothing where it isn't there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
