from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from annotator.config import SimilarSettings
from annotator.domain import Annotation, BoundingBox, Capture, Detection, Event, Provenance
from annotator.similar import MAX_EVENTS, Similar
from tests.fakes.vision import ScriptedGlance

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
EVENT = Event("Yard", "Yard", "24/05/01/12/00/00", START)
SETTINGS = SimilarSettings(enabled=True, max_changed=0.1, refresh_s=10)


def looked_at(frame: int, event: Event = EVENT, after_s: float = 0) -> Annotation:
    return Annotation(
        Capture(event, f"{frame:05d}-capture.jpg", frame),
        START + timedelta(seconds=after_s),
        640,
        480,
        (Detection("person", 0, 0.9, BoundingBox(0, 0, 10, 20)),),
        Provenance("tiny", "cpu"),
    )


def ask(similar: Similar, frame: int, view: float, after_s: float = 1) -> Annotation | None:
    capture = looked_at(frame).capture
    modified_at = START + timedelta(seconds=after_s)
    return similar.inherited(capture, modified_at, ScriptedGlance(view), SETTINGS)


def test_what_has_not_moved_is_inherited_and_says_from_whom() -> None:
    similar = Similar()
    first = looked_at(1)
    similar.keep(first, ScriptedGlance(0.0))
    heir = ask(similar, 2, view=0.05)
    assert heir == replace(
        first,
        capture=looked_at(2).capture,
        captured_at=START + timedelta(seconds=1),
        inherited_from=first.capture,
    )


def test_slow_changes_add_up_until_they_show() -> None:
    similar = Similar()
    similar.keep(looked_at(1), ScriptedGlance(0.0))
    assert ask(similar, 2, view=0.06) is not None
    assert ask(similar, 3, view=0.12) is None, "compared with the first, not with the second"


def test_after_a_while_it_is_looked_at_all_the_same_in_either_direction() -> None:
    similar = Similar()
    similar.keep(looked_at(5, after_s=20), ScriptedGlance(0.0))
    assert ask(similar, 6, view=0.0, after_s=29) is not None
    assert ask(similar, 7, view=0.0, after_s=31) is None
    assert ask(similar, 4, view=0.0, after_s=11) is not None
    assert ask(similar, 3, view=0.0, after_s=9) is None


def test_a_capture_does_not_inherit_from_itself() -> None:
    similar = Similar()
    similar.keep(looked_at(1), ScriptedGlance(0.0))
    assert ask(similar, 1, view=0.0) is None, "who asks for it again wants it looked at again"


def test_events_do_not_inherit_from_each_other_and_few_are_remembered() -> None:
    similar = Similar()
    for number in range(MAX_EVENTS):
        other = replace(EVENT, path=f"24/05/01/12/00/{number + 1:02d}")
        similar.keep(looked_at(1, other), ScriptedGlance(0.0))
    assert ask(similar, 2, view=0.0) is None
    similar.keep(looked_at(1), ScriptedGlance(0.0))
    assert ask(similar, 2, view=0.0) is not None
    for number in range(MAX_EVENTS):
        other = replace(EVENT, path=f"24/05/01/13/00/{number:02d}")
        similar.keep(looked_at(1, other), ScriptedGlance(0.0))
    assert ask(similar, 2, view=0.0) is None
