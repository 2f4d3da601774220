"""The drawings of a report: the time line of a day or a week, and minutes per activity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from asc_edge.activities import colour_of
from asc_edge.day_report import words
from asc_edge.day_report.calendar import HOUR_MS, clock_changes, local, wall_hour
from asc_edge.day_report.facts import Day, Part, Usual, done_ms
from asc_edge.day_report.scene import Label, Line, Rect, Scene, shorten, text_width

__all__ = ["day_timeline", "legend", "minutes_chart", "two_letters", "week_timeline"]

WIDTH = 1040.0
LEFT = 152.0
RIGHT = 116.0
LANE = 38.0
BAR = 24.0
AXIS = 30.0
BOTTOM = 12.0
ROW = 52.0
RIBBON = 36.0
# That somebody was here is a thin bar: no activity, and under all of them.
PRESENCE_BAR = 8.0
# A short activity is still to be seen.
_THINNEST = 2.0
_PLOT = WIDTH - LEFT - RIGHT


def two_letters(order: Sequence[str]) -> dict[str, str]:
    """A sign of two letters for each activity, all of them different where that is possible."""
    signs: dict[str, str] = {}
    for activity in order:
        word = words.name(activity)
        wanted = [word[0] + letter for letter in word[1:] if letter.isalnum()] or [word[:2]]
        signs[activity] = next((sign for sign in wanted if sign not in signs.values()), wanted[0])
    return signs


def day_timeline(day: Day, order: Sequence[str]) -> Scene:
    """A lane for each activity over the hours of a day, of which there may be 23 or 25."""
    totals = day.totals_ms()
    lanes = sorted(totals, key=lambda activity: -totals[activity])
    bottom = AXIS + LANE * (max(1, len(lanes)) + day.tells_presence)
    title = f"Activities on {words.title_of(day.date)}"
    scene = Scene(WIDTH, bottom + BOTTOM, title, _day_in_words(day, totals))

    def x_of(ms: int) -> float:
        return LEFT + _PLOT * (ms - day.span.start_ms) / day.span.length_ms

    _hours_of_day(scene, day, x_of, bottom)
    _gaps(scene, day, x_of, AXIS, bottom - AXIS, words_in=True)
    for number, activity in enumerate(lanes):
        middle = AXIS + LANE * (number + 0.5)
        label = shorten(words.name(activity), LEFT - 34, 14)
        scene.shapes.append(Rect(0, middle - 6, 12, 12, colour_of(activity, order), 3))
        scene.shapes.append(Label(20, middle + 5, label, size=14, bold=True))
        total = Label(WIDTH, middle + 5, words.length(totals[activity]), size=14, anchor="end")
        scene.shapes.append(total)
        for part in day.parts:
            if part.activity == activity:
                scene.shapes.append(_bar(part, x_of, middle - BAR / 2, BAR, order))
    if day.tells_presence:
        _presence_lane(scene, day, x_of, bottom - LANE / 2)
    if not lanes:
        scene.shapes.append(_nothing(day, AXIS + LANE))
    if not day.over:
        _now(scene, x_of(day.until_ms), bottom)
    return scene


def week_timeline(days: Sequence[Day], order: Sequence[str]) -> Scene:
    """A ribbon for each day over the 24 hours of a clock face."""
    bottom = AXIS + ROW * len(days)
    first, last = days[0].date, days[-1].date
    title = f"Activities from {words.title_of(first)} to {words.title_of(last)}"
    text = " ".join(_day_in_words(day, day.totals_ms()) for day in days)
    scene = Scene(WIDTH, bottom + BOTTOM, title, text)
    for hour in range(0, 25, 2):
        x = LEFT + _PLOT * hour / 24
        scene.shapes.append(Line(x, AXIS, x, bottom, "grid"))
        scene.shapes.append(Label(x, AXIS - 12, f"{hour:02d}", "muted", 12, "middle"))
    for number, day in enumerate(days):
        _ribbon(scene, day, AXIS + ROW * number, order)
    return scene


def minutes_chart(totals: Mapping[str, int], usual: Usual | None, order: Sequence[str]) -> Scene:
    """A bar for each activity, with a mark where it usually ends, if that is known."""
    known = usual.totals_ms if usual else {}
    names = sorted({*totals, *known}, key=lambda name: (-totals.get(name, 0), -known.get(name, 0), name))
    longest = max([*totals.values(), *known.values(), 1])
    scene = Scene(WIDTH, LANE * max(1, len(names)) + BOTTOM, "Time per activity", "")
    plot = WIDTH - LEFT - 330
    told = []
    for number, activity in enumerate(names):
        ms, middle = totals.get(activity, 0), LANE * (number + 0.5)
        width = max(_THINNEST, plot * ms / longest) if ms else 0.0
        label = shorten(words.name(activity), LEFT - 12, 14)
        scene.shapes.append(Label(0, middle + 5, label, size=14, bold=True))
        scene.shapes.append(Rect(LEFT, middle - BAR / 2, plot, BAR, "track", 4))
        if ms:
            scene.shapes.append(Rect(LEFT, middle - BAR / 2, width, BAR, colour_of(activity, order), 4))
        said = words.length(ms) if ms else "none"
        scene.shapes.append(Label(LEFT + plot + 16, middle + 5, said, size=14, bold=True))
        if usual:
            at = LEFT + plot * known.get(activity, 0) / longest
            scene.shapes.append(Line(at, middle - BAR / 2 - 4, at, middle + BAR / 2 + 4, "ink", 2.5))
            change = words.change(usual.changes_ms()[activity])
            arrow = {"more": "▲ ", "less": "▼ "}.get(change[-4:], "")
            scene.shapes.append(Label(WIDTH, middle + 5, arrow + change, "muted", 14, "end"))
            said += f", {change}" + (" than usual" if arrow else "")
        told.append(f"{words.name(activity)}: {said}.")
    return Scene(scene.width, scene.height, scene.title, " ".join(told), scene.shapes)


def _hours_of_day(scene: Scene, day: Day, x_of: Callable[[int], float], bottom: float) -> None:
    for ms in range(day.span.start_ms, day.span.end_ms + 1, HOUR_MS):
        hour = "24" if ms == day.span.end_ms else f"{local(ms):%H}"
        if int(hour) % 2 == 0:
            scene.shapes.append(Line(x_of(ms), AXIS - 4, x_of(ms), bottom, "grid"))
            scene.shapes.append(Label(x_of(ms), AXIS - 12, hour, "muted", 12, "middle"))
    for ms, minutes in clock_changes(day.span):
        scene.shapes.append(Line(x_of(ms), AXIS, x_of(ms), bottom, "muted", 1.5))
        text = f"clocks {'forward' if minutes > 0 else 'back'}"
        scene.shapes.append(Label(x_of(ms) + 4, bottom + 10, text, "muted", 11))


def _gaps(
    scene: Scene, day: Day, x_of: Callable[[int], float], y: float, height: float, *, words_in: bool
) -> None:
    for kind, spans in (("off", day.off), ("lost", day.lost)):
        said = "not listening" if kind == "off" else "microphone lost"
        for span in spans:
            x, width = x_of(span.start_ms), max(1.0, x_of(span.end_ms) - x_of(span.start_ms))
            tip = f"{said}, {words.range_of(span)} ({words.length(span.length_ms)})"
            scene.shapes.append(Rect(x, y, width, height, kind, 0, tip))
            if words_in and width > text_width(said, 12) + 16:
                back = text_width(said, 12) + 14
                scene.shapes.append(Rect(x + width / 2 - back / 2, y + 6, back, 20, "card", 10))
                scene.shapes.append(Label(x + width / 2, y + 20, said, "muted", 12, "middle"))


def _bar(part: Part, x_of: Callable[[int], float], y: float, height: float, order: Sequence[str]) -> Rect:
    x = x_of(part.span.start_ms)
    until = " and goes on" if part.going_on else ""
    tip = (
        f"{words.name(part.activity)}, {words.range_of(part.span)}{until} "
        f"({words.length(part.span.length_ms)})"
    )
    width = max(_THINNEST, x_of(part.span.end_ms) - x)
    return Rect(x, y, width, height, colour_of(part.activity, order), 3, tip)


def _presence_lane(scene: Scene, day: Day, x_of: Callable[[int], float], middle: float) -> None:
    scene.shapes.append(Label(20, middle + 5, "Somebody here", "muted", size=14))
    total = Label(WIDTH, middle + 5, words.length(day.present_ms), "muted", size=14, anchor="end")
    scene.shapes.append(total)
    for span in day.present:
        x = x_of(span.start_ms)
        width = max(_THINNEST, x_of(span.end_ms) - x)
        tip = f"somebody here, {words.range_of(span)} ({words.length(span.length_ms)})"
        scene.shapes.append(Rect(x, middle - PRESENCE_BAR / 2, width, PRESENCE_BAR, "muted", 3, tip))


def _nothing(day: Day, bottom: float) -> Label:
    said = "no activity was recognised" if day.listened_ms else "nobody listened"
    return Label(LEFT + _PLOT / 2, (AXIS + bottom) / 2 + 16, said, "muted", 14, "middle")


def _now(scene: Scene, x: float, bottom: float) -> None:
    scene.shapes.append(Line(x, AXIS - 6, x, bottom, "now", 2))
    scene.shapes.append(Label(x + 5, bottom + 10, "now", "now", 11))


def _ribbon(scene: Scene, day: Day, y: float, order: Sequence[str]) -> None:
    def x_of(ms: int) -> float:
        return LEFT + _PLOT * (24.0 if ms >= day.span.end_ms else wall_hour(ms)) / 24.0

    top = y + (ROW - RIBBON) / 2
    codes = two_letters(order)
    weekend = "muted" if day.date.weekday() >= 5 else "ink"
    scene.shapes.append(Label(0, top + 16, f"{day.date:%A}", weekend, 14, bold=True))
    scene.shapes.append(Label(0, top + 32, f"{day.date.day} {day.date:%B}", "muted", 12))
    scene.shapes.append(Rect(LEFT, top, _PLOT, RIBBON, "track", 4))
    _gaps(scene, day, x_of, top, RIBBON, words_in=False)
    for part in day.parts:
        bar = _bar(part, x_of, top, RIBBON, order)
        scene.shapes.append(bar)
        word = words.name(part.activity)
        if text_width(word, 11) > bar.width - 6:
            word = codes.get(part.activity, "")
        if text_width(word, 11) <= bar.width - 2:
            middle = bar.x + bar.width / 2
            scene.shapes.append(Label(middle, top + RIBBON / 2 + 4, word, "on-bar", 11, "middle"))
    for ms, minutes in clock_changes(day.span):
        sign = "+" if minutes > 0 else "−"
        scene.shapes.append(Label(x_of(ms), top + RIBBON + 9, f"clocks {sign}{abs(minutes)} min", "muted", 9))
    if day.elapsed_ms:
        known = sum(done_ms(day.totals_ms()).values())
        scene.shapes.append(Label(WIDTH, top + 16, words.length(known), size=14, anchor="end"))
        heard = f"of {words.length(day.listened_ms)}"
        scene.shapes.append(Label(WIDTH, top + 32, heard, "muted", 12, "end"))


def _day_in_words(day: Day, totals: Mapping[str, int]) -> str:
    spent = ", ".join(
        f"{words.name(activity)} {words.length(ms)}"
        for activity, ms in sorted(totals.items(), key=lambda pair: -pair[1])
    )
    parts = [f"{words.title_of(day.date)}: {spent or 'no activity'}."]
    if day.tells_presence:
        parts.append(f"Somebody here for {words.length(day.present_ms)}.")
    for kind, spans in (("Not listening", day.off), ("Microphone lost", day.lost)):
        total = sum(span.length_ms for span in spans)
        if total:
            parts.append(f"{kind} for {words.length(total)}.")
    return " ".join(parts)


def legend(activities: Sequence[str], order: Sequence[str], *, off: bool, lost: bool) -> Scene:
    """Which colour is which activity, and what the hatchings mean."""
    codes = two_letters(order)
    entries = [
        (colour_of(activity, order), codes.get(activity, ""), words.name(activity)) for activity in activities
    ]
    entries += [("off", "", "not listening")] * off + [("lost", "", "microphone lost")] * lost
    scene = Scene(WIDTH, 0.0, "Legend", ", ".join(text for _, _, text in entries))
    x, y = 0.0, 8.0
    for paint, code, text in entries:
        width = 48 + text_width(text, 13)
        if x + width > WIDTH:
            x, y = 0.0, y + 26
        scene.shapes.append(Rect(x, y - 1, 22, 17, paint, 3))
        scene.shapes.append(Label(x + 11, y + 12, code, "on-bar", 11, "middle"))
        scene.shapes.append(Label(x + 29, y + 12, text, size=13))
        x += width
    return Scene(WIDTH, y + 24, scene.title, scene.text, scene.shapes)
