"""What parent and child processes say to each other: JSON, so that neither unpickles the other.

A worker decodes untrusted pictures in native code; whatever it sends is checked against these
types before anybody believes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Face,
    FaceModels,
    FaceMoment,
    Failure,
    FileStamp,
    Reason,
    Station,
    Window,
)
from annotator.errors import AnnotatorError

MAX_MESSAGE_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """Down, first, to a worker or a probe: the configuration as JSON, and what to work with."""

    config: str
    station: Station


@dataclass(frozen=True, slots=True)
class Task:
    """Down: look at this capture. Tasks are answered in the order in which they came."""

    id: int
    capture: Capture


@dataclass(frozen=True, slots=True)
class Ready:
    """Up, once: the models are loaded; `inference_ms` is how long the slowest one takes."""

    inference_ms: float = 0.0
    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Broken:
    """Up, once, in place of Ready: this worker can never work, and why."""

    message: str
    next_step: str
    exit_code: int
    kind: Literal["broken"] = "broken"

    def error(self) -> AnnotatorError:
        """To be raised by who needs the child."""
        error = AnnotatorError(self.message, self.next_step)
        error.exit_code = self.exit_code
        return error


@dataclass(frozen=True, slots=True)
class Unplugged:
    """Up, in place of Ready or later, and last: the worker's Edge TPU is missing, held, or has
    failed; what is in hand is not to blame."""

    message: str
    next_step: str
    kind: Literal["unplugged"] = "unplugged"


@dataclass(frozen=True, slots=True)
class Started:
    """Up: the bytes are read; from here on the capture may be to blame for a crash or a hang."""

    id: int
    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Done:
    """Up: looked at."""

    id: int
    annotation: Annotation
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class NotReadable:
    """Up: this capture cannot be looked at; `final` is False where it may only be unfinished.

    `stamp` is the file as it was read, None where it is not known.
    """

    id: int
    reason: Reason
    message: str
    final: bool
    stamp: FileStamp | None = None
    kind: Literal["not readable"] = "not readable"


@dataclass(frozen=True, slots=True)
class FacesLost:
    """Up: the face process died or hung over this capture, and was replaced."""

    id: int
    reason: Reason
    message: str
    kind: Literal["faces lost"] = "faces lost"


@dataclass(frozen=True, slots=True)
class StoreGone:
    """Up: the store cannot be reached; says nothing about the capture."""

    id: int
    message: str
    kind: Literal["store gone"] = "store gone"


Answer = Ready | Broken | Unplugged | Started | Done | NotReadable | FacesLost | StoreGone


@dataclass(frozen=True, slots=True)
class FaceTask:
    """Worker to face process, followed by a message that is the JPEG itself."""

    monitor: str
    moment: FaceMoment
    persons: tuple[BoundingBox, ...]


@dataclass(frozen=True, slots=True)
class FacesFound:
    """Back: for each person the faces."""

    faces: tuple[tuple[Face, ...], ...]
    models: FaceModels
    kind: Literal["faces found"] = "faces found"


@dataclass(frozen=True, slots=True)
class FacesRefused:
    """Back: the picture cannot be looked at after all."""

    reason: Reason
    message: str
    kind: Literal["faces refused"] = "faces refused"


FaceAnswer = Ready | Broken | FacesFound | FacesRefused


@dataclass(frozen=True, slots=True)
class Watching:
    """A scout's order: tell of captures that appear, and beat."""

    expected_identity: str | None
    kind: Literal["watching"] = "watching"


@dataclass(frozen=True, slots=True)
class Walking:
    """A scout's order: tell of all captures of a window once, and which `unfinished` changed."""

    window: Window
    expected_identity: str | None
    unfinished: tuple[Failure, ...] = ()
    listings_per_s: float | None = None
    kind: Literal["walking"] = "walking"


Order = Watching | Walking


@dataclass(frozen=True, slots=True)
class Greeting:
    """Down, first, to a scout: the configuration as JSON, and what to do."""

    config: str
    order: Annotated[Order, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Beat:
    """Up, every second or so: the store has just answered, and this is where it is mounted from."""

    identity: str
    kind: Literal["beat"] = "beat"


@dataclass(frozen=True, slots=True)
class Appeared:
    """Up: captures that are new."""

    captures: tuple[Capture, ...]
    kind: Literal["appeared"] = "appeared"


@dataclass(frozen=True, slots=True)
class Met:
    """Up: a walk came through `events` event directories with these captures."""

    captures: tuple[Capture, ...]
    events: int
    kind: Literal["met"] = "met"


@dataclass(frozen=True, slots=True)
class Changed:
    """Up: files of failed captures that are no longer as they were."""

    captures: tuple[Capture, ...]
    kind: Literal["changed"] = "changed"


@dataclass(frozen=True, slots=True)
class Unlistable:
    """Up: a directory that could not be listed."""

    failure: Failure
    kind: Literal["unlistable"] = "unlistable"


@dataclass(frozen=True, slots=True)
class Walked:
    """Up, last: the walk is at its end."""

    kind: Literal["walked"] = "walked"


@dataclass(frozen=True, slots=True)
class StoreLost:
    """Up, last: the store cannot be reached, or is another one (`is_other`)."""

    message: str
    next_step: str
    is_other: bool
    kind: Literal["store lost"] = "store lost"


Report = Beat | Appeared | Met | Changed | Unlistable | Walked | StoreLost

_worker_orders: TypeAdapter[WorkerOrder] = TypeAdapter(WorkerOrder)
_greetings: TypeAdapter[Greeting] = TypeAdapter(Greeting)
_reports: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])
_face_tasks: TypeAdapter[FaceTask] = TypeAdapter(FaceTask)
_face_answers: TypeAdapter[FaceAnswer] = TypeAdapter(
    Annotated[FaceAnswer, Field(discriminator="kind")]
)
_tasks: TypeAdapter[tuple[Task, ...]] = TypeAdapter(tuple[Task, ...])
_answers: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


def encode_tasks(tasks: tuple[Task, ...]) -> bytes:
    return _tasks.dump_json(tasks)


def decode_tasks(message: bytes) -> tuple[Task, ...]:
    return _tasks.validate_json(message)


def encode_answer(answer: Answer) -> bytes:
    return _answers.dump_json(answer)


def decode_answer(message: bytes) -> Answer:
    """Raises ValueError where the message is not one of ours."""
    return _answers.validate_json(message)


def encode_worker_order(order: WorkerOrder) -> bytes:
    return _worker_orders.dump_json(order)


def decode_worker_order(message: bytes) -> WorkerOrder:
    return _worker_orders.validate_json(message)


def encode_greeting(greeting: Greeting) -> bytes:
    return _greetings.dump_json(greeting)


def decode_greeting(message: bytes) -> Greeting:
    return _greetings.validate_json(message)


def encode_report(report: Report) -> bytes:
    return _reports.dump_json(report)


def decode_report(message: bytes) -> Report:
    """Raises ValueError where the message is not one of ours."""
    return _reports.validate_json(message)


def encode_face_task(task: FaceTask) -> bytes:
    return _face_tasks.dump_json(task)


def decode_face_task(message: bytes) -> FaceTask:
    return _face_tasks.validate_json(message)


def encode_face_answer(answer: FaceAnswer) -> bytes:
    return _face_answers.dump_json(answer)


def decode_face_answer(message: bytes) -> FaceAnswer:
    """Raises ValueError where the message is not one of ours."""
    return _face_answers.validate_json(message)
