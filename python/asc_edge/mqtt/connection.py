"""One connection to a broker, by paho-mqtt, driven by the thread that owns it.

paho's own thread is left alone on purpose. It can't be stopped within a given time while a broker hangs, and
after a reconnection it sends what was left over from before behind what is newer. Here a connection is used
once: what it could not deliver is its owner's to send again, or to forget.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.errors import ConfigError, MqttMissingError
from asc_edge.mqtt.settings import MqttSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

__all__ = ["Broker", "Connection", "Received", "Waker", "Will"]

# A broker that hangs is noticed after one to two of these.
KEEPALIVE_S = 15
# To connect, and for the broker's word that we are welcome.
ANSWER_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we are gone without a word; it is kept (retained)."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came in."""

    topic: str
    payload: str
    retained: bool


class Waker:
    """Ends another thread's wait."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def wake(self) -> None:
        """End the wait, or the next one. Never blocks; to be called by any thread."""
        with suppress(OSError):
            self._sender.send(b".")

    def wait(self, timeout_s: float, others: Sequence[Any] = (), writable: Sequence[Any] = ()) -> list[Any]:
        """Wait for :meth:`wake`, or for one of these sockets.

        Returns
        -------
        list
            Sockets that can be read.
        """
        readable, _, _ = select.select([self._receiver, *others], writable, [], max(0.0, timeout_s))
        with suppress(BlockingIOError):
            while self._receiver in readable and self._receiver.recv(4096):
                pass
        return [one for one in readable if one is not self._receiver]

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


class Broker:
    """Where to connect to, checked before the first attempt.

    Parameters
    ----------
    settings : MqttSettings

    Raises
    ------
    MqttMissingError
        Without paho-mqtt 2.
    ConfigError
        For a host that isn't set, a password file or a file of certificates that can't be used.
    """

    def __init__(self, settings: MqttSettings) -> None:
        try:
            from paho.mqtt.enums import CallbackAPIVersion  # noqa: F401  # new in paho-mqtt 2
        except ImportError:
            raise MqttMissingError("MQTT needs paho-mqtt 2: pip install 'asc-edge[mqtt]'") from None
        if not settings.host:
            raise ConfigError("mqtt: host is not set; it says where the broker is")
        settings.password()
        self.settings = settings
        self._tls = _tls_context(settings) if settings.tls else None

    def connect(
        self,
        client_id: str,
        will: Will | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Connection:
        """Begin a connection; :meth:`Connection.poll` then tells whether the broker takes it.

        Raises
        ------
        OSError, UnicodeError
            When nobody answers at that address, or not in TLS.
        ConfigError
            When the password can't be read.
        """
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        settings = self.settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = ANSWER_TIMEOUT_S
        if settings.username:
            client.username_pw_set(settings.username, settings.password() or None)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        connection = Connection(client, clock)
        client.connect(settings.host, settings.port, keepalive=KEEPALIVE_S)
        return connection


class Connection:
    """A connection that is being made, is up, or is over (``closed``), and then stays so.

    Attributes
    ----------
    up : bool
    closed : str
        Why it is over; empty before.
    refused : bool
        It is over because the broker didn't want us.
    received : list of Received
        What came in; the owner empties it.
    acknowledged : list of int
        Messages that the broker has confirmed; the owner empties it.
    """

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self.up = False
        self.closed = ""
        self.refused = False
        self.received: list[Received] = []
        self.acknowledged: list[int] = []
        self._client = client
        self._clock = clock
        self._since_s = clock()
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    @property
    def congested(self) -> bool:
        """The broker doesn't take what was published already: publish nothing more for now."""
        return self._client.want_write()

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)

    def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> int:
        """Send a message, or what of it the network takes at once. Never waits.

        Returns
        -------
        int
            What ``acknowledged`` will call it, for ``qos`` 1.
        """
        return self._client.publish(topic, payload, qos=qos, retain=retain).mid

    def poll(self, timeout_s: float, waker: Waker) -> None:
        """Read, write and keep alive; wait for the network or the waker at most so long."""
        sock = self._client.socket()
        if sock is None:
            self.close(self.closed or "connection lost")
            return
        # TLS may have decrypted more than was read: nothing of that would wake a wait.
        if self._pending():
            timeout_s = 0.0
        ready = waker.wait(timeout_s, [sock], [sock] if self._client.want_write() else [])
        if ready or self._pending():
            self._client.loop_read()
            while self._pending():
                self._client.loop_read()
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()
        if self._client.socket() is None:
            self.close(self.closed or "connection lost")
        elif not self.up and self._clock() - self._since_s > ANSWER_TIMEOUT_S:
            self.close("no answer")

    def close(self, reason: str, *, goodbye: bool = False) -> None:
        """End it; the broker speaks the will unless there is a goodbye."""
        self.closed = self.closed or reason
        self.up = False
        if goodbye:
            self._client.disconnect()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _pending(self) -> bool:
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _on_connect(self, _client: Client, _data: object, _flags: object, reason: Any, _more: object) -> None:
        self.up = not reason.is_failure
        if reason.is_failure:
            self.refused = True
            self.closed = str(reason)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        text = message.payload.decode("utf-8", errors="replace")
        self.received.append(Received(message.topic, text, message.retain))

    def _on_publish(self, _client: Client, _data: object, mid: int, *_more: object) -> None:
        self.acknowledged.append(mid)


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    path = str(Path(settings.ca_file).expanduser()) if settings.ca_file else None
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ConfigError(f"mqtt: ca_file {path} holds no certificate in PEM") from None
    except OSError as error:
        raise ConfigError(f"mqtt: can't read ca_file {path}: {error.strerror}") from None
