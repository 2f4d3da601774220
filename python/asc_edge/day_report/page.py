"""The report as one HTML page that fetches nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib.resources import files

from asc_edge.activities import colour_of, colour_rules
from asc_edge.day_report import words
from asc_edge.day_report.facts import USUAL_AT_LEAST, USUAL_DAYS, Day
from asc_edge.day_report.report import Report
from asc_edge.day_report.scene import Scene
from asc_edge.version import __version__

__all__ = ["to_html"]

# Nothing may be fetched, not even by a page that somebody has tampered with.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(report: Report) -> str:
    """The whole page.

    Parameters
    ----------
    report : Report
    """
    style = colour_rules() + (files("asc_edge.day_report") / "page.css").read_text(encoding="utf-8")
    body = "\n".join(
        [
            f"<h1>{_e(report.title)}</h1>",
            f'<p class="lead">{_e(report.lead)}</p>',
            _tiles(report),
            *(_figure(scene, caption, f"f{n}") for n, (scene, caption) in enumerate(report.figures)),
            _table_of_minutes(report),
            _table_of_gaps(report.days),
            _table_of_activities(report),
            f"<footer>{_e(report.about)} asc-edge {_e(__version__)}; no audio was stored.</footer>",
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_e(report.title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _e(text: str) -> str:
    return html.escape(text)


def _tiles(report: Report) -> str:
    tiles = "".join(
        f"<div><dt>{_e(term)}</dt><dd>{_e(value)}<small>{_e(more)}</small></dd></div>"
        for term, value, more in report.tiles
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _figure(scene: Scene, caption: str, name: str) -> str:
    head = f"<h2>{_e(scene.title)}</h2>"
    # What is wider than a telephone is pushed aside by a finger, or by the keys.
    drawing = f'<div class="wide" tabindex="0" role="region" aria-label="{_e(scene.title)}">'
    below = f"<figcaption>{_e(caption)}</figcaption>" if caption else ""
    return f"<figure>{head}{drawing}{scene.to_svg(name)}</div>{below}</figure>"


def _table_of_minutes(report: Report) -> str:
    totals = report.totals_ms
    known = report.usual.totals_ms if report.usual else {}
    changes = report.usual.changes_ms() if report.usual else {}
    several = len(report.days) > 1
    heads = ["Activity", *(f"{day.date:%a} {day.date.day}" for day in report.days if several), "Total"]
    heads += ["Usual", "Change"] if report.usual else []
    rows = []
    for activity in sorted({*totals, *known}, key=lambda one: -totals.get(one, 0)):
        ms, usual = totals.get(activity, 0), known.get(activity, 0)
        days = [_length(day.totals_ms().get(activity, 0)) for day in report.days if several]
        cells = [*days, _length(ms)] + (
            [_length(usual), words.change(changes.get(activity, 0))] if report.usual else []
        )
        rows.append((_key(activity, report.order), cells))
    if not rows:
        return ""
    return _section("Time per activity as a table", _table(heads, rows, _why_usual(report)))


def _table_of_gaps(days: Sequence[Day]) -> str:
    rows = [
        (
            _e(what),
            [f"{span_day.date:%a} {span_day.date.day}", words.range_of(span), words.length(span.length_ms)],
        )
        for span_day in days
        for what, spans in (("Not listening", span_day.off), ("Microphone lost", span_day.lost))
        for span in spans
    ]
    if not rows:
        return ""
    return _section("When nothing was heard", _table(["What", "Day", "When", "Length"], rows, ""))


def _table_of_activities(report: Report) -> str:
    rows = [
        (
            _key(part.activity, report.order),
            [
                f"{day.date:%a} {day.date.day}",
                words.range_of(part.span) + (", goes on" if part.going_on else ""),
                words.length(part.span.length_ms),
            ],
        )
        for day in report.days
        for part in day.parts
    ]
    if not rows:
        return ""
    table = _table(["Activity", "Day", "When", "Length"], rows, "")
    summary = f"All {len(rows)} activities" if len(rows) > 1 else "The one activity"
    return (
        f"<section><details><summary>{summary}</summary><div class='wide'>{table}</div></details></section>"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_e(title)}</h2><div class='wide'>{body}</div></section>"


def _table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], caption: str) -> str:
    """A table; the rows' heads are HTML already."""
    first, *others = heads
    head = f'<th scope="col">{_e(first)}</th>' + "".join(
        f'<th scope="col" class="number">{_e(text)}</th>' for text in others
    )
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f'<td class="number">{_e(cell)}</td>' for cell in cells)
        + "</tr>"
        for name, cells in rows
    )
    said = f"<caption>{_e(caption)}</caption>" if caption else ""
    size = ' class="many"' if len(heads) > 6 else ""
    return f"<table{size}>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _key(activity: str, order: Sequence[str]) -> str:
    return (
        f'<span class="key {colour_of(activity, order)}" aria-hidden="true"></span>{_e(words.name(activity))}'
    )


def _length(ms: int) -> str:
    return words.length(ms) if ms else "–"


def _why_usual(report: Report) -> str:
    if report.usual:
        return f"Usual is {report.usual_is}."
    return (
        f"What is usual is known when {USUAL_AT_LEAST} of the {USUAL_DAYS} days before "
        "(of the same kind: weekdays, or Saturdays and Sundays) were listened to."
    )
