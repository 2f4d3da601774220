"""``asc-edge config``, and what ``asc-edge listen`` makes of a configuration."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import config_fakes
from asc_edge.audio import devices
from asc_edge.audio.demo import DemoSource
from asc_edge.cli import main
from asc_edge.cli.options import host_and_port
from asc_edge.errors import DeviceNotFoundError
from asc_edge.web.stored import StoredHistory
from command import asc_edge, assert_one_line_error, json_lines

ELSEWHERE = {"ASC_EDGE_CONFIG": ""}


# Catches: an example that the program itself refuses, and a file that is replaced without a word.
def test_init_then_check(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/c.toml"
    assert asc_edge("config", "init", path).stdout.startswith(f"{path}: written")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert asc_edge("config", "check", path).stdout == f"{path}: OK\n"
    path.write_text("[listen]\n")
    assert_one_line_error(asc_edge("config", "init", path), 2, "is there already; --force replaces it")
    assert path.read_text() == "[listen]\n"
    assert asc_edge("config", "init", "--force", path).returncode == 0
    assert "hop_s" in path.read_text()
    assert_one_line_error(asc_edge("config", "init", tmp_path), 2, "is a folder")
    assert [one.name for one in path.parent.iterdir()] == ["c.toml"]


def test_init_finds_the_users_own_place(tmp_path: Path) -> None:
    asc_edge("config", "init", env={"HOME": str(tmp_path), "XDG_CONFIG_HOME": ""})
    assert (tmp_path / ".config/asc-edge/config.toml").is_file()
    asc_edge("config", "init", env={"XDG_CONFIG_HOME": str(tmp_path / "x")})
    assert (tmp_path / "x/asc-edge/config.toml").is_file()


# Catches: a check that ends at the first error, or with code 0.
def test_check_tells_every_error(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[listen]\nhop_s = 'x'\nbundel = 'home'\n[evnts]\n")
    done = asc_edge("config", "check", path, env={"ASC_EDGE_LOG_TO": "moon"})
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert f"{path}:2: listen.hop_s should be a number" in done.stderr
    assert "ASC_EDGE_LOG_TO: log.to should be one of auto, journal, prefix, plain" in done.stderr
    assert_one_line_error(asc_edge("config", "check", tmp_path / "none"), 2, "none: no such file")


def test_show_says_who_set_what(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[listen]\nbundle = 'x'\n")
    shown = asc_edge("config", "show", "--config", path, env={"ASC_EDGE_LISTEN_HOP_S": "2"}).stdout
    assert f"{path}:2" in shown
    assert "ASC_EDGE_LISTEN_HOP_S" in shown
    assert "# no file" in asc_edge("config", "show", env=ELSEWHERE).stdout


@pytest.mark.parametrize("command", ["config", "config init", "config check", "config show"])
def test_every_help_has_examples(command: str) -> None:
    assert f"asc-edge {command}" in asc_edge(*command.split(), "--help").stdout.split("examples:\n")[1]


class TestListen:
    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        for variable in ("NOTIFY_SOCKET", "JOURNAL_STREAM"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("ASC_EDGE_CONFIG", "")
        return config_fakes.install(monkeypatch)

    # Catches: a configuration that is read and not used.
    def test_the_file_decides(self, tiny_bundle: Path, tmp_path: Path) -> None:
        path = tmp_path / "c.toml"
        path.write_text(f"listen = {{ bundle = '{tiny_bundle}', hop_s = 1.0, format = 'jsonl' }}\n")
        common = ["listen", "--demo", "--speed", "max", "--duration-s", "4", "--config", path]
        done = asc_edge(*common)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line["t_s"] for line in json_lines(done.stdout, "decision")] == [1.0, 2.0, 3.0, 4.0]
        louder = asc_edge(*common, "--hop-s", "2", env={"ASC_EDGE_LISTEN_HOP_S": "0.5"})
        assert [line["t_s"] for line in json_lines(louder.stdout, "decision")] == [1.0, 3.0]
        path.write_text("[events]\nenter = 0.2\n")
        assert_one_line_error(asc_edge(*common), 2, f"{path}:2: event rules: impossible thresholds")

    # Catches: rules of events that never reach the tracker.
    def test_the_rules_of_events_are_used(self, tiny_bundle: Path) -> None:
        common = ["listen", "--demo", "--speed", "max", "--bundle", tiny_bundle, "--format", "jsonl"]
        many = asc_edge(*common, env={**ELSEWHERE, "ASC_EDGE_EVENTS_DECISIONS": "1"})
        few = asc_edge(*common, env={**ELSEWHERE, "ASC_EDGE_EVENTS_DECISIONS": "1000"})
        assert json_lines(many.stdout, "event")
        assert not json_lines(few.stdout, "event")

    def test_nothing_on_standard_output(self, tiny_bundle: Path) -> None:
        common = ["listen", "--demo", "--speed", "max", "--duration-s", "2", "--bundle", tiny_bundle]
        done = asc_edge(*common, "--format", "none", env=ELSEWHERE)
        assert (done.returncode, done.stdout) == (0, "")
        assert [line.split()[:2] for line in done.stderr.splitlines()] == [
            ["asc-edge:", "listening"],
            ["asc-edge:", "stopped:"],
        ]

    # Catches: a sink that is opened with other settings, or not fed.
    def test_the_command_line_opens_sinks(
        self, opened: dict[str, Any], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        common = ["listen", "--demo", "--speed", "max", "--duration-s", "2", "--bundle", str(tiny_bundle)]
        code = main([*common, "--mqtt", "broker:17", "--history", "/h.db", "--web"])
        assert (code, capsys.readouterr().err) == (0, "asc-edge: the page is at ?\n")
        assert set(opened) == {"history", "mqtt", "web"}
        assert (opened["mqtt"].settings.host, opened["mqtt"].settings.port) == ("broker", 17)
        assert opened["history"].settings.path == "/h.db"
        assert opened["web"].settings == config_fakes.WebSettings()
        assert opened["web"].more["configuration"]["listen"]["bundle"] == str(tiny_bundle)
        assert isinstance(opened["web"].more["history"], StoredHistory)
        for sink in opened.values():
            kinds = [kind for kind, _ in sink.got if kind != "event"]
            assert kinds == ["start", "decision", "decision", "decision", "stats"]

    # Catches: ten lines of a library's in the journal for one microphone that is pulled out.
    @pytest.mark.usefixtures("opened")
    @pytest.mark.parametrize("form", ["journal", "prefix"])
    def test_libraries_keep_out_of_the_journal(
        self, form: str, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        complain = b"Expression failed"
        monkeypatch.setattr(config_fakes.FakeSink, "decision", lambda sink, line: os.write(2, complain))
        monkeypatch.setenv("ASC_EDGE_LOG_TO", form)
        common = ["listen", "--demo", "--speed", "max", "--duration-s", "1", "--bundle", str(tiny_bundle)]
        assert main([*common, "--history", "--format", "none"]) == 0
        assert ("Expression failed" in capfd.readouterr().err) is (form != "journal")

    # Catches: the demo's cooking in the home's history, because a configuration has one.
    def test_a_demo_is_not_the_home(
        self, opened: dict[str, Any], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "c.toml"
        path.write_text("[history]\npath = '/x'\nkeep_days = 3\n[web]\n")
        common = ["listen", "--demo", "--speed", "max", "--duration-s", "1", "--bundle", str(tiny_bundle)]
        assert main([*common, "--config", str(path)]) == 0
        assert opened == {}
        assert main([*common, "--config", str(path), "--history"]) == 0
        assert set(opened) == {"history"}
        assert (opened["history"].settings.path, opened["history"].settings.keep_days) == ("/x", 3)
        capsys.readouterr()

    @pytest.fixture
    def supervised(self, opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
        """No microphone here, and a supervisor that hears the demo; what it was asked for."""
        asked: list[tuple[Any, ...]] = []

        class Supervised(DemoSource):
            def __init__(self, selector: str, rate_hz: int, channel_map: Any, **hooks: Any) -> None:
                asked.append((selector, rate_hz, channel_map, sorted(hooks)))
                if not hooks["wait"]:
                    raise DeviceNotFoundError("there is no kitchen")
                super().__init__(realtime=False)

            def start(self) -> None:
                asked.append(("start",))

        fake = ModuleType("asc_edge.audio.supervisor")
        fake.SupervisedSource = Supervised  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "asc_edge.audio.supervisor", fake)
        monkeypatch.setattr(devices, "list_devices", list)
        return asked

    # Catches: a microphone that isn't waited for although the configuration says so, and a mistyped name that
    # is waited for.
    @pytest.mark.parametrize(
        ("options", "steps"),
        [
            ([], 1),
            (["--wait"], 2),
            (["--config", "EMPTY"], 2),
            (["--config", "EMPTY", "--no-wait"], 0),
            (["--config", "UNWILLING"], 0),
        ],
    )
    def test_who_waits(
        self, options: list[str], steps: int, supervised: list[Any], tiny_bundle: Path, tmp_path: Path
    ) -> None:
        for name, text in (("EMPTY", ""), ("UNWILLING", "[input]\nwait = false\n")):
            (tmp_path / name).write_text(text)
            options = [option.replace(name, str(tmp_path / name)) for option in options]
        common = ["--bundle", str(tiny_bundle), "--duration-s", "1", "--device", "kitchen"]
        code = main(["listen", *options, *common, "--channels", "2,1"])
        # Unless it waits, a microphone that isn't there is a mistake; supervised, it may go later.
        assert code == (0 if steps == 2 else 2)
        asked = [("kitchen", 16000, (1, 0), ["on_notice", "sleep", "wait"]), ("start",)]
        assert supervised == asked[:steps]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("broker", ("broker", None)),
        ("broker:17", ("broker", 17)),
        ("[::1]:17", ("::1", 17)),
        ("[::1]", ("::1", None)),
        ("fe80::1", ("fe80::1", None)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_hosts_and_ports(text: str, expected: tuple[str, int | None]) -> None:
    assert host_and_port(text) == expected


@pytest.mark.parametrize("text", ["", ":17", "broker:", "broker:0", "broker:65536", "broker:x", "[]:1"])
def test_no_hosts_and_ports(text: str, tiny_bundle: Path) -> None:
    done = asc_edge("listen", "--demo", "--mqtt", text, "--bundle", tiny_bundle, env=ELSEWHERE)
    assert_one_line_error(done, 2, "is not HOST or HOST:PORT")
