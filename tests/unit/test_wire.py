from __future__ import annotations

from datetime import UTC, datetime

import pytest

from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Face,
    FileStamp,
    Gate,
    Identification,
    Identity,
    Provenance,
    Reason,
)
from annotator.wire import (
    Answer,
    Broken,
    Done,
    NotReadable,
    Ready,
    Started,
    StoreGone,
    Task,
    decode_answer,
    decode_tasks,
    encode_answer,
    encode_tasks,
)

NOW = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
CAPTURE = Capture(Event("Türe ✓", "1", "24/05/01/12/00/00", NOW), "00001-capture.jpg", 1)
FACE = Face(
    BoundingBox(1, 2, 3, 4),
    0.5,
    3.25,
    Gate.USABLE,
    bytes(range(256)) * 2,
    Identification(Identity.KNOWN, "anna", 0.9, 0.31),
)
BLURRED = Face(BoundingBox(1, 2, 3, 4), 0.5, 3.25, Gate.BLURRED)
SEEN = Annotation(
    CAPTURE,
    NOW,
    1920,
    1080,
    (Detection("person", 0, 0.98046875, BoundingBox(1, 2, 30, 40), (FACE, BLURRED)),),
    Provenance("ssd@0123456789ab", "cpu", face_detector="blazeface@0123456789ab"),
)


@pytest.mark.parametrize(
    "answer",
    [
        Ready(),
        Broken("no model", "fetch one", 6),
        Started(7),
        Done(7, SEEN),
        NotReadable(7, Reason.TRUNCATED, "cut", False, FileStamp(17, NOW)),
        StoreGone(7, "gone"),
    ],
)
def test_every_answer_survives_the_way(answer: Answer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


def test_tasks_survive_the_way() -> None:
    tasks = (Task(1, CAPTURE), Task(2, CAPTURE))
    assert decode_tasks(encode_tasks(tasks)) == tasks


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x80\x04.",
        b"{}",
        b'{"kind":"done","id":1}',
        encode_answer(Done(7, SEEN)).replace(b'"xmin":1,', b'"xmin":99,'),
    ],
)
def test_nonsense_from_a_worker_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError):
        decode_answer(message)
