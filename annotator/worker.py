"""The child process: reads ahead, annotates, replies.

It owns all that can crash, hang or leak: network reads, decoders, native inference. It answers
tasks in the order in which they come, so that the supervisor always knows which one is in hand.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection

from annotator.config import Config
from annotator.domain import CaptureContent, FileStamp, Reason
from annotator.errors import AnnotatorError, CaptureUnreadable, StoreUnavailable
from annotator.pipeline import annotate
from annotator.ports import CaptureStore, Vision
from annotator.wire import (
    MAX_MESSAGE_BYTES,
    Answer,
    Broken,
    Done,
    NotReadable,
    Ready,
    Started,
    StoreGone,
    Task,
    decode_tasks,
    encode_answer,
)

# A read over a 2 ms link is five round trips and no work: four readers hide it behind inference.
READERS = 4

HUNG_UP = (EOFError, BrokenPipeError, ConnectionResetError)
"""What the pipe says when nobody is at its other end."""

log = logging.getLogger(__name__)

Reading = tuple[Task, "Future[CaptureContent]"]


def serve(
    connection: Connection, store: CaptureStore, build_vision: Callable[[], Vision], config: Config
) -> None:
    """Answer tasks until the supervisor hangs up, which ends it with one of `HUNG_UP`."""

    def say(answer: Answer) -> None:
        connection.send_bytes(encode_answer(answer))

    try:
        vision = build_vision()
        for monitor in (None, *config.monitors):
            settings = config.for_monitor(monitor or "")
            vision.provenance(settings.detection, settings.faces)  # loads what they name
    except AnnotatorError as error:
        say(Broken(str(error), error.next_step, error.exit_code))
        return
    say(Ready())
    waiting: deque[Reading] = deque()
    with ThreadPoolExecutor(READERS, thread_name_prefix="reader") as readers:
        try:
            while True:
                while not waiting or connection.poll(0):
                    tasks = decode_tasks(connection.recv_bytes(MAX_MESSAGE_BYTES))
                    waiting += [(task, readers.submit(store.read, task.capture)) for task in tasks]
                _answer(*waiting.popleft(), vision, config, say)
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def _answer(
    task: Task,
    reading: Future[CaptureContent],
    vision: Vision,
    config: Config,
    say: Callable[[Answer], None],
) -> None:
    stamp: FileStamp | None = None
    try:
        content = reading.result()
        stamp = FileStamp(len(content.jpeg), content.modified_at)
        say(Started(task.id))
        settings = config.for_monitor(task.capture.monitor)
        say(Done(task.id, annotate(task.capture, content, vision, settings)))
    except CaptureUnreadable as error:
        say(NotReadable(task.id, error.reason, str(error), error.final, stamp or error.stamp))
    except StoreUnavailable as error:
        say(StoreGone(task.id, str(error)))
    except AnnotatorError as error:
        # A model or runtime that a monitor's own settings name and that cannot be used.
        message = f"{error}; {error.next_step}" if error.next_step else str(error)
        say(NotReadable(task.id, Reason.INTERNAL, message, final=True))
    except HUNG_UP:
        raise
    except Exception as error:
        log.exception("%s: a bug in annotator, please report it", task.capture.path)
        say(NotReadable(task.id, Reason.INTERNAL, f"{type(error).__name__}: {error}", final=True))
