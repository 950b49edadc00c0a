"""Notices to a program of the user's: the JSON on its stdin, the essentials in its environment."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

from annotator.config import CommandSettings
from annotator.errors import DeliveryError
from annotator.legible import one_line
from annotator.notices import Notice
from annotator.notify.message import body, text

OUTPUT_BYTES = 4000
"""So much of what it says goes to the log."""
WORDS = 200
"""So many characters of it tell why it failed."""
LOOK_S = 0.2
GOODBYE_S = 1.0
"""What runs at the end has so long to end too."""
PIPE_BYTES = 4096

log = logging.getLogger(__name__)


class CommandDeliverer:
    """The port `Deliverer`. One at a time, without a shell, in a process group of its own.

    `store` is the root of the event tree, by which the program can find the capture.
    """

    def __init__(self, name: str, settings: CommandSettings, store: Path | None = None) -> None:
        self._name = name
        self._settings = settings
        self._store = store
        self._closing = threading.Event()
        self._closed_at_s = 0.0

    def deliver(self, notice: Notice, picture: bytes | None) -> None:
        try:
            process = subprocess.Popen(
                self._settings.run,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | self._variables(notice),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DeliveryError(
                f"{self._settings.run[0]} cannot be run: {error}", f"check [commands.{self._name}]"
            ) from error
        with process:
            try:
                said = self._attend(process, body(notice, picture))
            finally:
                _kill(process)
        if said:
            log.info("%s says: %s", self._name, said)
        if process.returncode:
            status = process.returncode
            how = f"was ended by signal {-status}" if status < 0 else f"exited with {status}"
            raise DeliveryError(
                f"{self._settings.run[0]} {how}{said and f': {said[:WORDS]}'}",
                f"check [commands.{self._name}]",
            )

    def tend(self) -> None:
        """There is nothing to keep up."""

    def close(self) -> None:
        self._closed_at_s = monotonic()
        self._closing.set()

    def _variables(self, notice: Notice) -> dict[str, str]:
        seen = notice.sighting
        path = str(self._store / seen.path) if self._store else seen.path
        told = {
            "NOTICE": str(notice.id),
            "RULE": notice.rule,
            "TEXT": text(notice),
            "PERSON": notice.person,
            "MONITOR": seen.monitor,
            "EVENT": seen.event,
            "LABEL": seen.label,
            "SCORE": f"{seen.score:.3f}",
            "CAPTURED_AT": seen.captured_at.isoformat(timespec="milliseconds"),
            "CAPTURE": path,
            "TEST": str(int(notice.test)),
        }
        return {f"ANNOTATOR_{name}": value.replace("\0", "") for name, value in told.items()}

    def _attend(self, process: subprocess.Popen[bytes], told: bytes) -> str:
        """Give it the message and hear it out, until it has ended; the beginning of what it said.

        Raises DeliveryError when its time is up. What it leaves running in the background is not
        waited for.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        deadline_s, said, unsent = monotonic() + self._settings.timeout_s, b"", memoryview(told)
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as pipes:
            pipes.register(process.stdin, selectors.EVENT_WRITE)
            pipes.register(process.stdout, selectors.EVENT_READ)
            while process.poll() is None:
                if self._closing.is_set():
                    deadline_s = min(deadline_s, self._closed_at_s + GOODBYE_S)
                if monotonic() >= deadline_s:
                    raise DeliveryError(
                        f"{self._settings.run[0]} took too long and was ended",
                        "is `timeout_s` enough?",
                    )
                for key, _ in pipes.select(LOOK_S):
                    if key.fileobj is process.stdout:
                        heard = os.read(process.stdout.fileno(), PIPE_BYTES)
                        said = (said + heard)[:OUTPUT_BYTES]
                        if not heard:
                            pipes.unregister(process.stdout)
                    else:
                        unsent = unsent[_written(process.stdin.fileno(), unsent) :]
                        if not unsent:
                            pipes.unregister(process.stdin)
                            process.stdin.close()
                if not pipes.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK_S)
        os.set_blocking(process.stdout.fileno(), False)
        with suppress(BlockingIOError):
            said += os.read(process.stdout.fileno(), OUTPUT_BYTES)
        return one_line(said[:OUTPUT_BYTES].decode(errors="replace"))


def _written(descriptor: int, unsent: memoryview) -> int:
    """How much of it; all of it where nobody listens."""
    try:
        return os.write(descriptor, unsent[:PIPE_BYTES])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(unsent)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started, as far as that is still in its group."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
