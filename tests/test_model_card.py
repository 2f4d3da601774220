"""The model card on a terminal: everything that is in it, and nothing that could harm or fill the screen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asc_edge.bundle import write_bundle
from asc_edge.model_card import WIDTH, card_lines
from command import asc_edge

from tiny_system import tiny_files, tiny_manifest

LABELS = ["cooking", "dishwashing", "social_activity"]
COUNTS = [[93, 2, 0], [3, 90, 7], [0, 0, 1204]]
CARD: dict[str, Any] = {
    "data": {
        "clips": 1399,
        "groups": 310,
        "corpora": {"esc50": 400, "kitchen20": 999},
        "licences": {"CC0": 1000, "CC BY": 399},
    },
    "figures": {
        "protocol": "5 folds by recording",
        "by_fold": [
            {"fold": 1, "clips": 700, "macro_f1": 0.781, "accuracy": 0.8},
            {"fold": 2, "clips": 699, "macro_f1": 0.802, "accuracy": 0.81},
        ],
        "macro_f1": 0.7934,
        "accuracy": 0.81,
        "per_class_f1": {"cooking": 0.9, "dishwashing": 0.85, "social_activity": 0.63},
        "confusion": {"labels": LABELS, "counts": COUNTS},
    },
    "variants": [
        {"variant": "onnx", "bytes": 1180000, "macro_f1": 0.7934, "accuracy": 0.81, "latency_ms": 13.52},
        {
            "variant": "onnx-int8",
            "bytes": 410000,
            "macro_f1": 0.79,
            "accuracy": 0.808,
            "argmax_agreement": 0.9921,
            "macro_f1_change": -0.0034,
            "per_class_change": {"cooking": 0.0, "social_activity": -0.012},
            "latency_ms": 7.0,
        },
    ],
    "limits": ["Trained on single microphones.", "Knows no music."],
}


# Catches: figures of the bundle that was taught, shown as if they were those of what it became.
def test_a_taught_bundle_shows_its_own_figures() -> None:
    taught = {
        "labels": ["washing_machine"],
        "base": "ab" * 32,
        "base_name": "home 2.0.0",
        "lessons": [{"label": "washing_machine", "taught_at": "2026-03-01T12:00:00+00:00", "seconds": 61.4}],
        "macro_f1": [0.79, 0.785],
        "figures": [
            {"label": "cooking", "f1_before": 0.9, "f1_after": 0.89, "recall_before": None},
            {"label": "washing_machine", "f1_before": None, "recall_after": 0.83},
        ],
    }
    text = "\n".join(card_lines(CARD, taught))
    assert "61 s of washing_machine, 2026-03-01T12:00:00+00:00" in text
    assert "macro-F1 79.0 % before the last lesson, 78.5 % after it" in text
    assert rows_of(text.splitlines(), "label")[1:3] == [
        ["cooking", "90.0", "89.0"],
        ["washing_machine", "83.0"],
    ]
    assert "81.0" not in text, "accuracy of the base"
    assert "onnx-int8" not in text
    assert "Trained on single microphones." in text
    # One that somebody damaged is still shown.
    for odd in ([], {"lessons": 3, "macro_f1": 1, "figures": [None]}, {"macro_f1": ["x", None, 3]}, "x"):
        card_lines(CARD, odd)


def rows_of(lines: list[str], first: str) -> list[list[str]]:
    """The lines of a table as words, from the one that begins with this word."""
    start = next(index for index, line in enumerate(lines) if line.split()[:1] == [first])
    end = next((index for index in range(start, len(lines)) if not lines[index]), len(lines))
    return [line.split() for line in lines[start:end]]


# Catches a figure that is left out, mixed up between rows, or shown with another unit than its head says.
def test_everything_in_the_card_is_shown() -> None:
    lines = card_lines(CARD)
    text = "\n".join(lines)
    for words in (
        *("1399 of 310 recordings", "400 esc50, 999 kitchen20", "1000 CC0, 399 CC BY"),
        *("macro-F1 79.3 %, accuracy 81.0 %", "5 folds by recording"),
        *("cooking 90.0, dishwashing 85.0, social_activity 63.0", "onnx-int8: social_activity -1.2"),
        *("Trained on single microphones.", "Knows no music."),
    ):
        assert words in text
    folds = rows_of(lines, "fold")
    assert folds[1:] == [["1", "700", "78.1", "80.0"], ["2", "699", "80.2", "81.0"]]
    variants = rows_of(lines, "variant")
    assert variants[1] == ["onnx", "1180", "79.3", "81.0", "13.5"]
    assert variants[2] == ["onnx-int8", "410", "79.0", "-0.3", "80.8", "99.2", "7.0"]


# Catches a transposed matrix, and columns that don't stand under their numbers.
@pytest.mark.parametrize("labels", [3, 7, 20])
def test_the_confusion_matrix_reads_as_it_is(labels: int, rng: np.random.Generator) -> None:
    counts = rng.integers(0, 900, (labels, labels))
    names = [f"label_{number}" for number in range(labels)]
    lines = card_lines({"figures": {"confusion": {"labels": names, "counts": counts.tolist()}}})
    head = next(index for index, line in enumerate(lines) if line.split()[:2] == ["1", "2"])
    body = lines[head + 1 : head + 1 + labels]
    columns = [match.end() for match in re.finditer(r"\d+", lines[head])]
    for number, line in enumerate(body):
        key, name, *_ = line.split()
        assert (key, name) == (str(number + 1), names[number])
        cells = [line[: columns[column]].split()[-1] for column in range(labels)]
        assert [0 if cell == "." else int(cell) for cell in cells] == counts[number].tolist()
    assert max(map(len, lines)) <= WIDTH


# Catches a matrix of many labels that wraps into porridge.
def test_a_matrix_that_is_too_wide_becomes_a_list_of_the_worst(rng: np.random.Generator) -> None:
    counts = rng.integers(0, 9, (50, 50))
    np.fill_diagonal(counts, 400)
    counts[17, 4] = 77
    names = [f"label_{number}" for number in range(50)]
    lines = card_lines({"figures": {"confusion": {"labels": names, "counts": counts.tolist()}}})
    assert rows_of(lines, "times")[1] == ["77", "label_17", "label_4"]
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) < 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)


@st.composite
def spoilt_cards(draw: st.DrawFn) -> object:
    """The card with one value somewhere in it replaced by anything."""
    card = json.loads(json.dumps(CARD))
    node: Any = card
    while True:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.integers(0, 3)) == 0:
            node[key] = draw(JSON)
            return card
        node = node[key]


# Catches a card that stops `bundle show`, paints the terminal, or scrolls it away.
@settings(max_examples=300, deadline=None, derandomize=True)
@given(card=JSON | spoilt_cards())
def test_anything_may_stand_in_a_card(card: object) -> None:
    lines = card_lines(card)
    assert all(line.isprintable() and len(line) <= WIDTH for line in lines)
    assert len(lines) < 500


def test_no_card_no_lines() -> None:
    assert card_lines(None) == card_lines({}) == card_lines([1]) == []


def test_bundle_show_prints_the_card_in_place_of_the_older_facts(tmp_path: Path) -> None:
    manifest = {**tiny_manifest(), "accuracy": {"macro_f1": 0.5}, "summary": "a \x1b[31mred\nsummary"}
    write_bundle(tmp_path / "old.ascb", manifest, tiny_files())
    old = asc_edge("bundle", "show", tmp_path / "old.ascb").stdout
    assert "macro-F1 50.0 %, accuracy ? %" in old
    assert "a [31mred summary" in old
    card = {**CARD, "limits": ["\x1b]0;evil\x07", "x" * 5000]}
    write_bundle(tmp_path / "new.ascb", {**manifest, "card": card}, tiny_files())
    done = asc_edge("bundle", "show", tmp_path / "new.ascb")
    assert (done.returncode, done.stderr) == (0, "")
    assert "macro-F1 79.3 %, accuracy 81.0 %" in done.stdout
    assert "macro-F1 50.0 %" not in done.stdout
    assert done.stdout.replace("\n", "").isprintable()
    assert max(map(len, done.stdout.splitlines())) <= WIDTH
    raw = json.loads(asc_edge("bundle", "show", "--json", tmp_path / "new.ascb").stdout)
    assert raw["card"] == card
    assert raw["accuracy"] == {"macro_f1": 0.5}


@pytest.mark.parametrize(
    "spoilt", [{"caveats": 5, "macro_f1": 10**400}, {"macro_f1": "x", "per_class_f1": []}]
)
def test_odd_facts_of_older_bundles_are_no_error(spoilt: dict[str, Any], tmp_path: Path) -> None:
    manifest = {**tiny_manifest(), "accuracy": spoilt, "training": {"licences": 7, "clips_by_corpus": None}}
    write_bundle(tmp_path / "x.ascb", manifest, tiny_files())
    done = asc_edge("bundle", "show", tmp_path / "x.ascb")
    assert (done.returncode, done.stderr) == (0, "")
    assert "macro-F1 ? %" in done.stdout
