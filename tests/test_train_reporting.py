"""Pages of finished runs: what stands on them, odd names, and the same bytes again."""

from __future__ import annotations

import io
import json
import re
import time
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from asc_edge.errors import UsageError
from asc_edge_train.figures import answers, interval_table, paired_difference
from asc_edge_train.reporting import draw_history, draw_report
from asc_edge_train.reporting.charts import class_chart, confusion_chart, picture
from asc_edge_train.reporting.document import Heading, Picture, Table, Text, to_markdown
from asc_edge_train.reporting.drawing import drawing_style, new_figure
from asc_edge_train.reporting.facts import complete_report, signed
from asc_edge_train.reporting.learning import history_chart
from train_runs import ODD_LABELS, run_arrays, run_history, run_report

LABELS = ["absence", "cooking", "dishwashing"]
SKILLS = {"crnn": 0.6, "svm": 0.5, "late": 0.8}


class Page(HTMLParser):
    """Tags, attributes, texts, and tables as rows of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._cell:
            self.rows[-1][-1] += data

    def row(self, name: str, place: int = 0) -> list[str]:
        return [row for row in self.rows if row and row[0] == name][place]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Everything that is drawn from a run with an evaluation part and learning curves."""
    arrays = run_arrays(LABELS, SKILLS, evaluation=24)
    return draw_report(run_report(arrays, LABELS), arrays, run_history(), tmp_path_factory.mktemp("pages"))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages whose words are looked at don't wait for matplotlib."""

    def empty(file: str, alt: str, _draw: object, caption: str = "") -> Picture:
        return Picture(file, alt, b"", "<svg></svg>", caption)

    monkeypatch.setattr("asc_edge_train.reporting.report_page.picture", empty)


def draw(tmp_path: Path, report: dict[str, Any], *more: Any) -> tuple[str, Page]:
    """Markdown text and parsed page of a report."""
    paths = draw_report(report, *(more or (None, None)), tmp_path)
    assert all(path.is_file() for path in paths)
    return paths[1].read_text(encoding="utf-8"), Page(paths[2].read_text(encoding="utf-8"))


# Catches: dates, versions or addresses of objects in a page; a user's own matplotlib settings in a picture.
def test_same_inputs_give_same_bytes(pages: list[Path], tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, SKILLS, evaluation=24)
    report = run_report(arrays, LABELS)
    with mpl.rc_context({"font.size": 23.0, "axes.facecolor": "red", "svg.fonttype": "path"}):
        second = draw_report(report, arrays, run_history(), tmp_path / "b")
    assert [path.name for path in pages] == [path.name for path in second]
    for one, other in zip(pages, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert {path.name for path in second} == {path.name for path in (tmp_path / "b").iterdir()}
    assert json.loads(second[0].read_text()) == report


# Catches: labels and titles that become markup, a column too many by a "|", emphasis by "_" and "*".
def test_odd_names_stand_as_they_are(tmp_path: Path) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    arrays = run_arrays(ODD_LABELS, SKILLS, evaluation=40)
    report = run_report(arrays, ODD_LABELS, summary="Tom & <i>Jerry</i> &amp; $x$", caveats=["a_b, *c*\n# d"])
    report["systems"][0]["title"] = 'CRNN <script>alert("1")</script>'
    markdown, page = draw(tmp_path, report, arrays, run_history())
    rendered = Page(markdown_it.MarkdownIt("commonmark").enable("table").render(markdown))
    for found in (page, rendered):
        assert not {tag for tag, _ in found.tags} & {"b", "i", "em", "script"}
        names = [row[0] for row in found.rows]
        assert set(ODD_LABELS) <= set(names)
        widths = {len(found.row(label)) for label in ODD_LABELS}
        assert widths == {9}
        assert 'CRNN <script>alert("1")</script>' in names
        assert "Tom & <i>Jerry</i> &amp; $x$." in "".join(found.texts)
        assert "a_b, *c* # d" in "".join(found.texts)


# Catches: pages that fetch something or run something, pictures without words, references to other ids.
def test_page_needs_nothing_else(pages: list[Path]) -> None:
    text = pages[2].read_text(encoding="utf-8")
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert not re.search(r"@import|url\((?!#)|https?://(?!www\.w3\.org/)", text)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', text)) <= set(ids)
    pictures = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    assert len(pictures) == text.count("<svg ") == 6
    assert all(len(one["aria-label"]) > 20 for one in pictures)
    markdown = pages[1].read_text(encoding="utf-8")
    assert re.findall(r"\]\(<([^>]+)>\)", markdown) == [path.name for path in pages[3:]]


# Catches: black drawn on a dark page, a colour variable that the page doesn't define.
def test_pictures_take_the_colours_of_the_page(pages: list[Path]) -> None:
    text = pages[2].read_text(encoding="utf-8")
    head, body = text.split("</style>", 1)
    assert not re.findall(r"#[0-9a-fA-F]{6}\b|fill: black", body)
    light, dark, printed = (block.split("}")[0] for block in head.split(":root {")[1:])
    for name in set(re.findall(r"var\(--(\w+)\)", text)):
        assert all(f"--{name}:" in block for block in (light, dark, printed)), name


@pytest.mark.usefixtures("no_pictures")
def test_smoke_run_is_called_one_everywhere(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, SKILLS)
    report = run_report(arrays, LABELS, smoke=True)
    markdown, page = draw(tmp_path, report)
    assert markdown.startswith("# SMOKE RUN")
    assert "> **A SMOKE RUN: it shows that every stage works" in markdown
    assert any(attributes.get("class") == "notice" for _, attributes in page.tags)
    assert "<title>SMOKE RUN: made" in (tmp_path / "made.html").read_text()
    markdown, _ = draw(tmp_path, {**report, "smoke": False})
    assert "smoke" not in markdown.lower()


# Catches: the paper's figures in another system's row, a system that only the paper has left out.
@pytest.mark.usefixtures("no_pictures")
def test_paper_stands_beside_ours(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, SKILLS, evaluation=24)
    report = run_report(arrays, LABELS)
    _, page = draw(tmp_path, report)
    header = page.row("system")
    test, dev = header.index("paper: test macro‑F1\xa0%"), header.index("paper: dev")
    assert page.row("CRNN")[test] == "79.3"
    assert page.row("SVM")[test] == page.row("LATE")[test] == "–"
    assert page.row("PANN (not run here)")[test] == "84.6"
    assert page.row("PANN (not run here)")[dev] == "below 78.8"
    assert page.row("PANN (not run here)")[1] == "–"
    unknown = header.index("evaluation, unknown: macro‑F1\xa0%")
    figures = report["systems"][0]["evaluation"]["unknown"]
    low, high = figures["interval"]["macro_f1"]
    expected = f"{100 * figures['macro_f1']:.1f} ({100 * low:.1f}–{100 * high:.1f})"
    assert page.row("CRNN")[unknown] == expected


# Catches: the system that the page is about picked by its place, members before fusions.
@pytest.mark.usefixtures("no_pictures")
def test_chosen_system_stands_first(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, {"crnn": 0.5, "pair": 0.6, "all": 0.7})
    report = run_report(arrays, LABELS, fusions=("pair", "all"))
    _, page = draw(tmp_path, report)
    assert [row[0] for row in page.rows[1:4]] == ["PAIR", "ALL", "CRNN"]
    markdown, page = draw(tmp_path, {**report, "chosen": "all"})
    assert [row[0] for row in page.rows[1:4]] == ["ALL", "PAIR", "CRNN"]
    assert "Chosen system: ALL." in markdown
    assert "## ALL by label" in markdown


# Catches: pooled macro-F1 called DCASE 2018 task 5's, and its interval from the pooled clips.
@pytest.mark.usefixtures("no_pictures")
def test_fold_average_is_the_development_figure(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, SKILLS)
    report = run_report(arrays, LABELS, fold_average=True)
    late = report["systems"][2]["development"]
    del late["interval"]
    mean = np.mean([fold["macro_f1"] for fold in late["per_fold"].values()])
    assert abs(mean - late["macro_f1"]) > 0.0005
    predicted = answers(arrays["scores:late"])
    low, high = interval_table(
        arrays["truth"], predicted, arrays["groups"], 3, folds=arrays["folds"], fold_average=True
    )["macro_f1"]
    _, page = draw(tmp_path, report, arrays, None)
    assert page.row("LATE")[1] == f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})"
    assert page.row("LATE", 1)[-1] == f"{100 * mean:.1f}"
    pooled = complete_report({**report, "fold_average": False}, arrays)["systems"][2]["development"]
    assert pooled["interval"]["macro_f1"] != [low, high]
    assert "interval" not in late


# Catches: the sign of a difference, systems heard in different resamples.
@pytest.mark.usefixtures("no_pictures")
def test_difference_to_the_chosen_system(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, SKILLS)
    arrays["scores:svm"][:8] = np.nan
    report = run_report(arrays, LABELS)
    _, page = draw(tmp_path, report, arrays, None)
    predicted = [answers(arrays[f"scores:{name}"]) for name in ("svm", "late")]
    found = paired_difference(arrays["truth"], *predicted, arrays["groups"], 3, metric="macro_f1")
    assert found.difference > 0.1
    row = [row for row in page.rows if row[0] == "SVM"][2]
    assert row[1] == f"{signed(found.difference)} ({signed(found.low)} to {signed(found.high)})"
    assert row[1].startswith("+")


# Catches: a report that needs what a corpus without an evaluation part, an unfinished run or NaN rows lack.
def test_bare_report_is_drawn(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, {"crnn": 0.6})
    arrays["scores:crnn"][:] = np.nan
    report = run_report(
        arrays, LABELS, fusions=(), bundle=None, reference=[], labels_not_covered=[], caveats=[]
    )
    for name in ("c", "c_by_fold", "seconds", "cost"):
        report["systems"][0][name] = None
    del report["systems"][0]["development"]["interval"]
    markdown, page = draw(tmp_path, report, None, {})
    assert "| CRNN | 0.0 |" in markdown.replace("**", "")
    assert "Learning" not in markdown
    assert "Bundle" not in markdown
    assert page.row("CRNN")[1] == "0.0"
    draw(tmp_path, report, arrays, {"crnn-fold1": []})


# Catches: figures transposed, counts in another cell, cells of a row that has no clip.
def test_confusion_stands_by_row(rng: np.random.Generator) -> None:
    table = rng.integers(0, 30, (4, 4))
    table[2] = 0
    with drawing_style():
        axes = confusion_chart(table.tolist(), ["a", "b", "c", "d"], "t").axes[0]
    drawn = {text.get_position(): text.get_text() for text in axes.texts}
    assert drawn == {(x, y): str(table[y, x]) for y in range(4) for x in range(4) if table[y, x]}
    assert axes.get_ylabel() == "true"
    bottom, top = axes.get_ylim()
    assert bottom > top  # the first label stands at the top, as in the table


# Catches: labels that overlap or numbers nobody can read with 50 classes, pages of megabytes.
def test_fifty_classes_are_drawn() -> None:
    labels = [f"class_with_a_name_{number}" for number in range(50)]
    table = np.eye(50, dtype=int)
    table[3, 40] = 5
    charts = []
    for draw_chart in (
        lambda: confusion_chart(table.tolist(), labels, "t"),
        lambda: class_chart(labels, {"x": [50.0] * 50}, "t"),
    ):
        drawn = picture(
            "made-x.png", "words", lambda draw_chart=draw_chart: charts.append(draw_chart()) or charts[-1]
        )
        height, width, _ = imread(io.BytesIO(drawn.png)).shape
        assert 900 < height < 1400
        assert 600 < width < 1400
        assert len(drawn.svg) < 150_000
        assert drawn.svg.count("class_with_a_name_") >= 50
    for chart in charts:
        boxes = [text.get_window_extent() for text in chart.axes[0].get_yticklabels()]
        tops = sorted((box.y0, box.y1) for box in boxes)
        assert len(tops) == 50
        assert all(low[1] <= high[0] + 0.5 for low, high in pairwise(tops))


# Catches: classes sorted without their values, marks of the evaluation part beside another class.
def test_class_chart_sorts_every_part_alike() -> None:
    with drawing_style():
        axes = class_chart(["a", "b", "c"], {"dev": [10.0, 90.0, 50.0], "test": [1.0, 9.0, 5.0]}, "t").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "c", "a"]
    assert [bar.get_width() for bar in axes.patches] == [90.0, 50.0, 10.0]
    assert list(axes.lines[0].get_xdata()) == [9.0, 5.0, 1.0]


# Catches: a crash on the first epoch, on networks without validation, on a loss that diverged.
def test_history_of_a_run_that_has_just_begun(tmp_path: Path) -> None:
    rows = [{"epoch": 1, "loss": float("nan"), "validation_score": None}, {"epoch": 2, "loss": 0.5}]
    for history in ({}, {"crnn-fold1": []}, {"crnn-fold1": rows, "odd name": rows[1:]}):
        draw_history(history, tmp_path / "learning.png")
        assert imread(tmp_path / "learning.png").shape[1] > 600
    with drawing_style():
        loss = history_chart({"crnn-fold1": rows}).axes[0]
    assert loss.lines[0].get_xydata().tolist() == [[2.0, 0.5]]


# Catches: folds of a member in another member's axes, shares on an axis of percent, lost last epochs.
def test_history_is_drawn_by_member(tmp_path: Path) -> None:
    history = run_history(networks=5, epochs=1001, members=2)
    with drawing_style():
        axes = history_chart(history).axes
    assert [one.get_title(loc="left") for one in axes[::2]] == ["crnn0", "crnn1"]
    legend = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert legend == ["all folds", "fold 1", "fold 2", "fold 3", "fold 4"]
    ends = [line.get_xydata()[-1].tolist() for line in axes[1].lines if len(line.get_xdata()) > 1]
    expected = [100 * history[f"crnn0-fold{fold}"][-1]["validation_score"] for fold in (1, 2, 3, 4)]
    assert ends == [[1001.0, pytest.approx(score)] for score in expected]
    start = time.process_time()
    draw_history(run_history(networks=5, epochs=1000, members=8), tmp_path / "learning.png")
    draw_history(history, tmp_path / "learning.png")
    assert time.process_time() - start < 4.0


def test_recipe_that_is_a_path_is_refused(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, SKILLS)
    with pytest.raises(UsageError, match="can't hold a path"):
        draw_report(run_report(arrays, LABELS, recipe="../made"), None, None, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_markdown_of_blocks() -> None:
    blocks = [
        Heading(2, "A_b"),
        Text("x < y"),
        Table(["a", "b|c"], [["x", "1"], ["y", ""]], frozenset({0, 1})),
    ]
    expected = "## A_b\n\nx \\< y\n\n| a | b\\|c |\n|---|---:|\n| **x** | **1** |\n| **y** |  |\n"
    assert to_markdown(blocks) == expected


def test_figures_are_no_windows() -> None:
    from matplotlib import pyplot as plt

    with drawing_style():
        new_figure(2, 2)
    assert not plt.get_fignums()
