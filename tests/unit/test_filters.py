from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.config import DetectionSettings, FaceSettings, Zone
from annotator.domain import BoundingBox, Detection, Face, Gate
from annotator.filters import checks, face_checks, foot, gate_of, inside, passing

WIDTH, HEIGHT = 200, 100


def seen(label: str = "person", score: float = 0.7, **sides: int) -> Detection:
    box = {"xmin": 80, "ymin": 20, "xmax": 120, "ymax": 80} | sides
    return Detection(label, 0, score, BoundingBox(**box))


def kept(settings: DetectionSettings, *candidates: Detection) -> list[str]:
    return [one.label for one in passing(candidates, WIDTH, HEIGHT, settings)]


LEFT = Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({}, True),
        ({"min_score": 0.7}, True),
        ({"min_score": 0.71}, False),
        ({"min_score": 0.71, "by_label": {"person": {"min_score": 0.6}}}, True),
        ({"min_score": 0.1, "by_label": {"car": {"min_score": 0.9}}}, True),
        ({"labels": ["car"]}, False),
        ({"labels": ["car", "person"]}, True),
        ({"min_area": 0.12}, True),
        ({"min_area": 0.13}, False),
        ({"max_area": 0.11}, False),
        ({"max_area": 0.11, "by_label": {"person": {"max_area": 0.5}}}, True),
        ({"ignore": [{"name": "foot", "points": [[0.4, 0.7], [0.6, 0.7], [0.5, 0.95]]}]}, False),
        ({"ignore": [{"name": "head", "points": [[0.4, 0.1], [0.6, 0.1], [0.5, 0.4]]}]}, True),
        (
            {
                "ignore": [
                    {
                        "name": "for cars",
                        "points": [[0, 0], [1, 0], [1, 1], [0, 1]],
                        "labels": ["car"],
                    }
                ]
            },
            True,
        ),
        ({"include": [LEFT.model_dump()]}, False),
        (
            {
                "include": [
                    LEFT.model_dump(),
                    {"name": "right", "points": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]},
                ]
            },
            True,
        ),
        ({"include": [{**LEFT.model_dump(), "labels": ["car"]}]}, True),
    ],
)
def test_each_limit(settings: dict[str, object], passes: bool) -> None:
    checked = DetectionSettings.model_validate(settings)
    # Its foot is at x 0.5, on the line between left and right: that belongs to the right.
    assert kept(checked, seen()) == (["person"] if passes else [])
    assert all(check.passed for check in checks(seen(), WIDTH, HEIGHT, checked)) is passes


def test_a_check_says_value_and_limit() -> None:
    settings = DetectionSettings(min_score=0.8, min_area=0.5, ignore=(LEFT,))
    said = [
        (check.name, check.value, check.limit, check.passed)
        for check in checks(seen(xmin=20, xmax=60), WIDTH, HEIGHT, settings)
    ]
    assert said == [
        ("score", "0.70", "at least 0.8", False),
        ("area", "0.1200", "at least 0.5", False),
        ("place", "0.20, 0.80", "outside left", False),
    ]


def test_no_candidate_below_the_lowest_score_could_pass() -> None:
    settings = DetectionSettings.model_validate(
        {"min_score": 0.5, "by_label": {"cat": {"min_score": 0.3}, "car": {"min_score": 0.7}}}
    )
    assert settings.lowest_score == 0.3


SHARE = st.floats(0, 1, allow_nan=False)


@given(SHARE, SHARE)
def test_a_zone_of_the_whole_picture_holds_every_spot(x: float, y: float) -> None:
    whole = Zone(name="all", points=((0, 0), (1, 0), (1, 1), (0, 1)))
    assert inside((x, y), whole)


@given(SHARE, SHARE, st.integers(0, 3), st.booleans())
def test_where_a_polygon_begins_and_which_way_it_runs_does_not_matter(
    x: float, y: float, start: int, backwards: bool
) -> None:
    points = ((0.1, 0.2), (0.8, 0.1), (0.9, 0.9), (0.3, 0.6))
    turned = points[start:] + points[:start]
    other = Zone(name="z", points=turned[::-1] if backwards else turned)
    assert inside((x, y), other) == inside((x, y), Zone(name="z", points=points))


@given(st.integers(0, 198), st.integers(0, 98), st.integers(1, 200), st.integers(1, 100))
def test_a_foot_is_on_the_boxs_lower_edge(x: int, y: int, width: int, height: int) -> None:
    box = BoundingBox(x, y, min(WIDTH, x + width), min(HEIGHT, y + height))
    across, down = foot(box, WIDTH, HEIGHT)
    assert box.xmin <= across * WIDTH <= box.xmax
    assert down * HEIGHT == pytest.approx(box.ymax)


@pytest.mark.parametrize(
    ("side_px", "sharpness", "turn", "gate"),
    [
        (40, 100, 0.4, Gate.USABLE),
        (39, 99, 0.41, Gate.TOO_SMALL),
        (40, 99, 0.41, Gate.BLURRED),
        (40, 100, 0.41, Gate.TURNED_AWAY),
        (40, 100, None, Gate.USABLE),
    ],
)
def test_a_face_is_stopped_by_its_first_gate_and_shown_all(
    side_px: int, sharpness: float, turn: float | None, gate: Gate
) -> None:
    settings = FaceSettings()
    box = BoundingBox(0, 0, side_px, 60)
    assert gate_of(box, sharpness, turn, settings) is gate
    told = face_checks(Face(box, 0.9, sharpness, Gate.BLURRED, turn=turn), settings)
    assert [one.name for one in told][3:] == (["turn"] if turn is not None else [])
    assert all(one.passed for one in told) == (gate is Gate.USABLE)
