"""The configuration as text: an example that can't lie, and what holds."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

import config_fakes
from asc_edge.config import Given, load_config
from asc_edge.config_sections import SECTIONS, available_sections
from asc_edge.config_text import example, field_docs, shown


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    config_fakes.install(monkeypatch)


def _write(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text)
    return path


# Catches: an example that turns something on, or that isn't right itself.
def test_the_example_changes_nothing(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, example()), {})
    for name, section in SECTIONS.items():
        assert config.is_on(name) is not section.optional
        assert asdict(config.section(name)) == asdict(section.load()())


# Catches: a default in the example that isn't the dataclass's, and a key that is left out of it.
def test_every_key_stands_there_with_its_default(tmp_path: Path) -> None:
    bare = re.sub(r"^# (?=\[|[a-z_]+ =)", "", example(), flags=re.MULTILINE)
    document = tomllib.loads(bare)
    assert list(document) == list(SECTIONS)
    for name, section in SECTIONS.items():
        assert list(document[name]) == list(section.hints())
    # What has no default shows a sample.
    samples = {"listen": {"hop_s"}}
    without = {
        k: {key: v for key, v in t.items() if key not in samples.get(k, ())} for k, t in document.items()
    }
    text = bare.replace("hop_s = 1.0", "").replace('host = ""', 'host = "h"')
    config = load_config(_write(tmp_path, text), {})
    for name in without:
        defaults = asdict(SECTIONS[name].load()())
        values = asdict(config.section(name))
        assert {**values, **({"host": ""} if name == "mqtt" else {})} == defaults


# Catches: a key that nobody can understand. Units and meaning come from the name and the docstring.
def test_meaning_unit_and_default_are_told() -> None:
    text = example(turned_on=("history",))
    assert "## Time constant of the moving average over log-posteriors." in text
    assert "## float > 0; in seconds; default 5.0\n# tau_s = 5.0\n" in text
    assert "## int >= 1; in days; default 365\n# keep_days = 365\n" in text
    assert "in seconds; not set by default\n# hop_s = 1.0\n" in text
    assert "\n[history]\n" in text
    assert "## Off: take the # off the next line to turn it on.\n# [mqtt]\n" in text
    assert max(map(len, text.splitlines())) <= 110


# Catches: a setting that is added without a word of what it is.
@pytest.mark.parametrize("name", ["listen", "events", "log", "input"])
def test_every_setting_has_a_meaning(name: str) -> None:
    docs = field_docs(SECTIONS[name].load())
    for key in SECTIONS[name].hints():
        kind, meaning = docs[key]
        assert kind
        assert meaning


def test_a_docstring_is_read_as_numpydoc_means_it() -> None:
    @dataclass
    class Odd:
        """First line
        goes on.

        Attributes
        ----------
        a, b : int >= 1
            Both
            of :func:`them`, ``"a"`` first.
        c : str

        Raises
        ------
        ValueError
            Never.
        """

        a: int = field(default=1)

    both = ("int >= 1", 'Both of them, "a" first.')
    assert field_docs(Odd) == {"a": both, "b": both, "c": ("str", "")}


# Catches: a password on the screen, an origin that is left out, and text that isn't TOML any more.
def test_what_holds_is_shown_with_its_origin(tmp_path: Path) -> None:
    path = _write(tmp_path, "[mqtt]\nhost = 'h'\npassword = 'very secret'\n[history]\n")
    environ = {"ASC_EDGE_MQTT_PORT": "17", "ASC_EDGE_MQTT_EXPIRE_S": "a b=1"}
    text = shown(load_config(path, environ, {("listen", "hop_s"): Given(0.5, "--hop-s")}))
    assert "very secret" not in text
    assert re.search(rf"^# password is hidden +# {re.escape(str(path))}:3$", text, re.MULTILINE)
    assert re.search(r"^port = 17 +# ASC_EDGE_MQTT_PORT$", text, re.MULTILINE)
    assert re.search(r"^hop_s = 0.5 +# --hop-s$", text, re.MULTILINE)
    assert re.search(r"^tls = false +# default$", text, re.MULTILINE)
    assert "# [web] is off" in text
    document = tomllib.loads(text)
    assert document["mqtt"]["expire_s"] == {"a b": 1.0}
    assert document["history"]["keep_days"] == 365


@pytest.mark.parametrize("value", ['"', "\\", "ä\x7f\n\t", "'''", "😀"])
def test_text_of_any_kind_comes_back(value: str, tmp_path: Path) -> None:
    text = shown(load_config(None, {}, {("listen", "bundle"): Given(value, "--bundle")}))
    assert tomllib.loads(text)["listen"]["bundle"] == value


def test_sections_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an example that can't be written where an optional part is missing."""
    names = {section.name for section in available_sections()}
    assert names == set(SECTIONS)
