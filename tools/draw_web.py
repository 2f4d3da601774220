"""Draw the web page as it looks at the end of the demonstration scene, light and dark.

    draw_web.py FOLDER [--phone]

Sounds and decisions are the demonstration's. The hours before it are made up, so that the day isn't empty.
Needs playwright and Chromium (``CHROMIUM`` names another one than /usr/bin/chromium).
"""

from __future__ import annotations

import argparse
import io
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from asc_edge.audio.demo import DemoSource
from asc_edge.audio.samples import Samples
from asc_edge.cli.options import open_bundle
from asc_edge.monitor import Monitor
from asc_edge.pipeline import Pipeline
from asc_edge.sinks import utc_now
from asc_edge.web import WebSettings, open_web
from asc_edge.web.history import PastActivity

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Minutes before now at which it began, and how long it went on.
MADE_UP = (
    ("working", 700, 95),
    ("cooking", 590, 40),
    ("eating", 548, 22),
    ("dishwashing", 524, 14),
    ("working", 505, 150),
    ("vacuum_cleaner", 340, 25),
    ("social_activity", 300, 110),
    ("cooking", 180, 50),
    ("eating", 128, 35),
    ("dishwashing", 90, 18),
    ("social_activity", 66, 48),
)
SIZES = {"web": (1280, 900), "phone": (390, 844)}
ACTIVITY = "Watching tv"


class MadeUpDay:
    """Activities of the last hours."""

    def __init__(self, now: datetime) -> None:
        self._activities = [
            PastActivity(
                name, now - timedelta(minutes=before), now - timedelta(minutes=before - lasted, seconds=40)
            )
            for name, before, lasted in MADE_UP
        ]

    def events_between(self, start: datetime, end: datetime) -> list[PastActivity]:
        return [one for one in self._activities if one.start < end and (one.end or end) > start]


class HeldDemo(DemoSource):
    """The demonstration, which stands still before its end until all is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = threading.Event()

    def blocks(self) -> Iterator[Samples]:
        yield from super().blocks()
        self.drawn.wait()


def draw(page: Page, path: Path) -> None:
    """Write a picture of the whole page, in few enough colours to be small."""
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    shot.convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the web page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phone", action="store_true", help="at a phone's width, too")
    args = parser.parse_args()
    bundle = open_bundle("home")
    sink = open_web(
        WebSettings(port=0),
        print,
        history=MadeUpDay(utc_now()),
        configuration={"web": {"host": "127.0.0.1", "port": 8420}, "listen": {"hop_s": bundle.hop_s}},
    )
    demo = HeldDemo()
    listening = threading.Thread(target=Monitor(demo, Pipeline(bundle, channels=4), [sink]).run, daemon=True)
    listening.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        views = []
        for size in ["web", "phone"] if args.phone else ["web"]:
            for scheme in ("light", "dark"):
                width, height = SIZES[size]
                page = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    reduced_motion="reduce",
                    device_scale_factor=2 if size == "phone" else 1,
                )
                page.goto(sink.url)
                views.append((page, args.folder / f"{size}-{scheme}.png"))
        for page, path in views:
            page.locator("#activity", has_text=ACTIVITY).wait_for(timeout=90_000)
            draw(page, path)
        browser.close()
    demo.drawn.set()
    listening.join()


if __name__ == "__main__":
    main()
