"""What the engines have in common."""

from __future__ import annotations

from typing import TypeAlias

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes for each window, without the batch; None where a network leaves one open."""


def one_line(error: BaseException) -> str:
    """An engine's complaint on one line, without control characters, and its middle left out where it's long.

    It begins with a kind of error and ends in what is wrong; in between stand the engine's own functions.
    """
    words = "".join(letter for letter in " ".join(str(error).split()) if letter.isprintable()).rstrip(".")
    return words if len(words) <= 300 else f"{words[:80]} ... {words[-210:]}"
