"""Installs, and removes, the service: two files and four words to systemd."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from asc_edge.atomic import write_atomically
from asc_edge.config import SYSTEM_CONFIG, Config, load_config
from asc_edge.errors import ConfigError, ServiceError, UsageError
from asc_edge.service.program import this_program
from asc_edge.service.unit import UNIT, UnitOptions, render

__all__ = ["Installer", "network_hosts", "secret_files"]

UNIT_PATH = Path("/etc/systemd/system") / UNIT
_REAL_ROOT = Path("/")
# Settings that name a file which only root should be able to read.
_SECRET_FILES = (("mqtt", "password_file"), ("web", "token_file"))

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run_command(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of systemd's, and keep what it says.

    Raises
    ------
    ServiceError
        Where it isn't installed.
    """
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ServiceError(f"{command[0]} isn't here: a service needs systemd") from None


class Installer:
    """Writes into a root folder, and talks to the systemd that runs there.

    Parameters
    ----------
    config, device, user
        See :class:`asc_edge.service.unit.UnitOptions`.
    root : Path
        Another one than ``/`` is an image that isn't running: it is made ready, and nothing is started.
    dry_run : bool
        Say what would be done, and do nothing.
    say : callable
        Takes each line for people.
    run : callable
        Runs a command.
    """

    def __init__(
        self,
        *,
        config: Path = SYSTEM_CONFIG,
        device: str = "",
        user: str = "",
        root: Path = _REAL_ROOT,
        dry_run: bool = False,
        say: Callable[[str], None] = print,
        run: Run = run_command,
    ) -> None:
        self._config = config
        self._device = device
        self._user = user
        self._root = root
        self._dry_run = dry_run
        self._say = say
        self._run = run

    def unit(self) -> str:
        """The unit as it would be written now; where there is no configuration yet, that of the default one.

        Raises
        ------
        ConfigError
            When the configuration is wrong: the service would fail with it, too.
        """
        self._check()
        place = self._place(self._config)
        # Not this shell's environment: the service won't have it.
        config = load_config(place if place.exists() else None, {})
        return render(
            UnitOptions(
                program=this_program(),
                config=self._config,
                device=self._device,
                user=self._user,
                hosts=network_hosts(config),
                secrets=secret_files(config, self._root),
            )
        )

    def install(self) -> None:
        """Write what is missing or different, then enable and start it. Once more changes nothing.

        Raises
        ------
        UsageError
            Without root's rights.
        ConfigError, ServiceError
        """
        self._need_root("install")
        self._check()
        wrote_config = self._write_config()
        unit = self.unit()
        place = self._place(UNIT_PATH)
        changed = not place.exists() or place.read_text(encoding="utf-8") != unit
        self._write(place, unit, changed)
        if self._root != _REAL_ROOT:
            self._systemctl(f"--root={self._root}", "enable", UNIT)
            self._say(f"{self._root} is ready; the service starts when it boots")
            return
        if changed:
            self._systemctl("daemon-reload")
        self._systemctl("enable", UNIT)
        # A service that runs already must hear of what is new; one that doesn't is started by this, too.
        self._systemctl(*(("restart",) if changed or wrote_config else ("start",)), UNIT)
        self._say("asc-edge runs, and starts with the machine; asc-edge service status tells how it is")

    def remove(self) -> None:
        """Stop it and take the unit away; the history and the configuration stay.

        Raises
        ------
        UsageError
            Without root's rights.
        ServiceError
        """
        self._need_root("remove")
        place = self._place(UNIT_PATH)
        if place.exists():
            if self._root == _REAL_ROOT:
                self._systemctl("disable", "--now", UNIT)
            else:
                self._systemctl(f"--root={self._root}", "disable", UNIT)
            if not self._dry_run:
                place.unlink()
            self._say(f"{'would remove' if self._dry_run else 'removed'} {place}")
            if self._root == _REAL_ROOT:
                self._systemctl("daemon-reload")
        else:
            self._say("there is no such service; nothing to remove")
        kept = [self._place(path) for path in (self._config, Path("/var/lib/asc-edge"))]
        for path in kept:
            # With a user that was made up this is a link into a folder that only root may enter.
            if path.exists() or path.is_symlink():
                self._say(f"left as it is: {path}")

    def _check(self) -> None:
        """Refuse what would fail later, before anything is written."""
        if self._device.isdecimal():
            raise ConfigError(
                f"--device {self._device} is a number that changes; give its id (asc-edge devices lists them)"
            )
        options = {"--device": self._device, "--config": str(self._config), "--user-name": self._user}
        for option, text in options.items():
            if not text.isprintable():
                raise ConfigError(f"{option} {text!r} holds a character that can't be printed")
        if not self._config.is_absolute():
            raise ConfigError(f"--config {self._config}: a service needs the whole path, from /")

    def _write_config(self) -> bool:
        place = self._place(self._config)
        if place.exists():
            self._say(f"kept {place}")
            return False
        from asc_edge.config_text import example

        self._write(place, example(turned_on=("history",)), changed=True)
        return True

    def _write(self, place: Path, text: str, changed: bool) -> None:
        if not changed:
            self._say(f"kept {place}")
        elif self._dry_run:
            self._say(f"would write {place}")
        else:
            try:
                write_atomically(place, text.encode())
            except OSError as error:
                raise ServiceError(f"{place} can't be written: {error.strerror}") from None
            self._say(f"wrote {place}")

    def _systemctl(self, *arguments: str) -> None:
        command = ["systemctl", *arguments]
        if self._dry_run:
            self._say(f"would run {' '.join(command)}")
            return
        done = self._run(command)
        if done.returncode != 0:
            words = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
            raise ServiceError(f"{' '.join(command)}: {words}")

    def _need_root(self, verb: str) -> None:
        if self._root == _REAL_ROOT and not self._dry_run and os.geteuid() != 0:
            # The whole path: sudo doesn't look where a virtual environment keeps its commands.
            command = " ".join((*this_program().command, "service", verb))
            raise UsageError(f"service {verb} needs root's rights: sudo {command}")

    def _place(self, path: Path) -> Path:
        return self._root / path.relative_to("/")


def network_hosts(config: Config) -> tuple[str, ...]:
    """Whom the service has to reach, or be reached by; none where it needs no network at all."""
    hosts = [config.section("mqtt").host] if config.is_on("mqtt") else []
    if config.is_on("web"):
        host = config.section("web").host
        # Who looks at a page comes from an address of their own, not from the one that it is served at.
        hosts.append(host if _is_loopback(host) else "0.0.0.0")
    return tuple(hosts)


def secret_files(config: Config, root: Path = _REAL_ROOT) -> tuple[tuple[str, Path], ...]:
    """Variables that name a secret's file, and the files; systemd hands them over, so root may own them."""
    found = []
    for section, key in _SECRET_FILES:
        if config.origin(section, key):
            path = Path(getattr(config.section(section), key))
            if path.is_absolute() and (root / path.relative_to("/")).is_file():
                found.append((f"ASC_EDGE_{section.upper()}_{key.upper()}", path))
    return tuple(found)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
