"""The channel map."""

from __future__ import annotations

import numpy as np
import pytest

from asc_edge.audio.channels import parse_channel_map, select_channels, take_channels
from asc_edge.errors import ChannelMapError


def test_counts_from_one_as_devices_do() -> None:
    """Catches the off-by-one that makes a beamformed first channel vote."""
    assert parse_channel_map("2,3, 4,5") == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "text", ["", "0", "1,,2", "1;2", "a", "-1", "1.0", "1,1", "²", ",".join(map(str, range(1, 18)))]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ChannelMapError, match="channel map"):
        parse_channel_map(text)


def test_says_what_the_input_has() -> None:
    with pytest.raises(ChannelMapError, match=r"kitchen.wav has 1 channel, the channel map asks for 2, 4"):
        select_channels((0, 1, 3), 1, "kitchen.wav")


def test_all_channels_without_a_map_up_to_what_can_vote() -> None:
    assert select_channels(None, 3, "x") == (0, 1, 2)
    with pytest.raises(ChannelMapError, match=r"has 17 channels; choose up to 16"):
        select_channels(None, 17, "x")


def test_takes_columns_in_the_order_of_the_map() -> None:
    samples = np.arange(12, dtype=np.int16).reshape(3, 4)
    taken = take_channels(samples, (3, 0))
    assert taken.tolist() == [[3, 0], [7, 4], [11, 8]]
    assert taken.flags.c_contiguous
