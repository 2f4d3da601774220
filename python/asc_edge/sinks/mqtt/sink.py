"""The sink: the audio's thread changes states in memory, and a thread of ours talks to the broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime

from asc_edge import machine
from asc_edge.events import Event
from asc_edge.mqtt.connection import Broker, Received, Waker, Will
from asc_edge.mqtt.settings import MqttSettings
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats, utc_now
from asc_edge.sinks.mqtt.discovery import heartbeat_s
from asc_edge.sinks.mqtt.link import Line, Link
from asc_edge.sinks.mqtt.outbox import Outbox
from asc_edge.sinks.mqtt.room import OFFLINE, ONLINE, Room

__all__ = ["MqttSink"]

# How long the last words may take, and the whole end.
LAST_WORDS_S, STOP_S = 2.5, 4.0
PATIENCE_S = 1.0


class MqttSink:
    """Publishes a room's states and events.

    Whoever calls it only changes states in memory, under a lock that nobody holds while talking to the
    network: a broker that is slow, hangs or is away delays nothing. One thread of its own keeps the
    connection and publishes.

    Parameters
    ----------
    settings : MqttSettings
    report : callable
        Told in one line when there is no connection, and when it is back; called by the sink's thread.
    clock, now : callable
        Seconds that only ever grow, and the wall clock; replaceable, so that tests know the time.

    Raises
    ------
    MqttMissingError
        Without paho-mqtt.
    ConfigError
        Where the settings can't work.
    """

    def __init__(
        self,
        settings: MqttSettings,
        report: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._broker = Broker(settings)
        self._settings = settings
        self._report = report
        self._clock = clock
        self._outbox = Outbox()
        model = str(machine.describe()["processor"])
        self._room = Room(settings, self._outbox, model=model, clock=clock, now=now)
        self._availability = f"{settings.base_topic}/availability"
        self._link = Link(self._dial, settings.address, report, clock)
        self._lock = threading.Lock()
        self._waker = Waker()
        self._heat_s = self._heat_interval_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sink mqtt", daemon=True)

    def start(self, session: Session) -> None:
        self._heat_interval_s = heartbeat_s(self._settings, session)
        self._heat_s = self._clock()
        with self._lock:
            self._room.start(session, machine.heat()["temperature_c"])
        self._thread.start()

    def decision(self, decision: Decision) -> None:
        with self._lock:
            self._room.decision(decision)
        self._waker.wake()

    def event(self, event: Event) -> None:
        with self._lock:
            self._room.event(event)
        self._waker.wake()

    def notice(self, notice: Notice) -> None:
        with self._lock:
            self._room.notice(notice)
        self._waker.wake()

    def stats(self, stats: Stats) -> None:
        """Say that this runner ends; takes at most some seconds, however the broker is."""
        with self._lock:
            self._room.stats(stats)
        self._over.set()
        self._waker.wake()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)
        with self._lock:
            left = self._outbox.events
        if left:
            self._report(f"mqtt: ended without the broker; {left} events were not delivered")

    def _dial(self) -> Line:
        client_id = self._settings.client_id or self._settings.device_id
        return self._broker.connect(client_id, Will(self._availability, OFFLINE), self._clock)

    def _run(self) -> None:
        last_error = ""
        while not self._over.is_set():
            try:
                self._turn()
            except Exception as error:
                # What nobody foresaw must not end the thread; a new connection is a new beginning.
                if str(error) != last_error:
                    last_error = str(error)
                    self._report(f"mqtt: unexpected {type(error).__name__}: {error}")
                self._link.drop("an error of ours")
                self._over.wait(PATIENCE_S)
        self._finish()
        self._waker.close()

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        if self._link.step(PATIENCE_S, self._waker):
            self._greet()
        self._measure()
        with self._lock:
            self._room.tick()
        connection = self._link.connection
        if connection is not None:
            self._take_in(connection)
            self._publish(connection)

    def _greet(self) -> None:
        connection = self._link.connection
        assert connection is not None
        with self._lock:
            self._outbox.lost()
            dropped, self._outbox.dropped = self._outbox.dropped, 0
        if dropped:
            self._report(f"mqtt: {dropped} events were given up while there was no connection")
        connection.subscribe(self._availability)
        if self._settings.discovery_prefix:
            connection.subscribe(self._birth_topic)
            connection.subscribe(f"{self._settings.discovery_prefix}/+/{self._settings.device_id}/+/config")

    def _measure(self) -> None:
        """The temperature; asked here, since the firmware may take its time to answer."""
        if self._clock() - self._heat_s >= self._heat_interval_s:
            self._heat_s = self._clock()
            temperature_c = machine.heat()["temperature_c"]
            with self._lock:
                self._room.heat(temperature_c)

    def _take_in(self, connection: Line) -> None:
        received, connection.received = connection.received, []
        acknowledged, connection.acknowledged = connection.acknowledged, []
        with self._lock:
            for number in acknowledged:
                self._outbox.confirmed(number)
            for message in received:
                self._answer(message, connection)

    def _answer(self, message: Received, connection: Line) -> None:
        if message.topic == self._availability:
            # The will of a connection that the broker took for alive until now: it is not true any more.
            if message.payload == OFFLINE and not self._over.is_set():
                self._outbox.refresh([self._availability])
        elif message.topic == self._birth_topic:
            # Home Assistant has been started; it may have missed what was said while it was away.
            if message.payload == ONLINE and not message.retained:
                self._outbox.refresh()
        elif message.retained and message.payload and not self._room.is_known(message.topic):
            self._remove(message, connection)

    @property
    def _birth_topic(self) -> str:
        return f"{self._settings.discovery_prefix}/status"

    def _remove(self, message: Received, connection: Line) -> None:
        """Forget an entity that an earlier bundle had, and its state."""
        connection.publish(message.topic, "", qos=0, retain=True)
        try:
            state = json.loads(message.payload).get("state_topic", "")
        except (ValueError, AttributeError):
            return
        if isinstance(state, str) and state.startswith(f"{self._settings.base_topic}/posterior/"):
            connection.publish(state, "", qos=0, retain=True)

    def _publish(self, connection: Line) -> None:
        while connection.up and not connection.congested:
            with self._lock:
                message = self._outbox.next()
            if message is None:
                return
            number = connection.publish(
                message.topic, message.payload, qos=int(message.confirm), retain=not message.is_event
            )
            with self._lock:
                self._outbox.sent(number, message)

    def _finish(self) -> None:
        """Deliver the last words, if the broker lets us, and leave."""
        deadline_s = self._clock() + LAST_WORDS_S
        try:
            while self._clock() < deadline_s and (connection := self._link.connection) is not None:
                self._take_in(connection)
                self._publish(connection)
                with self._lock:
                    if not len(self._outbox):
                        break
                self._link.step(0.1, self._waker)
        except Exception as error:
            self._report(f"mqtt: unexpected {type(error).__name__}: {error}")
        self._link.drop("the end", goodbye=True)
