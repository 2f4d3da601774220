"""Colours of activities: distinct for everybody, in the light and in the dark, and the same on every page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import asc_edge
from asc_edge.activities import COLOURS, SILENT, UNKNOWN, colour_of, colour_rules, colours_of
from asc_edge.cli.options import open_bundle
from asc_edge.day_report.page import to_html
from asc_edge.day_report.report import report_day
from asc_edge.store.reader import HistoryReader
from asc_edge.web.board import Board
from history_lines import STARTED, write_session
from web_pages import a_session, ask, served

NINE = open_bundle("home").labels
PACKAGE = Path(asc_edge.__file__).parent

# Machado, Oliveira & Fernandes 2009, severity 1.0: protan, deutan and tritan, on linear RGB.
_SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopes": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# https://bottosson.github.io/posts/oklab/: from linear RGB to cones, and from their cube roots to Oklab.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(style: str, scheme: str) -> dict[str, str]:
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark if scheme == "dark" else light))


def linear(colours: list[str]) -> NDArray[np.float64]:
    """Linear RGB, shape (n, 3)."""
    rgb = np.array([[int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)] for text in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def nearest(colours: list[str], seen_by: str) -> float:
    """The distance in Oklab of the two that are most alike; 0.02 is what an eye just tells apart."""
    rgb = np.clip(linear(colours) @ _SEEN_BY[seen_by].T, 0.0, 1.0)
    lab = np.cbrt(rgb @ _CONES.T) @ _OKLAB.T
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return float(apart[np.triu_indices(len(lab), 1)].min())


def contrast(one: str, other: str) -> float:
    """By WCAG 2.2."""
    low, high = sorted((linear([one, other]) @ [0.2126, 0.7152, 0.0722]).tolist())
    return (high + 0.05) / (low + 0.05)


# Catches: two of the nine in one grey (absence and other were), an eighth that is the first again, and pairs
# that are one colour for who sees no red or no green.
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("seen_by", _SEEN_BY)
def test_all_activities_are_told_apart(seen_by: str, scheme: str) -> None:
    colours = palette(colour_rules(), scheme)
    assert len(colours) == COLOURS
    named = [colours[colours_of(NINE)[label]] for label in (*NINE, UNKNOWN, SILENT)]
    assert nearest(named, seen_by) >= (0.10 if seen_by == "everybody" else 0.06)
    # Those for taught labels have to live between them.
    assert nearest(list(colours.values()), seen_by) >= (0.06 if seen_by == "everybody" else 0.035)


# Catches: bars that can't be seen on the card or in their track, and letters that can't be read on them.
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_activities_are_seen_on_every_page(scheme: str) -> None:
    page = palette((PACKAGE / "web/static/style.css").read_text(), scheme)
    report = palette((PACKAGE / "day_report/page.css").read_text(), scheme)
    for name, colour in palette(colour_rules(), scheme).items():
        for ground in (page["card"], page["well"], report["card"], report["track"]):
            assert contrast(colour, ground) >= 3.0, (name, ground)
        assert contrast(colour, report["on-bar"]) >= 4.5, name


# Catches: colours that depend on a bundle's order, or on which other labels it has; two labels of one hue
# while others are free; unknown sounds in a label's colour.
def test_names_have_colours_and_orders_have_not() -> None:
    nine = colours_of(NINE)
    assert len(set(nine.values())) == len({*NINE, UNKNOWN, SILENT})
    assert colours_of(tuple(reversed(NINE))) == colours_of(NINE[3:5]) == nine
    taught = colours_of((*NINE, "hoover", "piano"))
    assert len({taught[label] for label in (*NINE, "hoover", "piano", UNKNOWN, SILENT)}) == 13
    assert colours_of((*NINE, "hoover"))["hoover"] == taught["hoover"]
    others = [f"sound_{number}" for number in range(12)]
    assert len({colours_of(others)[label] for label in (*others, UNKNOWN, SILENT)}) == 14
    assert len(set(colours_of([str(number) for number in range(40)]).values())) == COLOURS
    assert colour_of("gone", NINE) == f"c{COLOURS - 1}"


# Catches: a page that is drawn with colours of its own, or by another order than the other one.
def test_every_page_has_the_same_colours(tmp_path: Path) -> None:
    labels = (*NINE, "piano")
    path = tmp_path / "history.db"
    events = [(label, 600.0 * n, 600.0 * n + 500) for n, label in enumerate((*labels, UNKNOWN))]
    write_session(path, events, duration_s=9000.0, labels=labels)
    with HistoryReader(path) as reader:
        page = to_html(report_day(reader, STARTED.astimezone().date(), 2**52))
    board = Board({}, heat=lambda: {"temperature_c": None, "throttling": []})
    board.take("start", a_session(labels=labels))
    told = board.state()["session"]["colours"]
    for label in (*labels, UNKNOWN):
        word = label[0].upper() + label[1:].replace("_", " ")
        (colour,) = set(re.findall(rf'<span class="key (c\d+)" aria-hidden="true"></span>{word}<', page))
        assert colour == told[label]
    with served() as sink:
        status, fields, style = ask(sink, "/activities.css")
        assert ask(sink, "/errors.py")[0] == 404
    assert (status, fields["content-type"]) == (200, "text/css; charset=utf-8")
    assert style.decode() == colour_rules()
    assert colour_rules() in page
    for own in ("web/static/style.css", "day_report/page.css"):
        assert "--c0:" not in (PACKAGE / own).read_text()
