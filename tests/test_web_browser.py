"""The page in a real Chromium: live data, restarts, the token, and who can't see or use a mouse."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asc_edge.audio.demo import DemoSource
from asc_edge.bundle import Bundle
from asc_edge.events import Event
from asc_edge.monitor import Monitor
from asc_edge.pipeline import Pipeline
from asc_edge.sinks import Notice
from asc_edge.web import WebSettings, open_web
from web_pages import STATS, TOKEN, a_decision, a_glimpse, a_session, port_of, served

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
SLOW_MS = 15_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("pip install playwright")
    if not CHROMIUM.exists():
        _missing("apt install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def _missing(what: str) -> None:
    message = f"no browser without: {what}"
    # Where the project is proven, a test that can't run has not passed.
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Watched:
    """A page, and all that goes wrong in it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SLOW_MS)
        self.trouble: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self.page.on("response", self._answered)

    def _answered(self, answer: Any) -> None:
        if answer.status >= 400:
            self.trouble.append(f"{answer.status} {answer.url}")

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.trouble.append(message.text)


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    one = Watched(browser)
    yield one
    one.context.close()


def _text(page: Any, place: str, words: str) -> None:
    page.locator(place, has_text=re.compile(words)).wait_for()


def _painted(page: Any) -> int:
    """How many colours the picture of the sound has."""
    return page.evaluate(
        """() => {
            const canvas = document.getElementById("spectrogram");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const colours = new Set();
            for (let at = 0; at < data.length; at += 4) {
                if (data[at + 3]) colours.add(data.slice(at, at + 3).join());
            }
            return colours.size;
        }"""
    )


def test_a_running_monitor_is_seen(watched: Watched, tiny_bundle: Path) -> None:
    # Catches a page that only works with data that were written for it.
    sink = open_web(WebSettings(port=0), print, configuration={"listen": {"hop_s": 0.5}})
    monitor = Monitor(DemoSource(), Pipeline(Bundle.open(tiny_bundle), channels=4), [sink], duration_s=7.0)
    listening = threading.Thread(target=monitor.run)
    listening.start()
    try:
        page = watched.page
        page.goto(sink.url)
        _text(page, "#link-text", "^Live$")
        _text(page, "#activity", "^(Low|Mid|High)$")
        _text(page, "#since-start", r"^since \d\d:\d\d$")
        _text(page, "#bars .top-one .value", r"\d+ %")
        assert page.locator("#levels li").count() == 4
        _text(page, "#levels li:first-child .value", r"−\d+ dB")
        page.wait_for_timeout(700)
        assert _painted(page) > 50
        assert "dB" in page.locator("#spectrogram").get_attribute("aria-label")
        _text(page, "#axis-y", "1 kHz")
        _text(page, "#totals", "Low|Mid|High")
        _text(page, "#health", "arrives")
        page.get_by_text("Configuration").click()
        _text(page, "#configuration", "listen.hop_s")
        assert "synthetic" in page.locator("#source").inner_text()
    finally:
        listening.join()
    _text(watched.page, "#activity", "^Stopped$")
    assert watched.hosts == {f"127.0.0.1:{port_of(sink)}"}
    assert [one for one in watched.trouble if "ERR_CONNECTION_REFUSED" not in one] == []


def test_it_comes_back_after_a_restart(watched: Watched) -> None:
    # Catches a page that must be loaded anew after each update of the device.
    with served() as sink:
        port = port_of(sink)
        watched.page.goto(sink.url)
        sink.event(Event("cooking", 0.0))
        sink.decision(a_decision(5.0))
        sink.glimpse(a_glimpse(5.0))
        _text(watched.page, "#activity", "^Cooking$")
        assert watched.trouble == []
    _text(watched.page, "#activity", "^Stopped$")
    _text(watched.page, "#link-text", "^Connection lost")
    with served(port=port) as sink:
        _text(watched.page, "#link-text", "^Live$")
        sink.event(Event("working", 0.0))
        sink.decision(a_decision(5.0, "working"))
        _text(watched.page, "#activity", "^Working$")


def test_what_happens_to_the_input_is_said(watched: Watched) -> None:
    # Catches an activity that seems to go on for hours after the microphone has gone.
    with served() as sink:
        watched.page.goto(sink.url)
        _text(watched.page, "#activity", "^Listening$")
        sink.event(Event("cooking", 0.0))
        sink.decision(a_decision(5.0))
        sink.glimpse(a_glimpse(5.0))
        _text(watched.page, "#activity", "^Cooking$")
        _text(watched.page, "#levels li:nth-child(2) .status", "^no sound$")
        sink.decision(a_decision(6.0, top=None, posterior={}, state="silent"))
        _text(watched.page, "#now-hint", "^Quiet at the moment$")
        sink.notice(Notice("input_lost", 7.0, "the microphone is gone"))
        _text(watched.page, "#activity", "^Microphone lost$")
        assert watched.page.locator("#notices li").text_content().endswith("the microphone is gone")
        sink.notice(Notice("input_back", 9.0, "the microphone is back"))
        sink.decision(a_decision(10.0))
        _text(watched.page, "#activity", "^Cooking$")
        sink.decision(a_decision(11.0, top=None, posterior={}, state="no_input"))
        sink.event(Event("cooking", 0.0, 11.0))
        _text(watched.page, "#activity", "^No sound arrives$")
        assert watched.trouble == []


def test_presence_and_unknown_sounds_are_seen(watched: Watched) -> None:
    # Catches a page that shows presence as an activity or never, and unknown sounds in a label's colour.
    with served() as sink:
        page = watched.page
        page.goto(sink.url)
        sink.event(Event("cooking", 0.0))
        sink.decision(a_decision(5.0))
        _text(page, "#activity", "^Cooking$")
        assert page.locator("#presence").inner_text() == ""
        sink.event(Event("presence", 5.0))
        _text(page, "#presence", r"^Somebody is here, since \d\d:\d\d$")
        _text(page, "#activity", "^Cooking$")
        sink.event(Event("cooking", 0.0, 20.0))
        sink.event(Event("unknown", 20.0))
        _text(page, "#activity", "^Unknown$")
        assert "c9" in page.locator("#now").get_attribute("class").split()
        _text(page, "#totals .c1", "Cooking")
        bar = page.evaluate(
            "getComputedStyle(document.querySelector('#bars .c1 .bar > span')).backgroundColor"
        )
        key = page.evaluate(
            "getComputedStyle(document.querySelector('#totals .c1'), '::before').backgroundColor"
        )
        assert bar == key != "rgba(0, 0, 0, 0)"
        sink.event(Event("presence", 5.0, 60.0))
        _text(page, "#presence", "^Nobody was heard since")
        sink.notice(Notice("input_lost", 70.0, "the microphone is gone"))
        _text(page, "#activity", "^Microphone lost$")
        assert page.locator("#presence").text_content() == ""
        assert watched.trouble == []


def test_labels_are_text_and_never_markup(watched: Watched) -> None:
    # Catches a bundle or a microphone's name that runs as a script in the page.
    bad = "<img src=x onerror=alert(1)>"
    settings = open_web(WebSettings(port=0), print, configuration={bad: bad})
    settings.start(a_session(labels=(bad, "other"), source_name=bad))
    settings.event(Event(bad, 0.0))
    settings.decision(a_decision(5.0, top=bad, posterior={bad: 0.9, "other": 0.1}))
    watched.page.goto(settings.url)
    _text(watched.page, "#activity", "^<img")
    _text(watched.page, "#source", "<img")
    assert watched.page.locator("img[src=x]").count() == 0
    assert watched.trouble == []
    settings.stats(STATS)


def test_the_door(watched: Watched, tmp_path: Path) -> None:
    # Catches a wrong token without a word, a right one that is forgotten, and one that ends up in an address.
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    page = watched.page
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    with served(token_file) as sink:
        page.goto(sink.url)
        field = page.get_by_label("Token")
        field.fill("not the token")
        page.keyboard.press("Enter")
        page.get_by_role("alert").filter(has_text="That is not the token").wait_for()
        assert page.locator("#page").is_hidden()
        assert [one for one in watched.trouble if "401" not in one] == []
        watched.trouble.clear()
        field.fill(TOKEN)
        page.get_by_role("button", name="Look in").click()
        _text(page, "#link-text", "^Live$")
        page.reload()
        _text(page, "#link-text", "^Live$")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        field.wait_for()
        page.reload()
        field.wait_for()
    assert watched.trouble == []
    assert not [address for address in addresses if TOKEN in address]


def test_days_are_walked_with_the_keyboard(watched: Watched) -> None:
    # Catches buttons that only a mouse can reach, and days of the browser's zone instead of the home's.
    with served() as sink:
        page = watched.page
        page.goto(sink.url)
        _text(page, "#totals", "No activity")
        today = page.locator("#day-choice").input_value()
        assert page.locator("#day-after").is_disabled()
        page.locator("#day-before").focus()
        page.keyboard.press("Enter")
        page.locator("#day-title", has_not_text="Today").wait_for()
        assert page.locator("#day-choice").input_value() < today
        page.get_by_role("button", name="Today").press("Enter")
        page.locator("#day-title", has_text="Today").wait_for()
        assert page.locator("#day-choice").input_value() == today
        assert watched.trouble == []


# Text against what lies behind it, by the formula of WCAG 2.2; returns what is too faint.
_FAINT = """() => {
    const light = (rgb) => {
        const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const found = colour(getComputedStyle(node).backgroundColor);
            if (found.length < 4 || found[3] > 0) return found.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = walker.nextNode()); ) {
        const node = text.parentElement;
        const hidden = !node.checkVisibility() || node.closest(":disabled, .unseen, noscript");
        if (!text.data.trim() || hidden) continue;
        const [one, other] = [light(colour(getComputedStyle(node).color).slice(0, 3)), light(behind(node))];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${text.data.trim()}`);
    }
    for (const fill of document.querySelectorAll(".bar > span, .track > span:not(.ahead)")) {
        const style = getComputedStyle(fill).backgroundColor;
        const [one, other] = [light(colour(style)), light(behind(fill.parentElement))];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 3) faint.push(`${ratio.toFixed(2)} ${style}`);
    }
    return faint;
}"""

# What assistive technology can't name.
_NAMELESS = """() => {
    const wrong = [];
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    wrong.push(...ids.filter((id, place) => ids.indexOf(id) !== place).map((id) => `twice: ${id}`));
    const named = (node) => node.getAttribute("aria-label") || node.labels?.length || node.textContent.trim();
    for (const node of document.querySelectorAll("button, input, [role=img], [role=meter], summary")) {
        if (!named(node)) wrong.push(`no name: ${node.outerHTML.slice(0, 80)}`);
    }
    for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
        for (const key of ["aria-labelledby", "aria-describedby"]) {
            const id = node.getAttribute(key);
            if (id && !document.getElementById(id)) wrong.push(`points nowhere: ${id}`);
        }
    }
    for (const node of document.querySelectorAll("img")) if (!node.hasAttribute("alt")) wrong.push("no alt");
    for (const node of document.querySelectorAll("canvas")) {
        if (!node.ariaHidden && !node.ariaLabel) wrong.push(`canvas ${node.id}`);
    }
    if (!document.querySelector("h1") || !document.documentElement.lang) wrong.push("no heading or language");
    if (document.querySelectorAll("main:not([hidden])").length !== 1) wrong.push("not one main part");
    const live = document.querySelectorAll("[aria-live=polite]");
    if (live.length !== 1) wrong.push("not one live region");
    if (live[0].contains(document.getElementById("since-span"))) wrong.push("read out each second");
    return wrong;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_everybody_can_use_it(browser: Any, scheme: str, width: int) -> None:
    # Catches faint text, nameless controls, motion that was not wanted, and sideways scrolling on a phone.
    watched = Watched(
        browser,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        forced_colors="none",
    )
    labels = (*(f"activity_{number}" for number in range(8)), "other")
    sink = open_web(
        WebSettings(port=0), print, configuration={"a_rather_long_section": {"key": "value " * 30}}
    )
    sink.start(a_session(labels=labels))
    for number, label in enumerate(labels):
        sink.event(Event(label, float(number), number + 1.0))
    sink.event(Event("activity_1", 20.0))
    sink.decision(a_decision(21.0, labels[1], posterior=dict.fromkeys(labels, 1 / 9)))
    sink.glimpse(a_glimpse(21.0))
    sink.notice(Notice("gap", 22.0, "0.4 s of audio are missing", {"lost_s": 0.4}))
    page = watched.page
    page.goto(sink.url)
    _text(page, "#activity", "^Activity 1$")
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate(_FAINT) == []
    assert page.evaluate(_NAMELESS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.getAnimations().length") == 0
    assert _painted(page) > 20
    assert watched.trouble == []
    watched.context.close()
    sink.stats(STATS)
