"""Names of which nothing is known here."""

from __future__ import annotations

from typing import Any

from annotator.app.misnamed import Known, misnamed, misnamed_in_retention
from annotator.config import check_config

KNOWN = Known({"FrontDoor", "Garden"}, {"person", "car", "cat"}, {"anna", "bob"})
RULE = {"name": "door", "to": ["bell"]}


def found(known: Known = KNOWN, **data: Any) -> list[str]:
    config = check_config({"commands": {"bell": {"run": ["ring"]}}, **data}, "test")
    return list(map(str, misnamed(config, known)))


def test_what_is_known_is_no_matter() -> None:
    rule = {**RULE, "monitors": ["Garden"], "labels": ["car"], "names": ["anna", "unknown"]}
    retention = {"by_label": {"person": 0}}
    monitors = {"FrontDoor": {"retention": {"by_label": {"cat": 3}}}}
    assert found(notify=[rule], retention=retention, monitors=monitors) == []
    assert found() == []


def test_each_place_is_named_once_with_what_may_be_meant() -> None:
    rule = {**RULE, "monitors": ["Gardn"], "labels": ["zebra"], "names": ["ana"]}
    assert found(
        notify=[rule],
        retention={"by_label": {"persn": 0}},
        detection={"labels": ["person", "caar"]},
        monitors={"FrontDor": {}, "Garden": {"detection": {"by_label": {"cats": {}}}}},
    ) == [
        "monitors: nothing here is called 'FrontDor'; did you mean 'FrontDoor'?",
        "detection.labels: nothing here is called 'caar'; did you mean 'car'?",
        "retention.by_label: nothing here is called 'persn'; did you mean 'person'?",
        "monitors.Garden.detection.by_label: nothing here is called 'cats'; did you mean 'cat'?",
        "notify 'door' monitors: nothing here is called 'Gardn'; did you mean 'Garden'?",
        "notify 'door' labels: nothing here is called 'zebra'",
        "notify 'door' names: nothing here is called 'ana'; did you mean 'anna'?",
    ]


def test_of_what_nothing_is_known_nothing_is_said() -> None:
    rule = {**RULE, "monitors": ["Gardn"], "labels": ["zebra"], "names": ["ana"]}
    assert found(Known(), notify=[rule], retention={"by_label": {"persn": 0}}) == []


def test_before_something_is_taken_away_only_slips_are_said() -> None:
    def slips(**retention: Any) -> list[str]:
        config = check_config(
            {"retention": retention, "detection": {"labels": ["persn"]}, "monitors": {"Gaden": {}}},
            "test",
        )
        return [one.name for one in misnamed_in_retention(config, KNOWN)]

    assert slips(by_label={"persn": 0}) == ["Gaden", "persn"]
    assert slips(by_label={"persn": 0, "person": 3}) == ["Gaden"], "both are meant"
    assert slips(by_label={"zebra": 0}) == ["Gaden"], "was never seen"
