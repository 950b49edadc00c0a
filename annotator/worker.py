"""The child processes that look at captures: one reads and decodes ahead and finds objects, and
hands pictures with people to another of its own, which finds and embeds faces.

They own all that can crash, hang or leak: network reads, decoders, native inference. Tasks are
answered in the order in which they come.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Lock

from annotator.child import Child, ChildLost
from annotator.config import Config, MonitorSettings
from annotator.domain import (
    Annotation,
    BoundingBox,
    CaptureContent,
    FileStamp,
    Reason,
)
from annotator.errors import AnnotatorError, CaptureUnreadable, DeviceLost, StoreUnavailable
from annotator.pipeline import moment_of, persons_of, see, with_faces
from annotator.ports import CaptureStore, Picture, Vision
from annotator.similar import Similar
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
    Unplugged,
    decode_face_task,
    decode_tasks,
    encode_answer,
    encode_face_answer,
    encode_face_task,
)

# A read over a 2 ms link is five round trips and no work: eight readers hide it behind inference.
READERS = 8
DECODED_AHEAD = 2
"""So many pictures are decoded while the network is busy; each may take 25 MB where tiles or a
large network need the full resolution."""
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
    say = _Voice(connection)
    with ExitStack() as stack:
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        stack.callback(readers.shutdown, wait=False, cancel_futures=True)
        decoder = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        stack.callback(decoder.shutdown, wait=False, cancel_futures=True)
        try:
            faces = stack.enter_context(_FaceDesk(start_faces, config))
            vision = build_vision()
            took_ms = _try_out(vision, config)
        except AnnotatorError as error:
            say(_complaint(error))
            return
        say(Ready(took_ms))
        eye = _Eye(vision, config, faces)
        reading: deque[tuple[Task, Future[CaptureContent]]] = deque()
        decoding: deque[tuple[Task, Future[_Decoded]]] = deque()
        ahead: deque[Future[Answer]] = deque()
        while True:
            while not (reading or decoding or ahead) or connection.poll(0):
                tasks = decode_tasks(connection.recv_bytes(MAX_MESSAGE_BYTES))
                reading += [(task, readers.submit(store.read, task.capture)) for task in tasks]
            while reading and len(decoding) < DECODED_AHEAD:
                task, content = reading.popleft()
                decoding.append((task, decoder.submit(eye.decode, task, content, say)))
            if decoding and len(ahead) < FACES_AHEAD:
                try:
                    ahead.append(eye.look(*decoding.popleft()))
                except DeviceLost as error:
                    say(_complaint(error))
                    return
            else:
                say(ahead.popleft().result())
            while ahead and ahead[0].done():
                say(ahead.popleft().result())


def try_out(connection: Connection, build_vision: Callable[[], Vision], config: Config) -> None:
    """Say whether a worker could work here, and end."""
    try:
        answer: Answer = Ready(_try_out(build_vision(), config))
    except AnnotatorError as error:
        answer = _complaint(error)
    _Voice(connection)(answer)


def _try_out(vision: Vision, config: Config) -> float:
    """Load and use once what the settings name; the slowest network's milliseconds."""
    took_ms = 0.0
    for settings in config.detectors():
        vision.provenance(settings)
        took_ms = max(took_ms, vision.try_out(settings))
    return took_ms


def _complaint(error: AnnotatorError) -> Broken | Unplugged:
    if isinstance(error, DeviceLost):
        return Unplugged(str(error), error.next_step)
    return Broken(str(error), error.next_step, error.exit_code)


def serve_faces(connection: Connection, build_vision: Callable[[], Vision], config: Config) -> None:
    """The face process: answer the worker until it hangs up."""

    def say(answer: FaceAnswer) -> None:
        connection.send_bytes(encode_face_answer(answer))

    try:
        vision = build_vision()
        for monitor in config.for_all():
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
            picture = vision.decode(jpeg, None)
            faces = vision.faces(picture, task.persons, settings, task.moment)
            say(FacesFound(tuple(faces), vision.face_models(settings)))
        except CaptureUnreadable as error:
            say(FacesRefused(error.reason, str(error)))
        except Exception as error:
            log.exception("a bug in annotator, please report it")
            say(FacesRefused(Reason.INTERNAL, f"{type(error).__name__}: {error}"))


class _Voice:
    """The worker's end of the pipe, for two threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = Lock()

    def __call__(self, answer: Answer) -> None:
        message = encode_answer(answer)
        with self._lock:
            self._connection.send_bytes(message)


@dataclass(frozen=True, slots=True)
class _Decoded:
    content: CaptureContent
    picture: Picture


@dataclass(frozen=True, slots=True)
class _Seen:
    """A capture whose objects are found and whose faces are not."""

    id: int
    annotation: Annotation
    content: CaptureContent
    persons: tuple[BoundingBox, ...]
    settings: MonitorSettings


class _Eye:
    """Decodes on one thread while it looks on another."""

    def __init__(self, vision: Vision, config: Config, faces: _FaceDesk) -> None:
        self._vision = vision
        self._config = config
        self._faces = faces
        self._similar = Similar()

    def decode(
        self, task: Task, reading: Future[CaptureContent], say: Callable[[Answer], None]
    ) -> _Decoded:
        """Raises CaptureUnreadable, with the file's stamp where it was read; StoreUnavailable."""
        content = reading.result()
        say(Started(task.id))
        settings = self._config.for_monitor(task.capture.monitor)
        try:
            return _Decoded(content, self._vision.decode(content.jpeg, settings.detection))
        except CaptureUnreadable as error:
            error.stamp = FileStamp(len(content.jpeg), content.modified_at)
            raise

    def look(self, task: Task, decoding: Future[_Decoded]) -> Future[Answer]:
        """The answer, now or once the faces are known. Raises DeviceLost."""
        try:
            return self._look(task, decoding.result())
        except CaptureUnreadable as error:
            refusal = NotReadable(task.id, error.reason, str(error), error.final, error.stamp)
            return _known(refusal)
        except StoreUnavailable as error:
            return _known(StoreGone(task.id, str(error)))
        except (*HUNG_UP, DeviceLost):
            raise
        except Exception as error:
            log.exception("%s: a bug in annotator, please report it", task.capture.path)
            message = f"{type(error).__name__}: {error}"
            return _known(NotReadable(task.id, Reason.INTERNAL, message, final=True))

    def _look(self, task: Task, decoded: _Decoded) -> Future[Answer]:
        settings = self._config.for_monitor(task.capture.monitor)
        content, picture = decoded.content, decoded.picture
        glance = self._vision.glance(picture) if settings.similar.enabled else None
        if glance is not None:
            inherited = self._similar.inherited(
                task.capture, content.modified_at, glance, settings.similar
            )
            if inherited is not None:
                return _known(Done(task.id, inherited))
        annotation = self._see(task, content, picture, settings)
        if glance is not None:
            self._similar.keep(annotation, glance)
        persons = persons_of(annotation, settings)
        if persons is not None:
            return self._faces.submit(_Seen(task.id, annotation, content, persons, settings))
        return _known(Done(task.id, annotation))

    def _see(
        self, task: Task, content: CaptureContent, picture: Picture, settings: MonitorSettings
    ) -> Annotation:
        try:
            return see(task.capture, content, picture, self._vision, settings)
        except DeviceLost as error:
            log.warning("%s; loading it anew", error)
            self._vision.reload()
            return see(task.capture, content, picture, self._vision, settings)


def _known(answer: Answer) -> Future[Answer]:
    known: Future[Answer] = Future()
    known.set_result(answer)
    return known


class _FaceDesk:
    """The worker's side of the face process; one thread talks to it and waits for its answers."""

    def __init__(self, start: StartFaces, config: Config) -> None:
        self._start = start
        # Shorter than the supervisor's patience with the worker, which would blame another capture.
        self._patience_s = config.worker.capture_timeout_s / 2
        self._start_patience_s = config.worker.start_timeout_s
        self._wanted = any(settings.faces.enabled for settings in config.for_all())
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
            monitor, moment = seen.annotation.capture.monitor, moment_of(seen.annotation)
            child.send(encode_face_task(FaceTask(monitor, moment, seen.persons)))
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
