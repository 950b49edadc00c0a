"""Which sightings a rule means: each filter by itself, against a plain reading of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.config import NotifyRule
from annotator.domain import BoundingBox, Sighting, Stay
from annotator.notices import Key, Notice
from annotator.rules import means, ringing, sort
from tests.contracts.backlog import NOON
from tests.contracts.notices import notice, sighting

NAMES = ("Anna", "Ben", "unknown")


@pytest.fixture(autouse=True)
def in_berlin(local_zone: Callable[[str], None]) -> None:
    """Two hours ahead of UTC in May."""
    local_zone("Europe/Berlin")


def rule(**keys: object) -> NotifyRule:
    return NotifyRule.model_validate({"name": "a rule", "to": ["phone"], **keys})


SIDES = st.integers(1, 300)
KNOWN = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES[:2]),
        "verdict": st.just("known"),
        "probability": st.floats(0, 1),
    }
)
NOBODY = st.fixed_dictionaries({"verdict": st.sampled_from(["unknown", "too small", None])})
SIGHTINGS = st.builds(
    lambda face, **seen: sighting(**seen, **face),
    KNOWN | NOBODY,
    at=st.integers(-3000, 3000).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    monitor=st.sampled_from(["Door", "Yard"]),
    label=st.sampled_from(["person", "car", "dog"]),
    score=st.floats(0, 1),
    box=st.builds(lambda width, height: BoundingBox(5, 5, 5 + width, 5 + height), SIDES, SIDES),
    stay=st.sampled_from([None, *Stay]),
)


def is_news(seen: Sighting) -> bool:
    return seen.stay in (None, Stay.ARRIVED)


@given(SIGHTINGS)
def test_a_rule_without_filters_means_all_that_is_news(seen: Sighting) -> None:
    assert means(rule(), seen) == is_news(seen)


@given(SIGHTINGS, st.lists(st.sampled_from(["person", "car", "cat"])))
def test_labels(seen: Sighting, labels: list[str]) -> None:
    fits = not labels or seen.label in labels
    assert means(rule(labels=labels), seen) == (is_news(seen) and fits)


@given(SIGHTINGS, st.lists(st.sampled_from(["Door", "Gate"])))
def test_monitors(seen: Sighting, monitors: list[str]) -> None:
    fits = not monitors or seen.monitor in monitors
    assert means(rule(monitors=monitors), seen) == (is_news(seen) and fits)


@given(SIGHTINGS, st.lists(st.sampled_from(NAMES), min_size=1))
def test_names_and_the_unknown(seen: Sighting, names: list[str]) -> None:
    who = seen.name if seen.name else ("unknown" if seen.verdict == "unknown" else "nobody")
    assert means(rule(names=names), seen) == (is_news(seen) and who in names)


@given(SIGHTINGS, st.floats(0, 1))
def test_min_score(seen: Sighting, limit: float) -> None:
    assert means(rule(min_score=limit), seen) == (is_news(seen) and seen.score >= limit)


@given(SIGHTINGS, st.floats(0.01, 1))
def test_min_probability_wants_somebody_known(seen: Sighting, limit: float) -> None:
    fits = seen.probability is not None and seen.probability >= limit
    assert means(rule(min_probability=limit), seen) == (is_news(seen) and fits)


@given(SIGHTINGS, st.integers(0, 300), st.integers(1, 300))
def test_box_size_is_the_shorter_side(seen: Sighting, least: int, most: int) -> None:
    fits = least <= min(seen.box.width, seen.box.height) <= most
    found = means(rule(min_box_px=least, max_box_px=most), seen)
    assert found == (is_news(seen) and fits)


@given(SIGHTINGS, st.integers(0, 1439), st.integers(0, 1439))
def test_hours_are_by_the_local_clock(seen: Sighting, since: int, until: int) -> None:
    hours = "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (since, until))
    local = seen.captured_at.astimezone()
    minute = local.hour * 60 + local.minute
    inside = since <= minute < until if since < until else minute >= since or minute < until
    assert means(rule(hours=hours), seen) == (is_news(seen) and inside)


@given(SIGHTINGS, st.sets(st.sampled_from(["mon", "tue", "wed", "thu"])))
def test_a_night_counts_for_the_day_on_which_it_begins(seen: Sighting, days: set[str]) -> None:
    local = seen.captured_at.astimezone()
    at_night = local.hour >= 22 or local.hour < 6
    began = local - timedelta(hours=6)
    of_day = not days or began.strftime("%a").lower() in days
    found = means(rule(hours="22:00-06:00", weekdays=sorted(days)), seen)
    assert found == (is_news(seen) and at_night and of_day)


NOW = NOON + timedelta(seconds=100)


def test_an_event_gives_one_notice_with_its_best_sighting() -> None:
    seen = [sighting(score=score, frame=frame) for frame, score in enumerate((0.6, 0.9, 0.7), 1)]
    found = sort([rule()], [*seen, sighting("2")], NOW)
    assert found.notices == (
        Notice("a rule", "", seen[1], NOW),
        Notice("a rule", "", sighting("2"), NOW),
    )
    assert not found.too_old


def test_a_rule_about_names_gives_one_for_each_person() -> None:
    anna, ben = (sighting(name=name, verdict="known", probability=0.9) for name in ("Anna", "Ben"))
    nobody = sighting(verdict="unknown")
    seen = [anna, nobody, ben, anna, sighting()]
    about_names = sort([rule(names=["Anna", "Ben", "unknown"])], seen, NOW).notices
    assert [one.person for one in about_names] == ["Anna", "unknown", "Ben"]
    assert [one.person for one in sort([rule()], seen, NOW).notices] == [""]


def test_what_is_too_old_does_not_ring_but_is_known() -> None:
    patient, hasty = rule(name="patient", max_age_s=200), rule(name="hasty", max_age_s=99)
    found = sort([patient, hasty], [sighting(), sighting("2", NOW)], NOW)
    assert [one.key for one in found.notices] == [
        ("patient", "3/1", ""),
        ("patient", "3/2", ""),
        ("hasty", "3/2", ""),
    ]
    assert found.too_old == {Key("hasty", "3/1", "")}


def test_an_event_that_goes_on_is_not_too_old_for_its_beginning() -> None:
    found = sort([rule(max_age_s=50)], [sighting(at=NOON), sighting(at=NOW)], NOW)
    assert [one.sighting.captured_at for one in found.notices] == [NOW]
    assert not found.too_old


def test_what_has_rung_does_not_ring_again() -> None:
    first, second = notice(), notice(event="2")
    assert ringing([first, second], {first.key}, {}, {}) == (second,)


def test_a_rule_is_quiet_after_it_has_rung() -> None:
    at = [NOON + timedelta(seconds=second) for second in (0, 200, 299, 300, 550)]
    notices = [notice(event=str(number), at=moment) for number, moment in enumerate(at)]
    rung = ringing(reversed(notices), (), {}, {"door": 300})
    assert [one.sighting.event for one in rung] == ["0", "3"]
    later = ringing(notices[3:], (), {("door", ""): at[2]}, {"door": 300})
    assert later == ()
    assert ringing(notices, (), {}, {}) == tuple(notices)


def test_each_person_has_a_quiet_of_their_own() -> None:
    anna, ben = notice(person="Anna"), notice(person="Ben", event="2")
    assert ringing([anna, ben], (), {}, {"door": 300}) == (anna, ben)
    assert ringing([anna, ben], (), {("door", "Anna"): NOON}, {"door": 300}) == (ben,)


def test_the_hour_that_comes_twice_rings_twice() -> None:
    """In October 2024 the clocks went back from three to two."""
    night = rule(hours="02:30-02:40")
    for hour in (0, 1):
        assert means(night, sighting(at=datetime(2024, 10, 27, hour, 35, tzinfo=UTC)))
    assert not means(night, sighting(at=datetime(2024, 10, 27, 2, 35, tzinfo=UTC)))
