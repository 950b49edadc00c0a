"""Whether a notice is still true, by the faces of a real database."""

from __future__ import annotations

from dataclasses import replace

from annotator.config import NotifyRule
from annotator.domain import Face, Identity
from annotator.herald import second_look
from annotator.notices import Notice
from db.engine import Database
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import NOON, annotation, captures, detection, event, face
from tests.fakes.clock import ManualClock

STRANGER = NotifyRule(name="stranger", to=("phone",), names=("unknown",))
ANYBODY = NotifyRule(name="anybody", to=("phone",), labels=("person",))


def unknown(track: int) -> Face:
    """Far away: it has little to say."""
    return replace(face(Identity.UNKNOWN), track=track, sharpness=20.0)


def anna(track: int) -> Face:
    return replace(face(Identity.KNOWN, "anna"), track=track, sharpness=900.0)


def raised(database: Database, rule: NotifyRule, *faces: Face) -> bool:
    """Whether a notice of the first of these captures still stands after the last."""
    shots = captures(event(), *range(1, len(faces) + 1))
    seen = [annotation(one, detection(faces=[who])) for one, who in zip(shots, faces, strict=True)]
    SqlStore(database, ManualClock()).record(seen, [])
    queries = SqlQueries(database)
    first = queries.seen_in(shots[0])
    assert first
    person = "unknown" if rule.names else ""
    return second_look([STRANGER, ANYBODY], queries)(Notice(rule.name, person, first[0], NOON))


def test_who_comes_nearer_and_is_known_was_no_stranger(database: Database) -> None:
    assert not raised(database, STRANGER, unknown(1), anna(1), anna(1))


def test_who_stays_a_stranger_is_told(database: Database) -> None:
    assert raised(database, STRANGER, unknown(1), unknown(1))


def test_a_stranger_beside_somebody_known_is_told(database: Database) -> None:
    assert raised(database, STRANGER, unknown(1), anna(2), anna(2))


def test_a_rule_that_does_not_wait_is_not_asked_about(database: Database) -> None:
    assert raised(database, ANYBODY, unknown(1), anna(1))


def test_an_event_that_is_gone_leaves_the_notice(database: Database) -> None:
    (shot,) = captures(event(), 1)
    store = SqlStore(database, ManualClock())
    store.record([annotation(shot, detection(faces=[unknown(1)]))], [])
    seen = SqlQueries(database).seen_in(shot)
    assert seen
    gone = replace(seen[0], path="Door/24/05/01/13/00/00/00001-capture.jpg")
    assert second_look([STRANGER], SqlQueries(database))(Notice("stranger", "unknown", gone, NOON))
