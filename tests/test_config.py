"""The configuration: what is refused and how it is said, and who goes before whom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import config_fakes
from asc_edge.config import Config, Given, find_config, load_config, read_config
from asc_edge.config_sections import SECTIONS
from asc_edge.errors import ConfigError


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    config_fakes.install(monkeypatch)


def _write(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_bytes(text.encode())
    return path


def _errors(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = _write(folder, text)
    return [error.replace(str(path), "FILE") for error in read_config(path, environ or {})[1]]


# Catches: a wrong line, a key that is passed over, an advice that leads nowhere.
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("\n[evnts]\n", "FILE:2: unknown section [evnts]; did you mean [events]?"),
        ("[zzzz]\n", "FILE:1: unknown section [zzzz]; there are input, listen, events, history, "),
        ("hop_s = 1\n", "FILE:1: hop_s stands in no section; did you mean [listen]?"),
        ("whatever = 1\n", "FILE:1: whatever stands in no section; put it under one"),
        ("events = 3\n", "FILE:1: events should be a table, [events], and not a value"),
        ("[events]\n\nentr = 0.7\n", "FILE:3: unknown key events.entr; did you mean enter?"),
        ("[log]\nkeep_days = 1\n", "FILE:2: unknown key log.keep_days; did you mean the one of [history]?"),
        ("[log]\nzzz = 1\n", "FILE:2: unknown key log.zzz; there are to, activities"),
        ('[events]\ntau_s = "5"\n', "FILE:2: events.tau_s should be a number, not the text '5'"),
        ("[events]\ntau_s = nan\n", "FILE:2: events.tau_s should be a finite number, not nan"),
        ("[events]\ndecisions = 3.0\n", "FILE:2: events.decisions should be a whole number, not 3.0"),
        ("[events]\ndecisions = true\n", "FILE:2: events.decisions should be a whole number, not true"),
        ("[mqtt]\ntls = 1\n", "FILE:2: mqtt.tls should be true or false, not 1"),
        ("[mqtt]\nhost = {a = 1}\n", "FILE:2: mqtt.host should be text, not a table"),
        ("[mqtt]\ntopics = ['a', 1]\n", "FILE:2: mqtt.topics should be text, not 1"),
        ("[mqtt.expire_s]\na = 'x'\n", "FILE:1: mqtt.expire_s should be a number, not the text 'x'"),
        ("[listen]\nformat = 'csv'\n", "FILE:2: listen.format should be one of text, jsonl, none, not "),
        (
            "listen.format = 'jsonl'\nlisten.hops = 1\n",
            "FILE:2: unknown key listen.hops; did you mean hop_s?",
        ),
        ("web = { host = 'x',  prt = 1 }\n", "FILE:1: unknown key web.prt; did you mean port?"),
        ("\n[mqtt]\nport = 0\nhost = 'x'\n", "FILE:3: mqtt.port 0 is not in 1..65535"),
        ("[mqtt]\n", "FILE:1: mqtt.host is missing"),
        ("[listen]\nhop_s = -1\n", "FILE:2: listen.hop_s -1.0 is not a number of seconds above 0"),
        ("[log]\r\nto = 'auto'\r\nx = 1\r\n", "FILE:3: unknown key log.x; there are"),
        ("[log\n", "FILE:1: is not TOML: Expected ']'"),
        ("[log]\nto = 'auto'\nto = 'plain'\n", "FILE:3: is not TOML: Cannot overwrite a value"),
        ("a = '", "FILE:1: is not TOML: "),
    ],
)
def test_what_is_refused(text: str, error: str, tmp_path: Path) -> None:
    errors = _errors(tmp_path, text)
    assert len(errors) == 1
    assert errors[0].startswith(error), errors[0]


# Catches: errors that a user has to find one by one, and a follow-up of an error that was told already.
def test_every_error_is_told(tmp_path: Path) -> None:
    text = "[events]\nenter = 'a lot'\nleave = 0.9\n[log]\nat = 1\nto = 5\n[what]\n[history]\nkeep_days = 0\n"
    errors = _errors(tmp_path, text, {"ASC_EDGE_WEB_PORT": "eighty"})
    assert sorted(re.findall(r"^FILE:\d+|^[A-Z_]+", "\n".join(errors), re.MULTILINE)) == sorted(
        ["FILE:2", "FILE:5", "FILE:6", "FILE:7", "FILE:9", "ASC_EDGE_WEB_PORT"]
    )
    with pytest.raises(ConfigError, match=r"\(and 4 more: asc-edge config check\)$"):
        load_config(tmp_path / "c.toml", {})


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"[log]\n# \xff\n")
    assert read_config(path, {})[1] == [f"{path}:2: is not UTF-8, as TOML must be"]
    assert read_config(tmp_path, {})[1] == [f"{tmp_path}: can't be read: Is a directory"]


# Catches: a layer that goes before the wrong one, and an origin that isn't where the value came from.
def test_command_line_before_environment_before_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "[mqtt]\nhost = 'file'\nport = 1\ntls = true\n")
    environ = {"ASC_EDGE_MQTT_HOST": "variable", "ASC_EDGE_MQTT_PORT": "2", "ASC_EDGE_DEBUG": "1"}
    config = load_config(path, environ, {("mqtt", "host"): Given("option", "--mqtt")})
    settings = config.section("mqtt")
    assert (settings.host, settings.port, settings.tls, settings.topics) == ("option", 2, True, ("a", "b"))
    origins = [config.origin("mqtt", key) for key in ("host", "port", "tls", "topics")]
    assert origins == ["--mqtt", "ASC_EDGE_MQTT_PORT", f"{path}:4", None]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ASC_EDGE_MQTT_TLS", "yes", True),
        ("ASC_EDGE_MQTT_TLS", "FALSE", False),
        ("ASC_EDGE_MQTT_PORT", "17", 17),
        ("ASC_EDGE_MQTT_HOST", "17", "17"),
        ("ASC_EDGE_MQTT_TOPICS", "x, y", ("x", "y")),
        ("ASC_EDGE_MQTT_EXPIRE_S", "x=1,y=2.5", {"x": 1.0, "y": 2.5}),
        ("ASC_EDGE_LISTEN_HOP_S", "2", 2.0),
        ("ASC_EDGE_LISTEN_HOP_S", "", None),
        ("ASC_EDGE_LISTEN_FORMAT", "jsonl", "jsonl"),
    ],
)
def test_variables_are_typed(variable: str, text: str, value: object) -> None:
    """Catches "false" that is true because it is text, and a host that becomes a number."""
    section, key = re.fullmatch("ASC_EDGE_([A-Z]+)_(.+)", variable).groups()
    settings = load_config(None, {"ASC_EDGE_MQTT_HOST": "h", variable: text}).section(section.lower())
    assert getattr(settings, key.lower()) == value
    assert type(getattr(settings, key.lower())) is type(value)


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("ASC_EDGE_MQTT_HSOT", "x", "unknown key mqtt.hsot; did you mean host?"),
        ("ASC_EDGE_MQTT_PORT", "1883x", "mqtt.port should be a whole number, not the text '1883x'"),
        ("ASC_EDGE_MQTT_PORT", "1.0", "mqtt.port should be a whole number"),
        ("ASC_EDGE_MQTT_TLS", "maybe", "mqtt.tls should be true or false"),
        ("ASC_EDGE_MQTT_EXPIRE_S", "x", "mqtt.expire_s should be like key=value,key=value"),
        ("ASC_EDGE_EVENTS_TAU_S", "inf", "events.tau_s should be a finite number"),
        ("ASC_EDGE_EVENTS_TAU_S", "0", "event rules: impossible tau_s 0.0"),
    ],
)
def test_an_error_names_the_variable(variable: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, {variable: text})
    assert str(caught.value).startswith(f"{variable}: {words}")


# Catches: somebody else's variable that is taken for ours; ASC_EDGE_CONFIG, _ISA and _DATA aren't settings.
def test_other_variables_are_left_alone() -> None:
    environ = {
        f"ASC_EDGE_{name}": "x" for name in ("CONFIG", "DEBUG", "ISA", "DATA", "WEBCAM_PORT", "web_port")
    }
    config, errors = read_config(None, environ)
    assert errors == []
    assert not any(config.is_on(name) for name in SECTIONS)


# Catches: a password in an error message, and so in the journal.
@pytest.mark.parametrize("environ", [{}, {"ASC_EDGE_MQTT_PASSWORD_FILE": "f"}])
def test_a_secret_is_never_quoted(environ: dict[str, str], tmp_path: Path) -> None:
    errors = _errors(tmp_path, "[mqtt]\nhost = 'h'\npassword = 12345\n", environ)
    assert errors == ["FILE:3: mqtt.password should be text"]


# Catches: a page or a broker that nobody asked for.
def test_a_section_is_on_when_anything_is_said_of_it(tmp_path: Path) -> None:
    assert not load_config(None, {}).is_on("web")
    assert load_config(_write(tmp_path, "[web]\n"), {}).is_on("web")
    assert load_config(None, {"ASC_EDGE_WEB_PORT": "1"}).is_on("web")
    assert load_config(None, {}, {("web", ""): Given(None, "--web")}).is_on("web")


# Catches: a follow-up field's complaint that is blamed on the file although a variable set it.
def test_a_dataclass_complaint_names_who_set_the_value(tmp_path: Path) -> None:
    path = _write(tmp_path, "[history]\npath = 'x'\nkeep_days = 3\n")
    with pytest.raises(ConfigError, match=r"^ASC_EDGE_HISTORY_KEEP_DAYS: history\.keep_days 0 is not"):
        load_config(path, {"ASC_EDGE_HISTORY_KEEP_DAYS": "0"})


def test_a_section_that_is_not_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "asc_edge.mqtt", None)
    errors = _errors(tmp_path, "[mqtt]\nhost = 'x'\n", {"ASC_EDGE_MQTT_PORT": "1"})
    assert len(errors) == 1
    assert errors[0].startswith("FILE:1: [mqtt] can't be used in this installation: ")


class TestFindConfig:
    def test_the_order(self, tmp_path: Path) -> None:
        """Catches a file of the machine that goes before the user's own."""
        option, variable, own, system = (tmp_path / name for name in ("o", "v", "asc-edge/config.toml", "s"))
        own.parent.mkdir()
        environ = {"ASC_EDGE_CONFIG": str(variable), "XDG_CONFIG_HOME": str(tmp_path)}
        for path in (option, variable, own, system):
            path.touch()
        assert find_config(str(option), environ, system) == option
        assert find_config(None, environ, system) == variable
        del environ["ASC_EDGE_CONFIG"]
        assert find_config(None, environ, system) == own
        own.unlink()
        assert find_config(None, environ, system) == system
        system.unlink()
        assert find_config(None, environ, system) is None

    def test_the_home_folder_stands_in_for_xdg(self, tmp_path: Path) -> None:
        own = tmp_path / ".config/asc-edge/config.toml"
        own.parent.mkdir(parents=True)
        own.touch()
        # A relative XDG_CONFIG_HOME would depend on where the command is typed.
        assert find_config(None, {"HOME": str(tmp_path)}, tmp_path / "s") == own
        assert find_config(None, {"XDG_CONFIG_HOME": "relative"}, tmp_path / "s") is None

    def test_what_is_asked_for_must_be_there(self, tmp_path: Path) -> None:
        """Catches defaults that are used silently where a file was named."""
        missing = str(tmp_path / "none.toml")
        with pytest.raises(ConfigError, match=r"none\.toml: no such file; asc-edge config init"):
            find_config(missing, {})
        with pytest.raises(ConfigError, match=r"^ASC_EDGE_CONFIG: .*none\.toml: no such file"):
            find_config(None, {"ASC_EDGE_CONFIG": missing})

    def test_an_empty_variable_asks_for_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "s").touch()
        assert find_config(None, {"ASC_EDGE_CONFIG": ""}, tmp_path / "s") is None


# Catches: TLS on the port of those who have none. A room may know better than its fields what a default is.
def test_a_dataclass_may_have_defaults_that_depend_on_others() -> None:
    config = load_config(None, {"ASC_EDGE_MQTT_HOST": "h", "ASC_EDGE_MQTT_TLS": "1"})
    assert config.section("mqtt").port == 8883
    assert config.as_dict()["mqtt"]["port"] == 8883
    assert "password" not in config.as_dict()["mqtt"]
    assert "web" not in config.as_dict()


def test_defaults_without_a_file() -> None:
    config = Config(None, {})
    assert (config.section("listen").bundle, config.section("listen").hop_s) == ("home", None)
    assert config.section("log").activities is False
