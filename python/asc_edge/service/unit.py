"""The unit file: how systemd starts the listener, keeps it alive, and keeps everything else away from it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asc_edge.errors import ConfigError
from asc_edge.service.program import Program

__all__ = ["HOME_NETWORKS", "UNIT", "UnitOptions", "render"]

UNIT = "asc-edge.service"
# A broker that is known by name is found by the home's name server: both are in here. RFC 1918, 4193.
HOME_NETWORKS = ("localhost", "link-local", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")

_UNIT = """\
# Written by asc-edge service install, which writes it anew. Changes of yours: systemctl edit {unit}
[Unit]
Description=asc-edge, tells which activity goes on in the home
# The sound core must know its device numbers before DeviceAllow=char-alsa means anything, also on a machine
# that has no microphone yet.
Wants=modprobe@snd.service
After=modprobe@snd.service sound.target{network_after}
# Thirty failures within an hour are no accident any more.
StartLimitIntervalSec=1h
StartLimitBurst=30

[Service]
Type=notify
NotifyAccess=main
# --format none: standard output is the journal, and one decision a second there would be a diary of the home.
ExecStart={command}
TimeoutStartSec=3min
TimeoutStopSec=20s
# The listener gives a sign of life for every block of audio, or while it waits for a microphone.
WatchdogSec=60s
Restart=always
RestartSec=10s
# Used wrongly: starting again changes nothing.
RestartPreventExitStatus=2
SyslogIdentifier=asc-edge
{environment}
# Who it is, and where it may write.
{user}
SupplementaryGroups=audio
StateDirectory=asc-edge
StateDirectoryMode=0700
UMask=0077
{credentials}
# The microphone, and no other device. PrivateDevices=yes would take /dev/snd away, too.
DevicePolicy=closed
DeviceAllow=char-alsa rw
# /proc/asound is where a microphone's stable identity is read, so ProcSubset= stays as it is.
ProtectProc=invisible

# The network: {network_comment}
{network}

# Everything else.
ProtectSystem=strict
{home}
PrivateTmp=yes
PrivateIPC=yes
PrivateMounts=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
# MemoryDenyWriteExecute= stays as it is: PortAudio calls back into Python through code that cffi writes when
# a stream is opened. The networks alone would do without.
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
KeyringMode=private
TasksMax=64
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOptions:
    """What differs from home to home.

    Attributes
    ----------
    program : Program
    config : Path
    device : str
        Goes before the configuration's; empty leaves it to that.
    user : str
        Whose rights it has; empty makes one up for as long as it runs.
    hosts : sequence of str
        Whom it may talk to: addresses or names; ``0.0.0.0`` and the like stand for all of the home.
    secrets : sequence of (variable, path)
        Files that only root may read, and the setting that names each.
    """

    program: Program
    config: Path
    device: str = ""
    user: str = ""
    hosts: Sequence[str] = ()
    secrets: Sequence[tuple[str, Path]] = ()


def render(options: UnitOptions) -> str:
    """The text of the unit file."""
    arguments = [*options.program.command, "listen", "--config", str(options.config), "--format", "none"]
    if options.device:
        arguments += ["--device", options.device]
    comment, network = _network(options.hosts)
    text = _UNIT.format(
        unit=UNIT,
        command=" ".join(map(_word, arguments)),
        network_after=" network.target" if options.hosts else "",
        environment="".join(f"Environment={name}=%d/{name.lower()}\n" for name, _ in options.secrets),
        credentials="".join(
            f"LoadCredential={name.lower()}:{_plain(str(path))}\n" for name, path in options.secrets
        ),
        user=f"User={_plain(options.user)}" if options.user else "DynamicUser=yes",
        network_comment=comment,
        network=network,
        home=_home(options.program.private),
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _home(private: Sequence[Path]) -> str:
    if not private:
        return "ProtectHome=yes"
    # An empty folder in place of each home, and in it nothing but the program.
    binds = "\n".join(f"BindReadOnlyPaths={_path(path)}" for path in private)
    return f"ProtectHome=tmpfs\n{binds}"


def _network(hosts: Sequence[str]) -> tuple[str, str]:
    if not hosts:
        return (
            "none at all, since the configuration has neither a broker nor a page.",
            "PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\nIPAddressDeny=any",
        )
    allowed = list(dict.fromkeys(network for host in hosts for network in _reach(host)))
    return (
        "whom the configuration names. After a change of broker or page, install again.",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"
        f"IPAddressDeny=any\nIPAddressAllow={' '.join(allowed)}",
    )


def _reach(host: str) -> tuple[str, ...]:
    """Addresses that a host needs."""
    if host == "localhost":
        return ("localhost",)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return HOME_NETWORKS
    if address.is_unspecified:
        return HOME_NETWORKS
    return ("localhost",) if address.is_loopback else (str(address),)


def _word(text: str) -> str:
    """One argument of a command line, quoted as systemd.service(5) wants it."""
    return _quoted(text.replace("$", "$$"))


def _path(path: Path) -> str:
    """A path of a list in which a colon would begin the place to put it."""
    return _quoted(str(path)).replace(":", "\\:")


def _quoted(text: str) -> str:
    text = _plain(text.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{text}"' if re.search(r"[\s;'\"]", text) or not text else text


def _plain(text: str) -> str:
    """A value that is taken as it stands.

    Raises
    ------
    ConfigError
        When it would go on in the unit's next line.
    """
    if not text.isprintable():
        raise ConfigError(f"{text!r} can't stand in a unit file: it holds a character that can't be printed")
    return text.replace("%", "%%")
