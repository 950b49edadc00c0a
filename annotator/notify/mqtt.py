"""Notices to an MQTT broker, with Home Assistant's discovery; the only paho import.

A connection is kept up so that the broker's last will tells of a daemon that is gone. It is made
and given up here rather than by paho, which would send what it had queued after all, when a later
try has told it already.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from annotator.config import MqttSettings, NotifyRule
from annotator.errors import ConfigError, DeliveryError
from annotator.notices import Notice, Vitals
from annotator.notify.discovery import (
    OFFLINE,
    ON,
    ONLINE,
    Topics,
    abandoned_topics,
    discovery,
    discovery_topic,
    removed,
)
from annotator.notify.message import body
from annotator.notify.secrets import revealed

if TYPE_CHECKING:
    from paho.mqtt.client import Client

CONNECT_S = 5.0
ACKNOWLEDGE_S = 10.0
RETAINED_S = 1.0
"""A broker sends what it retains right after the subscription; where it has nothing, nothing."""
GOODBYE_S = 1.0
WELL = "online"

log = logging.getLogger(__name__)


class MqttDeliverer:
    """The port `Deliverer`.

    `rules` are those that go to the broker. With `announce` it says that it is online and tells
    Home Assistant, and `vitals` gives what else to show there; without, it delivers and no more.
    """

    def __init__(
        self,
        settings: MqttSettings,
        rules: Sequence[NotifyRule],
        vitals: Callable[[], Vitals | None] = lambda: None,
        *,
        announce: bool = True,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._vitals = vitals
        self._announce = announce
        self._topics = Topics(settings.topic)
        self._link: _Link | None = None
        self._told_vitals: Vitals | None = None
        self._closed = False

    def deliver(self, notice: Notice, picture: bytes | None) -> None:
        told = body(notice)
        link = self._connected()
        if self._announce:
            if picture is not None:
                link.publish(self._topics.picture(notice.rule), picture, retain=True)
            link.publish(self._topics.last(notice.rule), told, retain=True)
            link.publish(self._topics.state(notice.rule), ON.encode())
        # Last: what follows from it may look at the rest.
        link.publish(self._topics.event(notice.sighting.monitor, notice.rule), told)
        self._acknowledged(link)

    def tend(self) -> None:
        link = self._connected()
        vitals = self._vitals()
        if self._announce and vitals is not None and vitals != self._told_vitals:
            link.publish(self._topics.status, _status(vitals), retain=True)
            self._acknowledged(link)
            self._told_vitals = vitals

    def close(self) -> None:
        self._closed = True
        link, self._link = self._link, None
        if link is not None:
            if self._announce and link.is_up:
                link.publish(self._topics.availability, OFFLINE.encode(), retain=True)
                link.wait(GOODBYE_S)
            link.close()

    def _connected(self) -> _Link:
        if self._link is not None and self._link.is_up:
            return self._link
        self._drop()
        self._check_open()
        self._link = link = _Link(
            self._settings, self._topics.availability if self._announce else None
        )
        self._check_open()
        self._told_vitals = None
        if self._announce:
            self._introduce(link)
        return link

    def _check_open(self) -> None:
        """It may be closed from another thread while this one connects."""
        if self._closed:
            self._drop()
            raise DeliveryError(f"{_named(self._settings)} is not needed any more")

    def _introduce(self, link: _Link) -> None:
        """Say who is here, and take back what an earlier configuration has left with the broker."""
        link.publish(self._topics.availability, ONLINE.encode(), retain=True)
        if self._settings.home_assistant:
            topic = discovery_topic(self._settings)
            before = link.retained(topic)
            gone = removed(before, self._settings, self._rules)
            if gone:
                # As documented: first removed by name, then left out.
                link.publish(topic, discovery(self._settings, self._rules, gone), retain=True)
            for abandoned in abandoned_topics(before, self._settings, self._rules):
                link.publish(abandoned, b"", retain=True)
            link.publish(topic, discovery(self._settings, self._rules), retain=True)
        self._acknowledged(link)

    def _acknowledged(self, link: _Link) -> None:
        if not link.wait(ACKNOWLEDGE_S):
            self._drop()
            raise DeliveryError(
                f"{_named(self._settings)} does not acknowledge", "is it overloaded or full?"
            )

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class _Link:
    """One connection, from its beginning to its end. Raises DeliveryError where there is none."""

    def __init__(self, settings: MqttSettings, will: str | None) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self._settings = settings
        self._answered = threading.Event()
        self._refused = ""
        self._waiting: list[paho.MQTTMessageInfo] = []
        self._retained: dict[str, bytes] = {}
        self._heard = threading.Event()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        if will is not None:
            client.will_set(will, OFFLINE, qos=1, retain=True)
        self._connect(client)

    @property
    def is_up(self) -> bool:
        return self._client.is_connected()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._waiting.append(self._client.publish(topic, payload, qos=1, retain=retain))

    def wait(self, limit_s: float) -> bool:
        """Whether the broker has acknowledged all that was published, within so long."""
        waiting, self._waiting = self._waiting, []
        deadline_s = monotonic() + limit_s
        try:
            for one in waiting:
                one.wait_for_publish(max(0.0, deadline_s - monotonic()))
            return all(one.is_published() for one in waiting)
        except (RuntimeError, ValueError):  # paho: not sent, or its queue is full
            return False

    def retained(self, topic: str) -> bytes:
        """What the broker keeps under a topic; b"" for nothing."""
        self._heard.clear()
        self._client.subscribe(topic, qos=1)
        self._heard.wait(RETAINED_S)
        self._client.unsubscribe(topic)
        return self._retained.get(topic, b"")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # paho closes the two sockets that wake its thread only when it is freed itself, which is
        # at once where nothing refers to it in a circle.
        self._client.on_connect = self._client.on_message = None

    def _connect(self, client: Client) -> None:
        settings = self._settings
        try:
            if settings.username:
                client.username_pw_set(settings.username, revealed(settings.password))
            if settings.tls:
                self._trust(client)
            client.connect(settings.host, settings.port, keepalive=settings.keep_alive_s)
        except ConfigError as error:  # the secret, or the authority
            raise DeliveryError(str(error), error.next_step) from error
        except (OSError, ValueError) as error:
            raise DeliveryError(
                f"cannot connect to {_named(settings)}: {error}", "check [mqtt] and the broker"
            ) from error
        client.loop_start()
        if not self._answered.wait(CONNECT_S) or self._refused:
            why = self._refused or "it does not answer"
            self.close()
            raise DeliveryError(
                f"{_named(settings)} lets nobody in: {why}", "check [mqtt] and the broker"
            )

    def _trust(self, client: Client) -> None:
        authority = self._settings.ca_file
        try:
            client.tls_set(ca_certs=str(authority) if authority else None)
        except OSError as error:  # as are those of ssl
            raise ConfigError(
                f"the authority in {authority} cannot be used: {error.strerror or error}",
                "`ca_file` in [mqtt] is a file in PEM that the service's user can read",
            ) from error

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            self._refused = str(reason)
        self._answered.set()

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self._retained[message.topic] = message.payload
        self._heard.set()


def _status(vitals: Vitals) -> bytes:
    is_well = vitals.store == WELL and not vitals.stood_in_for
    return json.dumps(
        {
            "store": vitals.store,
            "waiting": vitals.waiting,
            "annotated_per_minute": round(vitals.annotated_per_minute),
            "stood_in_for": vitals.stood_in_for,
            "problem": "OFF" if is_well else "ON",
        }
    ).encode()


def _named(settings: MqttSettings) -> str:
    return f"the broker {settings.host}:{settings.port}"
