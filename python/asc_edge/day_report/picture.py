"""The report as a PNG picture; needs Pillow."""

from __future__ import annotations

import io
import re
from importlib.resources import files
from typing import Any

from asc_edge.activities import colour_rules
from asc_edge.day_report.report import Report
from asc_edge.day_report.scene import Label, Line, Rect, Scene
from asc_edge.errors import ReportError

__all__ = ["to_png"]

SCALE = 2
MARGIN = 40.0


def to_png(report: Report) -> bytes:
    """The drawings of a report under its title, in the colours of a light page.

    Parameters
    ----------
    report : Report

    Raises
    ------
    ReportError
        When Pillow isn't installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise ReportError(
            "a PNG needs Pillow (pip install 'asc-edge[report]'); .html needs nothing"
        ) from None
    scenes = [scene for scene, _ in report.figures]
    width = max(scene.width for scene in scenes) + 2 * MARGIN
    head = 108.0
    height = head + sum(scene.height + 56 for scene in scenes) + MARGIN / 2
    colours = _light_palette()
    image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), colours["card"])
    pen = _Pen(ImageDraw.Draw(image), colours)
    pen.label(Label(MARGIN, 52, report.title, size=28, bold=True), 0, 0)
    pen.label(Label(MARGIN, 80, report.lead, "muted", 15), 0, 0)
    y = head
    for scene in scenes:
        pen.label(Label(MARGIN, y + 14, scene.title, size=16, bold=True), 0, 0)
        pen.scene(scene, MARGIN, y + 34)
        y += scene.height + 56
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _light_palette() -> dict[str, str]:
    """The colours of each style sheet's first rule, which is the light one."""
    page = (files("asc_edge.day_report") / "page.css").read_text(encoding="utf-8")
    light = "".join(style.partition("@media")[0] for style in (colour_rules(), page))
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))


class _Pen:
    """Draws shapes with Pillow, which knows neither hatchings nor bold letters."""

    def __init__(self, draw: Any, colours: dict[str, str]) -> None:
        self._draw = draw
        self._colours = colours

    def scene(self, scene: Scene, x: float, y: float) -> None:
        for shape in scene.shapes:
            if isinstance(shape, Rect):
                self.rect(shape, x, y)
            elif isinstance(shape, Line):
                ends = [(shape.x1 + x, shape.y1 + y), (shape.x2 + x, shape.y2 + y)]
                self._draw.line(
                    [_scaled(end) for end in ends], self._colours[shape.paint], round(shape.width * SCALE)
                )
            else:
                self.label(shape, x, y)

    def rect(self, shape: Rect, x: float, y: float) -> None:
        corners = [
            *_scaled((shape.x + x, shape.y + y)),
            *_scaled((shape.x + shape.width + x, shape.y + shape.height + y)),
        ]
        if shape.paint == "off":
            self._draw.rectangle(corners, self._colours["off-ground"])
            self._stripes(corners)
        elif shape.paint == "lost":
            self._draw.rectangle(corners, self._colours["lost-ground"])
            self._dots(corners)
        else:
            radius = round(min(shape.radius, shape.width / 2) * SCALE)
            self._draw.rounded_rectangle(corners, radius, self._colours[shape.paint])

    def label(self, shape: Label, x: float, y: float) -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(shape.size * SCALE)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
        weight = {"stroke_width": 0.5} if shape.bold else {}
        # Pillow's own face has no arrows.
        text = shape.text.removeprefix("▲ ").removeprefix("▼ ")
        self._draw.text(
            _scaled((shape.x + x, shape.y + y)),
            text,
            self._colours[shape.paint],
            font,
            anchor=anchor,
            **weight,
        )

    def _stripes(self, corners: list[int]) -> None:
        left, top, right, bottom = corners
        step = 10 * SCALE // 2 + SCALE
        for start in range(left - (bottom - top), right, step):
            # The part of a rising diagonal that lies inside.
            first = max(start, left)
            last = min(start + bottom - top, right)
            if first < last:
                ends = [(first, bottom - (first - start)), (last, bottom - (last - start))]
                self._draw.line(ends, self._colours["off"], SCALE)

    def _dots(self, corners: list[int]) -> None:
        left, top, right, bottom = corners
        step = 6 * SCALE
        for at_x in range(left + step // 2, right - SCALE, step):
            for at_y in range(top + step // 2, bottom - SCALE, step):
                self._draw.ellipse(
                    [at_x - SCALE, at_y - SCALE, at_x + SCALE, at_y + SCALE], self._colours["lost"]
                )


def _scaled(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * SCALE), round(point[1] * SCALE)
