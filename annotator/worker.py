"""The child processes that look at captures: one reads ahead, decodes and finds objects, and hands
pictures with people to another of its own, which finds and embeds faces.

They own all that can crash, hang or leak: network reads, decoders, native inference. Tasks are
answered in the order in which they come.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection

from annotator.child import Child, ChildLost
from annotator.config import Config, MonitorSettings
from annotator.domain import (
    Annotation,
    BoundingBox,
    CaptureContent,
    FileStamp,
    Reason,
)
from annotator.errors import AnnotatorError, CaptureUnreadable, StoreUnavailable
from annotator.pipeline import persons_of, see, with_faces
from annotator.ports import CaptureStore, Vision
from annotator.wire import (
    MAX_MESSAGE_BYTES,
    Answer,
    Broken,
    Done,
    FaceAnswer,
    FacesFound,
    FacesLost,
    FacesRefused,
    FaceTask,
    NotReadable,
    Ready,
    Started,
    StoreGone,
    Task,
    decode_face_task,
    decode_tasks,
    encode_answer,
    encode_face_answer,
    encode_face_task,
)

# A read over a 2 ms link is five round trips and no work: eight readers hide it behind inference.
READERS = 8
FACES_AHEAD = 4
"""So many pictures may wait for their faces while the detector goes on."""

HUNG_UP = (EOFError, BrokenPipeError, ConnectionResetError)
"""What the pipe says when nobody is at its other end."""

log = logging.getLogger(__name__)

StartFaces = Callable[[], Child[FaceAnswer]]


def serve(
    connection: Connection,
    store: CaptureStore,
    build_vision: Callable[[], Vision],
    config: Config,
    start_faces: StartFaces,
) -> None:
    """Answer tasks until the supervisor hangs up, which ends it with one of `HUNG_UP`."""

    def say(answer: Answer) -> None:
        connection.send_bytes(encode_answer(answer))

    with ExitStack() as stack:
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        stack.callback(readers.shutdown, wait=False, cancel_futures=True)
        try:
            faces = stack.enter_context(_FaceDesk(start_faces, config))
            vision = build_vision()
            for settings in _all_settings(config):
                vision.provenance(settings.detection)  # loads what they name
        except AnnotatorError as error:
            say(Broken(str(error), error.next_step, error.exit_code))
            return
        say(Ready())
        waiting: deque[tuple[Task, Future[CaptureContent]]] = deque()
        ahead: deque[Future[Answer]] = deque()
        while True:
            while (not waiting and not ahead) or connection.poll(0):
                tasks = decode_tasks(connection.recv_bytes(MAX_MESSAGE_BYTES))
                waiting += [(task, readers.submit(store.read, task.capture)) for task in tasks]
            if waiting and len(ahead) < FACES_AHEAD:
                ahead.append(_look(*waiting.popleft(), vision, config, faces, say))
            else:
                say(ahead.popleft().result())
            while ahead and ahead[0].done():
                say(ahead.popleft().result())


def serve_faces(connection: Connection, build_vision: Callable[[], Vision], config: Config) -> None:
    """The face process: answer the worker until it hangs up."""

    def say(answer: FaceAnswer) -> None:
        connection.send_bytes(encode_face_answer(answer))

    try:
        vision = build_vision()
        for monitor in _all_settings(config):
            if monitor.faces.enabled:
                vision.face_models(monitor.faces)
    except AnnotatorError as error:
        say(Broken(str(error), error.next_step, error.exit_code))
        return
    say(Ready())
    while True:
        task = decode_face_task(connection.recv_bytes(MAX_MESSAGE_BYTES))
        jpeg = connection.recv_bytes()
        settings = config.for_monitor(task.monitor).faces
        try:
            faces = vision.faces(vision.decode(jpeg, None), task.persons, settings)
            say(FacesFound(tuple(faces), vision.face_models(settings)))
        except CaptureUnreadable as error:
            say(FacesRefused(error.reason, str(error)))
        except Exception as error:
            log.exception("a bug in annotator, please report it")
            say(FacesRefused(Reason.INTERNAL, f"{type(error).__name__}: {error}"))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A capture whose objects are found and whose faces are not."""

    id: int
    annotation: Annotation
    content: CaptureContent
    persons: tuple[BoundingBox, ...]
    settings: MonitorSettings


def _look(
    task: Task,
    reading: Future[CaptureContent],
    vision: Vision,
    config: Config,
    faces: _FaceDesk,
    say: Callable[[Answer], None],
) -> Future[Answer]:
    """The answer, now or once the faces are known."""
    stamp: FileStamp | None = None
    try:
        content = reading.result()
        stamp = FileStamp(len(content.jpeg), content.modified_at)
        say(Started(task.id))
        settings = config.for_monitor(task.capture.monitor)
        picture = vision.decode(content.jpeg, settings.detection)
        annotation = see(task.capture, content, picture, vision, settings)
        persons = persons_of(annotation, settings)
        if persons:
            return faces.submit(_Seen(task.id, annotation, content, persons, settings))
        return _known(Done(task.id, annotation))
    except CaptureUnreadable as error:
        about = stamp or error.stamp
        return _known(NotReadable(task.id, error.reason, str(error), error.final, about))
    except StoreUnavailable as error:
        return _known(StoreGone(task.id, str(error)))
    except HUNG_UP:
        raise
    except Exception as error:
        log.exception("%s: a bug in annotator, please report it", task.capture.path)
        message = f"{type(error).__name__}: {error}"
        return _known(NotReadable(task.id, Reason.INTERNAL, message, final=True))


def _known(answer: Answer) -> Future[Answer]:
    known: Future[Answer] = Future()
    known.set_result(answer)
    return known


def _all_settings(config: Config) -> Sequence[MonitorSettings]:
    """Those of monitors without overrides, and of each with some."""
    return [config.for_monitor(monitor) for monitor in ("", *config.monitors)]


class _FaceDesk:
    """The worker's side of the face process; one thread talks to it and waits for its answers."""

    def __init__(self, start: StartFaces, config: Config) -> None:
        self._start = start
        # Shorter than the supervisor's patience with the worker, which would blame another capture.
        self._patience_s = config.worker.capture_timeout_s / 2
        self._start_patience_s = config.worker.start_timeout_s
        self._wanted = any(settings.faces.enabled for settings in _all_settings(config))
        self._child: Child[FaceAnswer] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="faces")

    def __enter__(self) -> _FaceDesk:
        """Start the process, so that what it cannot load is known at once."""
        if self._wanted:
            self._staffed()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._dismiss()

    def submit(self, seen: _Seen) -> Future[Answer]:
        return self._thread.submit(self._ask, seen)

    def _ask(self, seen: _Seen) -> Answer:
        try:
            child = self._staffed()
            child.send(encode_face_task(FaceTask(seen.annotation.capture.monitor, seen.persons)))
            child.send(seen.content.jpeg)
            answer = self._answer(child, self._patience_s)
        except ChildLost as lost:
            self._dismiss()
            return FacesLost(seen.id, Reason.CRASHED, f"the face process {lost}")
        except TimeoutError:
            self._dismiss()
            limit = f"{self._patience_s:g} s"
            return FacesLost(seen.id, Reason.TIMED_OUT, f"its faces took longer than {limit}")
        match answer:
            case FacesFound():
                annotation = with_faces(seen.annotation, seen.settings, answer.faces, answer.models)
                return Done(seen.id, annotation)
            case FacesRefused():
                return NotReadable(seen.id, answer.reason, answer.message, final=True)
        raise ChildLost("answered out of turn")

    def _staffed(self) -> Child[FaceAnswer]:
        if self._child is None:
            self._child = self._start()
            answer = self._answer(self._child, self._start_patience_s)
            if isinstance(answer, Broken):
                raise answer.error()
        return self._child

    def _answer(self, child: Child[FaceAnswer], patience_s: float) -> FaceAnswer:
        """Raises ChildLost, TimeoutError."""
        if not child.connection.poll(patience_s):
            raise TimeoutError
        return child.messages(most=1)[0]

    def _dismiss(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
