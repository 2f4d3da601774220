"""The model card of a bundle as text: data, licences, accuracy, variants, confusions and limits.

A card is written for people, and in free form. Whatever can't be made out of it is left out, never guessed,
and never an error; control characters and endless texts stay off the terminal.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

__all__ = ["WIDTH", "card_lines", "fact_lines", "percent", "printable", "table_of"]

WIDTH = 100

_KEY_WIDTH = 11
_LONGEST_TEXT = 2000
# Beyond these a table says less than a sentence.
_MOST_ROWS = 60
_MOST_CONFUSIONS = 12
_ELLIPSIS = "..."


def card_lines(card: object, taught: object = None) -> list[str]:
    """A card as lines of at most 100 columns; empty where there is none.

    Parameters
    ----------
    card : object
        ``manifest["card"]``, or anything else that stands there.
    taught : object
        ``manifest["taught"]``. Where there is one, the card's figures are of the bundle that was taught, and
        not of this one: what was measured after the lessons is shown in their place.
    """
    given = table_of(card)
    measured = [
        *_figures(table_of(given.get("figures"))),
        *_belief(table_of(given.get("calibration")), table_of(given.get("rejection"))),
        *_variants(_rows(given.get("variants"))),
    ]
    lines = [
        *_data(table_of(given.get("data"))),
        *(_taught(table_of(taught)) if taught else measured),
        *fact_lines(
            [("limits" if n == 0 else "", text) for n, text in enumerate(_texts(given.get("limits")))]
        ),
    ]
    # Parts are set apart by one empty line, whichever of them there are.
    apart = [line.rstrip() for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return apart[:-1] if apart and not apart[-1] else apart


def fact_lines(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Facts, each a word and a text, wrapped; those without a text are left out."""
    for key, text in facts:
        if text:
            yield from textwrap.wrap(
                printable(text),
                width=WIDTH,
                initial_indent=f"  {key:<{_KEY_WIDTH}}",
                subsequent_indent=" " * (_KEY_WIDTH + 2),
                break_long_words=len(text) > WIDTH,
            )


def printable(value: object, limit: int = _LONGEST_TEXT) -> str:
    """A text or number without control characters, on one line and of a bounded length."""
    text = " ".join(str(value)[: 4 * limit].split()) if isinstance(value, str | int | float) else ""
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= limit else text[: limit - len(_ELLIPSIS)] + _ELLIPSIS


def table_of(value: object) -> dict[str, object]:
    """The value where it is an object of JSON, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def _data(data: dict[str, object]) -> Iterator[str]:
    clips, groups = _count(data.get("clips")), _count(data.get("groups"))
    of_groups = f" of {groups} recordings" if groups else ""
    facts = [
        ("clips", f"{clips}{of_groups}" if clips else ""),
        ("corpora", _counts(data.get("corpora"))),
        ("licences", _counts(data.get("licences"))),
    ]
    yield from fact_lines(facts)


def _figures(figures: dict[str, object]) -> Iterator[str]:
    macro_f1, accuracy = percent(figures.get("macro_f1")), percent(figures.get("accuracy"))
    both = ", ".join(
        f"{name} {value} %" for name, value in (("macro-F1", macro_f1), ("accuracy", accuracy)) if value
    )
    per_class = [
        f"{_name(label)} {percent(f1)}"
        for label, f1 in table_of(figures.get("per_class_f1")).items()
        if percent(f1)
    ]
    yield from fact_lines(
        [("accuracy", both), ("measured", printable(figures.get("protocol"))), ("F1 %", ", ".join(per_class))]
    )
    rows = [
        (
            _name(row.get("fold")),
            _count(row.get("clips")),
            percent(row.get("macro_f1")),
            percent(row.get("accuracy")),
        )
        for row in _rows(figures.get("by_fold"))
    ]
    yield from _table(("fold", "clips", "macro-F1 %", "accuracy %"), rows)
    yield from _confusion(table_of(figures.get("confusion")))


def _taught(taught: dict[str, object]) -> Iterator[str]:
    """What was taught on a device and when, and what that did to the labels."""
    lessons = [
        (f"{seconds} s of " if (seconds := _count(_whole(lesson.get("seconds")))) else "")
        + f"{_name(lesson.get('label'))}, {printable(lesson.get('taught_at'), 40)}"
        for lesson in _rows(taught.get("lessons"))
    ]
    base, seal = printable(taught.get("base_name"), 80), printable(taught.get("base"), 16)
    means = [percent(value) for value in _list(taught.get("macro_f1"))]
    both = ""
    if len(means) == 2 and all(means):
        both = f"macro-F1 {means[0]} % before the last lesson, {means[1]} % after it, of what it knew"
    yield from fact_lines(
        [
            *(("taught" if n == 0 else "", text) for n, text in enumerate(lessons[:_MOST_ROWS])),
            ("to", f"{base} ({seal}), whose own accuracy isn't this one's".strip() if base or seal else ""),
            ("accuracy", both),
            (
                "measured",
                "cross-validated by recording: F1 on clips that it remembers, recall on the lessons",
            ),
        ]
    )
    keys = ("f1_before", "f1_after", "recall_before", "recall_after")
    rows = [
        (_name(row.get("label")), *(percent(row.get(key)) for key in keys))
        for row in _rows(taught.get("figures"))
    ]
    yield from _table(("label", "F1 % before", "F1 % after", "recall % before", "recall % after"), rows)


def _belief(calibration: dict[str, object], rejection: dict[str, object]) -> Iterator[str]:
    """How far posteriors can be believed, and below which of them a sound is unknown."""
    error, balanced = percent(calibration.get("ece")), percent(calibration.get("ece_balanced"))
    by_label = f", every label weighing the same {balanced} %" if balanced else ""
    below, recall = percent(rejection.get("unknown_below")), percent(rejection.get("recall"))
    kept = f", which {recall} % of known clips are not" if recall else ""
    area, taken = percent(rejection.get("auroc")), percent(rejection.get("fpr_at_95_recall"))
    clips = _count(rejection.get("unknown_clips"))
    measured = (
        f"; of {clips} clips of unknown sounds {taken} % pass for known at 95 % recall, AUROC {area} %"
        if area and taken and clips
        else ""
    )
    yield from fact_lines(
        [
            ("calibrated", f"expected calibration error {error} %{by_label}" if error else ""),
            ("unknown", f"below a posterior of {below} %{kept}{measured}" if below else ""),
        ]
    )


def _confusion(confusion: dict[str, object]) -> Iterator[str]:
    """The matrix where it fits into the terminal, else the confusions that happen most."""
    labels = [_name(label) for label in _list(confusion.get("labels"))]
    counts = [_list(row) for row in _list(confusion.get("counts"))]
    square = len(counts) == len(labels) and all(len(row) == len(labels) for row in counts)
    if not labels or not square or not all(_count(cell) for row in counts for cell in row):
        return
    digits = max(len(_count(cell)) for row in counts for cell in row)
    cell_width = max(digits, len(str(len(labels)))) + 1
    label_width = max(map(len, labels))
    key_width = len(str(len(labels)))
    if 2 + key_width + 1 + label_width + 1 + cell_width * len(labels) > WIDTH:
        yield from _worst_confusions(labels, counts)
        return
    yield ""
    yield "  confusions: a row for what it was, a column for what was heard, in the same order"
    head = "".join(f"{number + 1:>{cell_width}}" for number in range(len(labels)))
    yield f"  {'':{key_width}} {'':{label_width}} {head}"
    for number, (label, row) in enumerate(zip(labels, counts, strict=True)):
        # A dot is easier on the eye than a nought.
        cells = "".join(f"{_count(cell) if cell else '.':>{cell_width}}" for cell in row)
        yield f"  {number + 1:>{key_width}} {label:{label_width}} {cells}"


def _worst_confusions(labels: Sequence[str], counts: Sequence[list[object]]) -> Iterator[str]:
    off_diagonal = [
        (int(_count(cell)), labels[truth], labels[heard])
        for truth, row in enumerate(counts)
        for heard, cell in enumerate(row)
        if truth != heard and _count(cell) != "0"
    ]
    worst = sorted(off_diagonal, key=lambda row: -row[0])[:_MOST_CONFUSIONS]
    yield from _table(
        ("times", "it was", "it heard"), [(str(count), truth, heard) for count, truth, heard in worst]
    )


def _variants(variants: Sequence[dict[str, object]]) -> Iterator[str]:
    """All variants side by side, and what each does to the labels."""
    rows = [
        (
            _name(row.get("variant")),
            _thousandth(row.get("bytes")),
            percent(row.get("macro_f1")),
            percent(row.get("macro_f1_change"), signed=True),
            percent(row.get("accuracy")),
            percent(row.get("argmax_agreement")),
            _decimal(row.get("latency_ms")),
        )
        for row in variants
    ]
    head = ("variant", "kB", "macro-F1 %", "change", "accuracy %", "same answer %", "ms")
    yield from _table(head, rows)
    facts = []
    for row in variants:
        changes = [
            (_name(label), change)
            for label, change in table_of(row.get("per_class_change")).items()
            if percent(change) and percent(change) not in ("0.0", "-0.0")
        ]
        words = ", ".join(f"{label} {percent(change, signed=True)}" for label, change in changes)
        facts.append(f"{_name(row.get('variant'))}: {words}" if words else "")
    yield from fact_lines([("F1 change", fact) for fact in facts])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns to the right, the first to the left; columns and rows without anything are left out."""
    rows = [row for row in rows if any(row[1:])][:_MOST_ROWS]
    kept = [index for index in range(len(head)) if index == 0 or any(row[index] for row in rows)]
    if not rows or len(kept) < 2:
        return
    yield ""
    widths = {index: max(len(row[index]) for row in [head, *rows]) for index in kept}
    for row in (head, *rows):
        first, *others = kept
        cells = "".join(f"  {row[index]:>{widths[index]}}" for index in others)
        yield f"  {row[first]:<{widths[first]}}{cells}"
    yield ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _rows(value: object) -> list[dict[str, object]]:
    return [table_of(row) for row in _list(value)]


def _texts(value: object) -> list[str]:
    """A list of texts, or a single one."""
    return [printable(text) for text in (_list(value) or [value]) if isinstance(text, str)]


def _name(value: object) -> str:
    """A name of a label, variant or fold, short enough for a table."""
    return printable(value, 24)


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e15
        and math.isfinite(value)
    )


def _count(value: object) -> str:
    return str(value) if isinstance(value, int) and _is_number(value) and value >= 0 else ""


def _counts(value: object) -> str:
    """Names with how often each occurs."""
    return ", ".join(
        f"{_count(count)} {_name(name)}" for name, count in table_of(value).items() if _count(count)
    )


def percent(value: object, *, signed: bool = False) -> str:
    """A share as percent, empty for what is none; a change keeps its sign."""
    if not isinstance(value, int | float) or not _is_number(value):
        return ""
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def _whole(value: object) -> int | None:
    return round(value) if isinstance(value, int | float) and _is_number(value) else None


def _thousandth(value: object) -> str:
    return f"{value / 1000:.0f}" if isinstance(value, int | float) and _is_number(value) else ""


def _decimal(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) and _is_number(value) else ""
