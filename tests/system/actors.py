"""Who acts while a mount is broken: a recorder that writes on, and the daemon as a service."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import psutil

from demo.nvr import Frame, Pace, Recorder, Recording, Scheme
from tests.system.conftest import House, picture
from tests.system.lab import until


@dataclass(frozen=True)
class Written:
    """A capture that is whole on the server since `at_s` (Unix time); `path` as in the database."""

    path: str
    at_s: float


class Writer:
    """Writes one monitor's events in place, piece by piece, one after the other until it stops."""

    def __init__(
        self,
        root: Path,
        monitor_id: int,
        monitor: str,
        *,
        frames_per_event: int = 5,
        pace: Pace | None = None,
        scheme: Scheme = Scheme.DEEP,
        jpeg: bytes | None = None,
    ) -> None:
        self.written: list[Written] = []
        self._root = root
        self._monitor_id = monitor_id
        self._monitor = monitor
        self._frames = frames_per_event
        self._pace = pace or Pace(between_frames_s=0.25, between_pieces_s=0.02, pieces=4)
        self._jpeg = jpeg or picture("red")
        self._stopping = threading.Event()
        self._recorder = Recorder(root, scheme, UTC, self._pause)
        self._thread = threading.Thread(target=self._write, name=f"writer of {monitor}")

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.written]

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """The capture that is being written becomes whole, in a hurry."""
        self._stopping.set()
        self._thread.join()

    def _write(self) -> None:
        event_id = 0
        while not self._stopping.is_set():
            event_id += 1
            now = datetime.now(UTC)
            frames = tuple(Frame(number, now, self._jpeg) for number in range(1, self._frames + 1))
            recording = Recording(event_id, self._monitor_id, self._monitor, now, frames)
            for path in self._recorder.record_live(recording, self._pace):
                self.written.append(
                    Written(str(path.relative_to(self._root)), path.stat().st_mtime)
                )
                if self._stopping.is_set():
                    return
            # Events are named by the second they start in.
            while datetime.now(UTC).replace(microsecond=0) == now.replace(microsecond=0):
                time.sleep(0.05)

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)


class Service:
    """`annotator watch` as systemd runs it: its notifications are read.

    It does not run until `start`, and may be started again. Leaving kills it.
    """

    def __init__(self, house: House, log: Path) -> None:
        self.log = log
        self._house = house
        # In the abstract namespace, where a path may be as long as pytest makes it.
        name = f"@annotator-{os.getpid()}-{id(self)}"
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.bind("\0" + name[1:])
        self._notifications.setblocking(False)
        self._environment = {
            **house.environment,
            "NOTIFY_SOCKET": name,
            "WATCHDOG_USEC": "4000000",
        }
        self._heard: Counter[str] = Counter()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._notifications.close()

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._house.command("watch"),
                env=self._environment,
                cwd=self._house.folder,
                stdin=subprocess.DEVNULL,
                stderr=out,
            )

    def heard(self, message: str) -> int:
        """How often it has said so ("READY=1", "WATCHDOG=1") since it was made."""
        with suppress(BlockingIOError):
            while True:
                self._heard.update(self._notifications.recv(4096).decode().splitlines())
        return self._heard[message]

    def exited(self) -> int | None:
        """Its exit status if it has ended by itself, negative for a signal."""
        self.heard("")  # keep the socket empty
        return self._process.poll() if self._process else None

    def stop(self, within_s: float = 10.0) -> int:
        """SIGTERM, as `systemctl stop`; its exit status. TimeoutExpired where it does not obey."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within_s)

    def kill(self) -> None:
        """SIGKILL; what it has started is left to itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def recorded(house: House, question: str) -> list[tuple[str, ...]]:
    """The answer of the database's documented views to a question in SQL; [] before it is there."""
    uri = f"{(house.folder / 'annotator.sqlite').as_uri()}?mode=ro"
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(uri, uri=True, timeout=5)) as database,
    ):
        return database.execute(question).fetchall()
    return []


def annotated(house: House) -> list[str]:
    """The paths of all annotated captures, relative to the store; one twice would be here twice."""
    return [
        path for (path,) in recorded(house, "SELECT path FROM captures WHERE state = 'annotated'")
    ]


def left_over(house: House) -> list[str]:
    """Processes of this house that still run."""
    mine = str(house.folder / "annotator.toml")
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if (
                process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get("ANNOTATOR_CONFIG") == mine
            ):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found


def wait_for(
    service: Service, condition: Callable[[], bool], what: str, within_s: float = 30.0
) -> None:
    """`until`, which also fails as soon as the service has ended by itself."""

    def holds() -> bool:
        status = service.exited()
        if status is not None:
            raise RuntimeError(
                f"while waiting for: {what}: the daemon ended with {status}\n"
                f"{service.log.read_text()[-3000:]}"
            )
        return condition()

    until(holds, what, within_s)
