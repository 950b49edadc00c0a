from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from annotator.config import Config, check_config
from annotator.domain import Annotation, Capture, CaptureContent, Event, FaceMoment, Reason
from annotator.errors import CaptureUnreadable
from annotator.pipeline import annotate, captured_at, moment_of
from tests.fakes.vision import ScriptedVision, scripted

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
EVENT = Event("Door", "1", "24/05/01/12/00/00", START)
CAPTURE = Capture(EVENT, "00001-capture.jpg", 1)


def look(config: Config | None = None, **script: object) -> Annotation:
    settings = (config or Config()).for_monitor("Door")
    return annotate(CAPTURE, CaptureContent(scripted(**script), START), ScriptedVision(), settings)


def test_only_persons_have_faces_and_each_its_own() -> None:
    seen = look(labels=["car", "person", "dog", "person"])
    assert [len(found.faces) for found in seen.detections] == [0, 1, 0, 1]
    for found in seen.detections:
        assert all(face.box == found.box for face in found.faces)
    assert seen.provenance.embedder == "scripted embedder"


def test_what_was_not_used_is_not_named() -> None:
    assert look(labels=["car"]).provenance.face_detector is None


def test_nothing_seen_is_an_annotation() -> None:
    assert look(labels=[]).detections == ()


def test_could_not_look_is_not_an_annotation() -> None:
    with pytest.raises(CaptureUnreadable) as caught:
        look(corrupt=True)
    assert caught.value.reason is Reason.CORRUPT


def test_faces_can_be_switched_off_for_one_monitor() -> None:
    config = check_config({"monitors": {"Door": {"faces": {"enabled": False}}}}, "test")
    assert look(config, labels=["person"]).detections[0].faces == ()


ALONE = [[200, 10, 230, 40]]


def test_a_face_in_nobodys_box_is_a_detection_where_that_is_asked_for() -> None:
    assert look(labels=["car"], faces_alone=ALONE).detections[1:] == ()
    config = check_config({"monitors": {"Door": {"faces": {"outside_persons": True}}}}, "test")
    car, face = look(config, labels=["car"], faces_alone=ALONE).detections
    assert (car.faces, face.label, face.class_id) == ((), "face", -1)
    (own,) = face.faces
    assert (face.box, face.score) == (own.box, own.score)


def test_labels_do_not_choose_such_faces_but_other_limits_do() -> None:
    street = {"name": "street", "points": [[0.3, 0], [1, 0], [1, 1], [0.3, 1]]}

    def seen(**detection: object) -> list[str]:
        settings = {"faces": {"outside_persons": True}, "detection": detection}
        config = check_config({"monitors": {"Door": settings}}, "test")
        return [one.label for one in look(config, faces_alone=ALONE).detections]

    assert seen(labels=["car"]) == ["face"]
    assert seen(ignore=[street]) == []
    assert seen(by_label={"face": {"min_score": 0.9}}) == []


def test_faces_are_followed_where_and_when_they_are_seen() -> None:
    moment = moment_of(look(labels=["person"]))
    assert moment == FaceMoment("1/24/05/01/12/00/00", 1, START)


@pytest.mark.parametrize(
    ("after_start", "believed"),
    [
        (timedelta(seconds=-30), True),
        (timedelta(minutes=10), True),
        (timedelta(hours=30), True),
        (timedelta(days=90), False),
        (timedelta(days=-1), False),
    ],
)
def test_a_copied_tree_does_not_move_its_captures_in_time(
    after_start: timedelta, believed: bool
) -> None:
    assert captured_at(EVENT, START + after_start) == (START + after_start if believed else START)


def test_without_a_start_the_files_time_is_all_there_is() -> None:
    modified_at = START + timedelta(days=900)
    assert captured_at(Event("Door", "1", "77"), modified_at) == modified_at
