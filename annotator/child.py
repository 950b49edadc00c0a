"""One worker process as the supervisor sees it: start, talk, stop, kill."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe

from annotator.wire import MAX_MESSAGE_BYTES, Answer, Task, decode_answer, encode_tasks


class WorkerLost(Exception):
    """The worker died, or speaks nonsense and has to."""


class WorkerProcess:
    """A child started with `command`, which gets the number of its end of the pipe appended.

    It runs in a session of its own: Ctrl-C in a terminal reaches the supervisor only. `greeting`
    is the first message that it finds in the pipe; told to stop, it has `stop_grace_s` to do so.
    """

    def __init__(
        self, command: Sequence[str], greeting: bytes, *, stop_grace_s: float = 5.0
    ) -> None:
        self._stop_grace_s = stop_grace_s
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._connection.send_bytes(greeting)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def connection(self) -> Connection:
        """To be waited on; becomes readable with an answer or at the worker's death."""
        return self._connection

    def send(self, tasks: tuple[Task, ...]) -> None:
        """Hand out work. Raises WorkerLost.

        Never blocks: what the supervisor leaves unanswered fits the socket's buffer many times.
        """
        try:
            self._connection.send_bytes(encode_tasks(tasks))
        except OSError as error:
            raise WorkerLost(self._last_words()) from error

    def answers(self) -> list[Answer]:
        """All answers that have come, without waiting. Raises WorkerLost after the last one."""
        answers: list[Answer] = []
        try:
            while self._connection.poll(0):
                answers.append(decode_answer(self._connection.recv_bytes(MAX_MESSAGE_BYTES)))
        except (EOFError, OSError) as error:
            if not answers:
                raise WorkerLost(self._last_words()) from error
        except ValueError as error:
            raise WorkerLost("sent a message that is not one of ours") from error
        return answers

    def stop(self) -> None:
        """Hang up, let the capture in hand finish, then insist."""
        self._connection.close()
        try:
            self._process.wait(self._stop_grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        try:
            status = self._process.wait(self._stop_grace_s)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        return f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"
