"""What every book of faces must do, whatever it is made of.

A test class inherits from `FaceBookContract` and provides the fixture `world`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from annotator.domain import (
    EMBEDDING_BYTES,
    UNKNOWN_NAME,
    Annotation,
    BoundingBox,
    Capture,
    CaptureQuery,
    EventPerson,
    Face,
    FaceEvidence,
    FaceQuestion,
    Gate,
    Identification,
    Identity,
    Relabelling,
    Renaming,
    Sighting,
    StoredFace,
    Tag,
    Window,
)
from annotator.errors import QueryError
from annotator.ports import AnnotationStore, FaceBook, SightingQueries
from tests.contracts.backlog import BLURRED, NOON, PROVENANCE, captures, detection, event
from tests.fakes.clock import ManualClock

OLD, NEW = "family@000000000000", "family@111111111111"
MADE_BY = replace(PROVENANCE, face_detector="blaze", embedder="dlib", recogniser=OLD)
UNKNOWN = Identification(Identity.UNKNOWN, None, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class FaceWorld:
    """The three ports over the same data."""

    store: AnnotationStore
    queries: SightingQueries
    book: FaceBook
    clock: ManualClock

    def faces(self, **question: object) -> list[StoredFace]:
        return list(self.queries.stored_faces(FaceQuestion(**question)))  # type: ignore[arg-type]

    def at(self, capture: Capture, x: int = 12) -> StoredFace:
        """The embedded face at a place of a capture."""
        (found,) = [one for one in self.faces(paths=(capture.path,)) if one.box.xmin == x]
        return found

    def names(self) -> dict[tuple[str, int, int], str]:
        """What every face says, by event, frame and place."""
        return {
            (one.event, one.frame, one.face_box.xmin): one.name or str(one.verdict)
            for one in self.sightings()
            if one.face_box is not None
        }

    def sightings(self, **question: object) -> list[Sighting]:
        return list(self.queries.sightings(CaptureQuery(**question)))  # type: ignore[arg-type]

    def people(self, window: Window | None = None) -> list[EventPerson]:
        return list(self.queries.event_people(window or Window()))

    def relabel(self, after: dict[int, str | None], *, dry_run: bool = False) -> Relabelling:
        """With a bundle that answers as before, except for the faces with these ids."""
        renamings = [
            Renaming(
                one.id,
                one.identification,
                known(after[one.id]) if one.id in after else one.identification,
            )
            for one in self.faces()
        ]
        return self.book.relabel(renamings, NEW, dry_run=dry_run)

    def say(self, name: str, *faces: StoredFace, negated: bool = False) -> int:
        return self.book.tag([one.id for one in faces], Tag(name, self.clock.now(), negated))


def known(name: str | None) -> Identification:
    return Identification(Identity.KNOWN, name, 0.875, 0.25) if name else UNKNOWN


def face(
    name: str | None = None,
    track: int | None = None,
    *,
    x: int = 12,
    side: int = 80,
    sharpness: float = 300.0,
    seen_better: bool = False,
) -> Face:
    """`side` times `sharpness` over `sharpness + 300` is its weight: usually 40."""
    return Face(
        box=BoundingBox(x, 12, x + side, 12 + side),
        score=0.75,
        sharpness=sharpness,
        gate=Gate.SEEN_BETTER if seen_better else Gate.USABLE,
        embedding=None if seen_better else bytes([x % 256]) * EMBEDDING_BYTES,
        identification=known(name),
        track=track,
    )


def annotation(capture: Capture, *faces: Face) -> Annotation:
    assert capture.event.started_at is not None
    return Annotation(
        capture,
        capture.event.started_at + timedelta(seconds=capture.frame),
        1920,
        1080,
        (detection("person", faces=faces),),
        MADE_BY,
    )


def shares(people: Sequence[EventPerson]) -> list[tuple[str, float]]:
    return [(one.name, round(one.share, 3)) for one in people]


class FaceBookContract:
    @pytest.fixture
    def world(self) -> FaceWorld:
        raise NotImplementedError("the test class provides it")

    # stored faces

    def test_gives_back_the_faces_that_were_embedded(self, world: FaceWorld) -> None:
        (one,) = captures(event(), 1)
        mirrored = bytes([34]) * EMBEDDING_BYTES
        seen = replace(face("Anna", 3, side=64, sharpness=120.5), mirrored=mirrored)
        better = face("Anna", 3, x=300, seen_better=True)
        world.store.record([annotation(one, seen, better, BLURRED)], [])
        (found,) = world.faces()
        assert found == StoredFace(
            id=found.id,
            capture=one,
            captured_at=NOON + timedelta(seconds=1),
            box=seen.box,
            evidence=FaceEvidence(bytes([12]) * EMBEDDING_BYTES, 64, 120.5, mirrored),
            identification=known("Anna"),
            recogniser=OLD,
            track=3,
        )

    def test_what_nobody_could_name_was_named_by_nobody(self, world: FaceWorld) -> None:
        (one,) = captures(event(), 1)
        nobody = replace(face(), identification=Identification(Identity.NO_GALLERY))
        world.store.record([annotation(one, nobody)], [])
        assert world.faces()[0].recogniser is None

    @pytest.fixture
    def past(self, world: FaceWorld) -> FaceWorld:
        """Anna and an unknown at the door, Bob in the hall a minute later."""
        door, hall = captures(event(0), 1, 2), captures(event(1, "Hall"), 1)
        world.store.record(
            [
                annotation(door[0], face("Anna", 1)),
                annotation(door[1], face(None, 2), face("Anna", 1, x=300)),
                annotation(hall[0], face("Bob", 1)),
            ],
            [],
        )
        return world

    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ({}, ["Anna 1", "Anna 2", "Bob 1", "unknown 2"]),
            ({"names": ("Anna",)}, ["Anna 1", "Anna 2"]),
            ({"names": ("Bob", UNKNOWN_NAME)}, ["Bob 1", "unknown 2"]),
            ({"monitors": ("Hall",)}, ["Bob 1"]),
            ({"paths": ("Door/24/05/01/12/00/00",)}, ["Anna 1", "Anna 2", "unknown 2"]),
            ({"paths": ("Door/24/05/01/12/00/00/00002-capture.jpg",)}, ["Anna 2", "unknown 2"]),
            ({"paths": ("Hall", "Door/24/05/01/12/00/00/00001-capture.jpg")}, ["Anna 1", "Bob 1"]),
            ({"paths": ("Doo", "24")}, []),
            ({"since": NOON + timedelta(seconds=2)}, ["Anna 2", "Bob 1", "unknown 2"]),
            ({"until": NOON + timedelta(seconds=2)}, ["Anna 1"]),
            ({"by_hand": True}, []),
            ({"strangers": (1,)}, []),
            ({"ids": (99, 100)}, []),
        ],
    )
    def test_answers(
        self, past: FaceWorld, question: dict[str, object], expected: list[str]
    ) -> None:
        found = past.faces(**question)
        assert (
            sorted(
                f"{one.identification.name or UNKNOWN_NAME} {one.capture.frame}" for one in found
            )
            == expected
        )
        ids = [one.id for one in found]
        assert ids == sorted(ids)

    def test_faces_are_found_by_their_ids(self, past: FaceWorld) -> None:
        ids = tuple(one.id for one in past.faces())
        assert past.faces(ids=(ids[2], ids[0])) == [past.faces()[0], past.faces()[2]]
        shown = {one.face_id for one in past.sightings()}
        assert shown == set(ids)

    def test_a_name_it_never_met_is_an_error(self, past: FaceWorld) -> None:
        with pytest.raises(QueryError, match="no name 'Zebra'"):
            past.faces(names=("Zebra",))

    # relabelling

    def test_new_names_are_written_and_counted(self, past: FaceWorld) -> None:
        anna, *_ = past.faces(names=("Anna",))
        (bob,) = past.faces(names=("Bob",))
        (nobody,) = past.faces(names=(UNKNOWN_NAME,))
        after = {anna.id: None, bob.id: "Ben", nobody.id: "Ben"}
        done = past.relabel(after)
        assert (done.faces, done.changed) == (4, 3)
        assert done.changes == (("Anna", "unknown", 1), ("Bob", "Ben", 1), ("unknown", "Ben", 1))
        assert done.run is not None
        by_id = {one.id: one for one in past.faces()}
        assert by_id[bob.id].identification == known("Ben")
        assert by_id[anna.id].identification == UNKNOWN
        assert {by_id[changed].recogniser for changed in after} == {NEW}
        others = [one.recogniser for one in by_id.values() if one.id not in after]
        assert others == [OLD], "what is the same was named by the one before"
        assert past.relabel({}).changes == ()

    def test_a_dry_run_tells_the_same_and_writes_nothing(self, past: FaceWorld) -> None:
        before = past.faces()
        after: dict[int, str | None] = {one.id: "Ben" for one in before}
        told = past.relabel(after, dry_run=True)
        assert past.faces() == before
        assert told.run is None
        done = past.relabel(after)
        assert told == replace(done, run=None)
        assert told.changes == (("Anna", "Ben", 2), ("Bob", "Ben", 1), ("unknown", "Ben", 1))

    def test_nothing_to_change_is_no_run(self, past: FaceWorld) -> None:
        assert past.relabel({}).run is None
        with pytest.raises(QueryError):
            past.book.undo_relabelling()

    def test_what_was_seen_better_follows_the_best_of_its_track(self, world: FaceWorld) -> None:
        every = captures(event(), *range(1, 6))
        world.store.record(
            [
                annotation(every[0], face("Anna", 1, side=60), face(None, 2, x=300)),
                annotation(every[1], face("Anna", 1, seen_better=True)),
                annotation(every[2], face("Anna", 1, side=100)),
                annotation(every[3], face("Anna", 1, seen_better=True)),
                annotation(every[4], face(None, 2, x=300, seen_better=True), face("Anna", None)),
            ],
            [],
        )
        other = captures(event(5), 1)[0]
        world.store.record([annotation(other, face("Anna", 1, seen_better=True))], [])
        small, large = world.at(every[0]), world.at(every[2])
        assert world.relabel({small.id: "Eva"}).changes == (("Anna", "Eva", 1),)
        assert world.relabel({large.id: "Bob"}).changes == (("Anna", "Bob", 3),)
        names = world.names()
        of_track = [names[every[0].event.path, frame, 12] for frame in range(1, 6)]
        assert of_track == ["Eva", "Bob", "Bob", "Bob", "Anna"]
        assert names[every[0].event.path, 5, 300] == "unknown"
        assert names[other.event.path, 1, 12] == "Anna"
        assert world.book.undo_relabelling().changes == (("Bob", "Anna", 3),)

    def test_a_face_that_was_named_otherwise_meanwhile_stays(self, past: FaceWorld) -> None:
        faces = past.faces()
        stale = [Renaming(one.id, one.identification, known("Eva")) for one in faces]
        past.relabel({faces[0].id: "Ben"})
        gone = Renaming(12345, UNKNOWN, known("Eva"))
        done = past.book.relabel([*stale, gone], NEW, dry_run=False)
        assert (done.faces, done.changed) == (5, 3)
        assert past.faces()[0].identification == known("Ben")

    def test_relabellings_are_taken_back_one_after_the_other(self, past: FaceWorld) -> None:
        first = past.faces()
        past.relabel({first[0].id: "Ben", first[1].id: "Ben"})
        second = past.faces()
        past.relabel({first[1].id: "Eva"})
        undone = past.book.undo_relabelling()
        assert undone.changes == (("Ben", "Eva", 1),) or undone.changes == (("Eva", "Ben", 1),)
        assert past.faces() == second
        assert past.book.undo_relabelling().changed == 2
        assert past.faces() == first
        with pytest.raises(QueryError, match="no relabelling"):
            past.book.undo_relabelling()

    def test_taking_back_keeps_what_came_after(self, past: FaceWorld) -> None:
        anna, again, bob, nobody = sorted(
            past.faces(), key=lambda one: (one.identification.name or "x", one.captured_at)
        )
        past.relabel(dict.fromkeys([one.id for one in past.faces()], "Ben"))
        past.say("Eva", anna)
        past.say("Ben", again)
        past.say("Bob", bob, negated=True)
        past.store.record([annotation(nobody.capture, face("Eva", 2, x=600))], [])
        undone = past.book.undo_relabelling()
        assert undone.faces == 4
        assert sorted(past.names().values()) == ["Eva", "Eva", "unknown"]

    # a person's word

    def test_a_tag_is_said_at_once_and_by_a_person(self, past: FaceWorld) -> None:
        (nobody,) = past.faces(names=(UNKNOWN_NAME,))
        assert past.say("Carl", nobody) == 1
        (tagged,) = past.faces(by_hand=True)
        assert tagged == replace(
            nobody,
            identification=Identification(Identity.KNOWN, "Carl"),
            recogniser=None,
            by_hand=True,
        )
        assert [one.face_id for one in past.sightings(names=("Carl",))] == [nobody.id]
        assert len(past.faces(by_hand=False)) == 3
        assert past.say("Carl", tagged) == 0

    def test_no_relabelling_overrules_a_tag(self, past: FaceWorld) -> None:
        anna = past.faces(names=("Anna",))[0]
        past.say("Carl", anna)
        done = past.relabel(dict.fromkeys([one.id for one in past.faces()], "Ben"))
        assert done.faces == 4
        assert done.changed == 3
        assert past.names()[anna.capture.event.path, 1, 12] == "Carl"
        assert past.relabel({anna.id: "Carl"}).changed == 0

    def test_a_face_never_gets_a_name_that_was_denied(self, past: FaceWorld) -> None:
        anna, other = past.faces(names=("Anna",))
        assert past.say("Anna", anna, negated=True) == 1
        (tagged,) = past.faces(by_hand=True)
        assert tagged.identification == Identification(Identity.UNKNOWN)
        assert (tagged.denied, tagged.recogniser) == (("Anna",), None)
        past.say("Bob", anna, negated=True)
        assert past.faces(by_hand=True)[0].denied == ("Anna", "Bob")
        assert past.relabel({anna.id: "Ben"}).changes == (("unknown", "Ben", 1),)
        assert past.relabel({anna.id: "Bob"}).changes == (("Ben", "unknown", 1),)
        assert past.relabel({anna.id: "Anna"}).changes == ()
        assert past.names()[other.capture.event.path, other.capture.frame, other.box.xmin] == "Anna"

    def test_taking_back_leaves_the_answer_where_the_old_name_was_denied(
        self, past: FaceWorld
    ) -> None:
        anna, _ = past.faces(names=("Anna",))
        past.relabel({anna.id: None})
        past.say("Anna", anna, negated=True)
        (before,) = past.faces(by_hand=True)
        assert (before.identification.identity, before.recogniser) == (Identity.UNKNOWN, NEW)
        assert past.book.undo_relabelling().changes == ()
        assert past.faces(by_hand=True) == [before]

    def test_denying_another_name_changes_nothing_yet(self, past: FaceWorld) -> None:
        (bob,) = past.faces(names=("Bob",))
        assert past.say("Anna", bob, negated=True) == 0
        (tagged,) = past.faces(by_hand=True)
        assert tagged == replace(bob, by_hand=True, denied=("Anna",))
        assert past.relabel({bob.id: "Anna"}).changes == (("Bob", "unknown", 1),)

    def test_the_last_word_counts(self, past: FaceWorld) -> None:
        (bob,) = past.faces(names=("Bob",))
        for name, negated, expected in (
            ("Carl", False, "Carl"),
            ("Eva", False, "Eva"),
            ("Bob", True, "Eva"),
            ("Eva", True, "unknown"),
            ("Eva", False, "Eva"),
            ("Bob", False, "Bob"),
        ):
            past.say(name, bob, negated=negated)
            assert past.names()[bob.capture.event.path, 1, 12] == expected
        assert past.faces(by_hand=True)[0].denied == ()

    def test_forgetting_gives_back_what_was_before(self, past: FaceWorld) -> None:
        before = past.faces()
        anna, other = past.faces(names=("Anna",))
        past.say("Carl", anna, other)
        past.say("Eva", anna)
        past.say("Ben", anna, negated=True)
        assert past.book.untag([one.id for one in before]) == 2
        assert past.faces() == before
        assert past.book.untag([anna.id]) == 0

    def test_the_track_follows_a_tag(self, world: FaceWorld) -> None:
        every = captures(event(), *range(1, 5))
        world.store.record(
            [
                annotation(every[0], face(None, 1, side=60)),
                annotation(every[1], face(None, 1, seen_better=True)),
                annotation(every[2], face(None, 1, side=100)),
                annotation(every[3], face(None, 1, seen_better=True)),
            ],
            [],
        )
        small, large = world.faces()
        assert world.say("Anna", small) == 3
        assert [one.frame for one in world.sightings(names=("Anna",))] == [4, 2, 1]
        world.book.untag([small.id])
        assert {one.verdict for one in world.sightings()} == {"unknown"}
        (better,) = [one for one in world.sightings() if one.frame == 2]
        assert better.face_id is not None
        assert world.book.tag([better.face_id], Tag("Anna", world.clock.now())) == 2
        assert world.relabel({large.id: "Bob"}).changes == (("unknown", "Bob", 1),)
        assert list(world.names().values()).count("Anna") == 2

    @pytest.mark.parametrize(
        "name", ["", "  ", "unknown", "Unknown", "a" * 81, "a\nb", "a/b", "..", "stranger-017"]
    )
    def test_not_everything_is_a_name(self, past: FaceWorld, name: str) -> None:
        with pytest.raises(QueryError):
            past.say(name, past.faces()[0])
        assert past.faces(by_hand=True) == []

    def test_only_faces_that_are_there_can_be_named(self, past: FaceWorld) -> None:
        (one,) = captures(event(7), 1)
        past.store.record([annotation(one, BLURRED)], [])
        (blurred,) = [one.face_id for one in past.sightings() if one.verdict == "blurred"]
        assert blurred is not None
        for face_id in (blurred, 12345):
            with pytest.raises(QueryError, match=f"face {face_id}"):
                past.book.tag([past.faces()[0].id, face_id], Tag("Anna", past.clock.now()))
        assert past.faces(by_hand=True) == []
        with pytest.raises(QueryError, match="face 12345"):
            past.book.untag([12345])
        assert past.book.tag([], Tag("Anna", past.clock.now())) == 0

    # captures that are annotated anew

    def test_a_tag_goes_to_the_face_that_is_found_in_its_place(self, world: FaceWorld) -> None:
        (one,) = captures(event(), 1)
        first = annotation(one, face(None), face("Bob", x=300))
        world.store.record([first], [])
        nobody, bob = world.at(one), world.at(one, 300)
        world.say("Anna", nobody)
        world.say("Bob", bob, negated=True)
        again = annotation(one, face("Bob", x=310), face("Eva", x=20), face("Carl", x=600))
        world.store.record([again], [])
        names = {one.box.xmin: one.identification.name for one in world.faces()}
        assert names == {20: "Anna", 310: None, 600: "Carl"}
        assert world.at(one, 310).denied == ("Bob",)
        assert {nobody.id, bob.id}.isdisjoint({one.id for one in world.faces()})
        world.book.untag([world.at(one, 20).id, world.at(one, 310).id])
        names = {one.box.xmin: one.identification.name for one in world.faces()}
        assert names == {20: "Eva", 310: "Bob", 600: "Carl"}
        assert world.at(one, 20).recogniser == OLD

    def test_a_tag_without_its_face_is_kept_for_when_it_is_back(self, world: FaceWorld) -> None:
        (one,) = captures(event(), 1)
        world.store.record([annotation(one, face("Bob"))], [])
        world.say("Anna", world.at(one))
        for others in ([], [face("Bob", x=80)], [BLURRED]):
            world.store.record([annotation(one, *others)], [])
            assert world.faces(by_hand=True) == []
        world.store.record([annotation(one, face("Bob", x=14))], [])
        assert world.at(one, 14).identification.name == "Anna"
        assert world.at(one, 14).by_hand

    def test_a_tag_goes_with_a_face_that_was_now_seen_better_elsewhere(
        self, world: FaceWorld
    ) -> None:
        first, second = captures(event(), 1, 2)
        world.store.record([annotation(first, face("Bob", 1)), annotation(second)], [])
        world.say("Anna", world.at(first))
        world.store.record([annotation(first, face("Bob", 1, seen_better=True))], [])
        better = face("Bob", 1, seen_better=True)
        world.store.record([annotation(second, face("Bob", 1), replace(better, score=0.5))], [])
        assert [one.frame for one in world.sightings(names=("Anna",))] == [1]
        (anna,) = world.people()
        assert (anna.name, anna.best.identification.name) == ("Anna", "Bob")

    def test_no_face_is_two_people(self, world: FaceWorld) -> None:
        (one,) = captures(event(), 1)
        world.store.record([annotation(one, face("Bob"), face("Eva", x=60))], [])
        world.say("Anna", world.at(one))
        world.store.record([annotation(one, face("Bob", x=36))], [])
        assert world.at(one, 36).identification.name == "Anna"

    def test_ids_are_never_used_twice(self, world: FaceWorld) -> None:
        one, two = captures(event(), 1, 2)
        world.store.record([annotation(one, face())], [])
        (gone,) = world.faces()
        world.store.record([annotation(one)], [])
        world.store.record([annotation(two, face())], [])
        assert world.faces()[0].id != gone.id

    # strangers

    def test_strangers_have_numbers_that_stay(self, past: FaceWorld) -> None:
        first, second, third, fourth = past.faces()
        assert past.book.last_stranger() == 0
        past.book.group({first.id: 1, second.id: 17, third.id: 17})
        assert [one.id for one in past.faces(strangers=(17,))] == [second.id, third.id]
        assert {one.stranger for one in past.sightings()} == {None, 1, 17}
        past.book.group({second.id: None, third.id: 2, fourth.id: 2})
        past.book.group({})
        assert past.faces(strangers=(17,)) == []
        assert [one.stranger for one in past.faces()] == [1, None, 2, 2]
        assert past.book.last_stranger() == 17

    # who was there

    def test_each_track_is_one_person(self, world: FaceWorld) -> None:
        every = captures(event(), 1, 2, 3, 4)
        world.store.record(
            [
                annotation(every[0], face("Anna", 1), face(None, 2, x=300)),
                annotation(every[1], face("Anna", 1, side=120)),
                annotation(every[2], face("Anna", 1), face(None, 2, x=300, seen_better=True)),
                annotation(every[3], face("Bob", 1, side=60, sharpness=100.0)),
            ],
            [],
        )
        anna, nobody = world.people()
        total = 40 + 60 + 40 + 15 + 40
        assert shares([anna, nobody]) == [
            ("Anna", round(155 / total, 3)),
            (UNKNOWN_NAME, round(40 / total, 3)),
        ]
        assert (anna.faces, nobody.faces) == (4, 2)
        assert anna.event == every[0].event
        assert anna.first_at == NOON + timedelta(seconds=1)
        assert anna.last_at == NOON + timedelta(seconds=4)
        assert anna.best == world.at(every[1])
        assert nobody.last_at == NOON + timedelta(seconds=3)

    def test_without_tracks_each_face_has_its_own_vote(self, world: FaceWorld) -> None:
        one, two = captures(event(), 1, 2)
        world.store.record(
            [
                annotation(one, face("Anna"), face("Bob", x=300, side=500)),
                annotation(two, face("Anna"), face("Eva", x=300, side=40)),
            ],
            [],
        )
        assert shares(world.people()) == [("Anna", 0.444), ("Bob", 0.444), ("Eva", 0.111)]

    def test_a_tag_outweighs_everything(self, world: FaceWorld) -> None:
        every = captures(event(), 1, 2, 3)
        world.store.record(
            [
                annotation(every[0], face("Bob", 1), face("Eva", 2, x=300, side=160)),
                annotation(every[1], face("Bob", 1)),
                annotation(every[2], face(None, 1, side=40, sharpness=100)),
            ],
            [],
        )
        assert [one.name for one in world.people()] == ["Bob", "Eva"]
        world.say("Anna", world.at(every[2]))
        anna, eva = world.people()
        assert (anna.name, anna.faces, eva.name) == ("Anna", 3, "Eva")
        assert anna.best.capture == every[2]
        assert eva.share == pytest.approx(80 / 170)

    def test_only_faces_that_were_told_apart_have_a_say(self, world: FaceWorld) -> None:
        one, two = captures(event(), 1, 2)
        world.store.record([annotation(one, BLURRED), annotation(two)], [])
        assert world.people() == []

    def test_people_come_newest_event_first_and_by_window(self, past: FaceWorld) -> None:
        every = past.people()
        assert [(one.event.monitor, one.name) for one in every] == [
            ("Hall", "Bob"),
            ("Door", "Anna"),
            ("Door", UNKNOWN_NAME),
        ]
        assert past.people(Window(monitors=("Hall",))) == every[:1]
        assert past.people(Window(until=NOON + timedelta(minutes=1))) == every[1:]
        assert past.people(Window(since=NOON + timedelta(minutes=1))) == every[:1]
        assert past.people(Window(paths=("Door/24/05/01/12/00/00",))) == every[1:]
        assert past.people(Window(paths=("Door/24/05/02", "Hall"))) == every[:1]
