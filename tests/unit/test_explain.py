from __future__ import annotations

from annotator.config import check_config
from annotator.domain import BoundingBox
from annotator.explain import Explanation, explain
from tests.fakes.vision import ScriptedVision, scripted

STREET = {"name": "street", "points": [[0, 0], [0.02, 0], [0.02, 1], [0, 1]]}


def explained(seen: list[str], **detection: object) -> Explanation:
    config = check_config({"monitors": {"Door": {"detection": detection}}}, "test")
    jpeg = scripted(labels=seen)
    return explain(jpeg, ScriptedVision(), config.for_monitor("Door"), from_score=0.2)


def test_every_candidate_is_there_with_what_it_failed() -> None:
    told = explained(["car", "dog", "person"], labels=["car", "person"], ignore=[STREET])
    assert [(one.candidate.label, one.passed) for one in told.candidates] == [
        ("car", False),
        ("dog", False),
        ("person", True),
    ]
    failed = [[check.name for check in one.checks if not check.passed] for one in told.candidates]
    assert failed == [["place"], ["label"], []]


def test_faces_are_looked_for_in_those_that_passed() -> None:
    told = explained(["person", "person"], ignore=[STREET])
    assert [len(one.faces) for one in told.candidates] == [0, 1]
    face = told.candidates[1].faces[0]
    assert face.face.box == BoundingBox(10, 0, 18, 100)
    assert {check.name: (check.value, check.passed) for check in face.checks} == {
        "score": ("0.80", True),
        "size": ("8 px", False),
        "sharpness": ("100", True),
        "turn": ("0.10", True),
    }


def test_a_score_that_fails_is_shown_all_the_same() -> None:
    told = explained(["car"], min_score=0.95)
    assert not told.candidates[0].passed
    assert told.candidates[0].checks[0].limit == "at least 0.95"


def test_faces_in_nobodys_box_are_candidates_too() -> None:
    settings = {
        "faces": {"outside_persons": True},
        "detection": {"labels": ["person"], "ignore": [STREET]},
    }
    config = check_config({"monitors": {"Door": settings}}, "test").for_monitor("Door")
    jpeg = scripted(labels=["car"], faces_alone=[[2, 10, 12, 40], [200, 10, 230, 40]])
    told = explain(jpeg, ScriptedVision(), config, from_score=0.2).candidates
    assert [(one.candidate.label, one.passed) for one in told] == [
        ("car", False),
        ("face", False),
        ("face", True),
    ]
    assert [len(one.faces) for one in told] == [0, 1, 1]
