"""A child process as its parent sees it: start, talk, stop, kill - and never wait for the dead.

A child that is blocked in a dead mount survives SIGKILL until the kernel lets it go. Whoever waits
for it is blocked too, so it is buried instead: reaped whenever it has really died.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import IO, Generic, TypeVar

from annotator.wire import MAX_MESSAGE_BYTES

Message = TypeVar("Message")

KILL_GRACE_S = 0.2


class ChildLost(Exception):
    """The child died, or speaks nonsense and has to."""


class Graveyard:
    """Children that were killed and have not died yet."""

    def __init__(self) -> None:
        self._buried: list[subprocess.Popen[bytes]] = []

    def bury(self, process: subprocess.Popen[bytes]) -> None:
        self._buried.append(process)

    def __len__(self) -> int:
        """How many still live, in the kernel's hands; reaps the others."""
        self._buried = [process for process in self._buried if process.poll() is None]
        return len(self._buried)


class Child(Generic[Message]):
    """A child started with `command`, which gets the number of its end of the pipe appended.

    It runs in a session of its own: Ctrl-C in a terminal reaches the parent only. `greeting` is the
    first message that it finds in the pipe; `decode` checks what it says, with ValueError. Told to
    stop, it has `stop_grace_s` to do so. What it says on stderr goes where the parent's does, or to
    the file `stderr`; it has no stdout, which would stay open as long as the child is stuck, and
    whoever reads the parent's would wait.
    """

    def __init__(
        self,
        command: Sequence[str],
        greeting: bytes,
        decode: Callable[[bytes], Message],
        graveyard: Graveyard,
        *,
        stop_grace_s: float = 5.0,
        stderr: IO[bytes] | None = None,
    ) -> None:
        self._decode = decode
        self._graveyard = graveyard
        self._stop_grace_s = stop_grace_s
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        with suppress(OSError):  # it has died already, which whoever listens to it is told
            self._connection.send_bytes(greeting)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def connection(self) -> Connection:
        """To be waited on; becomes readable with a message or at the child's death."""
        return self._connection

    def send(self, message: bytes) -> None:
        """Raises ChildLost. Blocks where the child does not read and the socket is full: whoever
        sends must leave little unanswered."""
        try:
            self._connection.send_bytes(message)
        except OSError as error:
            raise ChildLost(self._last_words()) from error

    def messages(self, most: int = 1000) -> list[Message]:
        """What has come, without waiting, `most` at a time. Raises ChildLost after the last."""
        messages: list[Message] = []
        try:
            while len(messages) < most and self._connection.poll(0):
                messages.append(self._decode(self._connection.recv_bytes(MAX_MESSAGE_BYTES)))
        except (EOFError, OSError) as error:
            if not messages:
                raise ChildLost(self._last_words()) from error
        except ValueError as error:
            raise ChildLost("sent a message that is not one of ours") from error
        return messages

    def stop(self) -> None:
        """Hang up, let the work in hand finish, then insist."""
        self._connection.close()
        try:
            self._process.wait(self._stop_grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it now; returns at once even where it cannot die yet."""
        self._connection.close()
        self._process.kill()
        try:
            self._process.wait(KILL_GRACE_S)
        except subprocess.TimeoutExpired:
            self._graveyard.bury(self._process)

    def _last_words(self) -> str:
        try:
            status = self._process.wait(KILL_GRACE_S)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        return f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"
