"""What supervisor and worker say to each other: JSON, so that neither ever unpickles the other.

A worker decodes untrusted pictures in native code; whatever it sends is checked against these
types before the supervisor believes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from annotator.domain import Annotation, Capture, Reason

MAX_MESSAGE_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Task:
    """Down: look at this capture. Tasks are answered in the order in which they came."""

    id: int
    capture: Capture


@dataclass(frozen=True, slots=True)
class Ready:
    """Up, once: the models are loaded."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Broken:
    """Up, once, in place of Ready: this worker can never work, and why."""

    message: str
    next_step: str
    exit_code: int
    kind: Literal["broken"] = "broken"


@dataclass(frozen=True, slots=True)
class Started:
    """Up: the bytes are read; from here on the capture is to blame for a crash or a hang."""

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

    `age_s` is the age of the file, None where it is not known.
    """

    id: int
    reason: Reason
    message: str
    final: bool
    age_s: float | None = None
    kind: Literal["not readable"] = "not readable"


@dataclass(frozen=True, slots=True)
class StoreGone:
    """Up: the store cannot be reached; says nothing about the capture."""

    id: int
    message: str
    kind: Literal["store gone"] = "store gone"


Answer = Ready | Broken | Started | Done | NotReadable | StoreGone

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
