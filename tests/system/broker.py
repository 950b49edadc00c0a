"""Debian's mosquitto on a free port of its own, and a client that looks at what it has."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.system.lab import until

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
PASSWD = shutil.which("mosquitto_passwd")
PATIENCE_S = 20.0


def needs_broker() -> None:
    """Skips where there is no mosquitto; with ANNOTATOR_REQUIRE_BROKER=1 that is a failure."""
    if PROGRAM is None:
        reason = "Debian's mosquitto is not installed"
        if os.environ.get("ANNOTATOR_REQUIRE_BROKER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


class Broker:
    """A mosquitto that keeps what is retained over a restart; not started yet.

    With `user` only that one, with the password "secret", is let in.
    """

    def __init__(self, folder: Path, user: str = "") -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listener {self.port} 127.0.0.1", "persistence true"]
        lines.append(f"persistence_location {folder}/")
        if os.geteuid() == 0:
            lines.append("user root")
        if user:
            passwords = folder / "passwords"
            passwords.write_text(f"{user}:secret\n")
            passwords.chmod(0o600)
            assert PASSWD is not None
            subprocess.run([PASSWD, "-U", str(passwords)], check=True)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        else:
            lines.append("allow_anonymous true")
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        assert PROGRAM is not None
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self._config)], stdout=log, stderr=log
            )
        until(self._answers, "mosquitto did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@contextmanager
def serving(folder: Path, user: str = "") -> Iterator[Broker]:
    needs_broker()
    broker = Broker(folder, user)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Reader:
    """Everything that is published or retained, as (topic, payload, is_retained)."""

    def __init__(self, port: int, user: str = "") -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="reader")
        if user:
            self._client.username_pw_set(user, "secret")
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, message.payload, bool(message.retain))
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # Else two sockets stay open until its garbage is collected.
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for found, payload, _ in list(self.heard) if found == topic]

    def wait_for(self, topic: str, count: int = 1) -> list[bytes]:
        until(
            lambda: len(self.payloads(topic)) >= count,
            f"{topic}: not {count} of {[one[0] for one in self.heard]}",
        )
        return self.payloads(topic)

    def object(self, topic: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.wait_for(topic)[-1])
        return found


@contextmanager
def reading(broker: Broker, user: str = "") -> Iterator[Reader]:
    reader = Reader(broker.port, user)
    try:
        yield reader
    finally:
        reader.close()
