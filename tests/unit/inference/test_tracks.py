from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.domain import BoundingBox, FaceMoment, Identification, Identity
from annotator.inference import tracks
from annotator.inference.tracks import Embedded, Followed, Seen, Tracks, quality

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
SIDE = 60


@dataclass(frozen=True)
class Shown:
    """A person's face in a capture: its middle at `x`, so well seen, in clothes so grey."""

    person: int
    x: int
    quality: float = 100.0
    side: int = SIDE
    grey: int = 90

    @property
    def seen(self) -> Seen:
        left = self.x - self.side // 2
        box = BoundingBox(left, 100, left + self.side, 100 + self.side)
        return Seen(box, self.quality, bytes([self.grey] * 30))


@dataclass
class Camera:
    """Follows faces whose embeddings it makes up, and counts those."""

    recognised: Callable[[Shown], Identity] = lambda shown: Identity.KNOWN
    most: int = 5
    tracks: Tracks = field(default_factory=Tracks)
    embedded: list[Shown] = field(default_factory=list)

    def look(
        self,
        at_s: float,
        *shown: Shown,
        frame: int | None = None,
        event: str = "Door/1",
        told_s: float | None = None,
    ) -> list[Followed]:
        def embed(at: int) -> Embedded:
            self.embedded.append(shown[at])
            return self._embedding(shown[at])

        frame = round(at_s * 2) if frame is None else frame
        told = START + timedelta(seconds=at_s if told_s is None else told_s)
        moment = FaceMoment(event, frame, told)
        return self.tracks.follow(moment, [one.seen for one in shown], self.most, embed)

    def _embedding(self, shown: Shown) -> Embedded:
        numbers = [0.0] * 128
        numbers[shown.person] = 0.6  # two people are 0.85 apart
        numbers[127] = 0.1 / max(shown.quality, 1)
        identity = self.recognised(shown)
        name = f"person {shown.person}" if identity is Identity.KNOWN else None
        return Embedded(struct.pack("<128f", *numbers), Identification(identity, name))


def names(followed: Sequence[Followed]) -> list[str | None]:
    return [one.identification.name for one in followed]


def test_who_stays_is_embedded_once_and_keeps_the_name() -> None:
    camera = Camera()
    answers = [camera.look(at / 2, Shown(1, 300 + at)) for at in range(20)]
    assert len(camera.embedded) == 1
    assert {one.track for (one,) in answers} == {answers[0][0].track}
    assert [one.embedded is not None for (one,) in answers] == [True] + 19 * [False]
    assert all(names(one) == ["person 1"] for one in answers)


def test_a_clearly_better_look_is_worth_an_embedding_up_to_a_limit() -> None:
    camera = Camera(most=3)
    for at, seen in enumerate([100, 120, 140, 190, 260, 400]):
        camera.look(at / 2, Shown(1, 300, seen))
    assert [one.quality for one in camera.embedded] == [100, 140, 190]


def test_a_stranger_is_tried_again_until_somebody_knows_them() -> None:
    camera = Camera(lambda one: Identity.KNOWN if one.quality == 95 else Identity.UNKNOWN)
    looks = [camera.look(at / 2, Shown(1, 300, q)) for at, q in enumerate([100, 50, 99, 95, 97])]
    assert [one.quality for one in camera.embedded] == [100, 99, 95]
    assert names([one for (one,) in looks]) == [None, None, None, "person 1", "person 1"]


def test_where_nobody_is_enrolled_one_embedding_does() -> None:
    camera = Camera(lambda _: Identity.NO_GALLERY)
    for at in range(5):
        camera.look(at / 2, Shown(1, 300, 100 + at))
    assert len(camera.embedded) == 1


@pytest.mark.parametrize("later_s", [3.5, 60])
def test_after_a_while_somebody_else_may_stand_there(later_s: float) -> None:
    camera = Camera()
    first, second = camera.look(0, Shown(1, 300)), camera.look(later_s, Shown(2, 300))
    assert names(second) == ["person 2"]
    assert first[0].track != second[0].track


def test_who_comes_back_has_the_same_track_but_was_looked_at_anew() -> None:
    camera = Camera()
    first, second = camera.look(0, Shown(1, 300)), camera.look(60, Shown(1, 900))
    assert len(camera.embedded) == 2
    assert first[0].track == second[0].track


def test_the_times_of_a_copied_tree_do_not_make_two_people_one() -> None:
    camera = Camera()
    camera.look(0, Shown(1, 300), frame=1, told_s=0)
    assert names(camera.look(0, Shown(2, 300), frame=90, told_s=0)) == ["person 2"]
    assert len(camera.embedded) == 2


@pytest.mark.parametrize("at", [Shown(2, 300 + 2 * SIDE), Shown(2, 300, side=2 * SIDE)])
def test_another_place_or_size_is_looked_at_anew(at: Shown) -> None:
    camera = Camera()
    camera.look(0, Shown(1, 300))
    assert names(camera.look(0.5, at)) == ["person 2"]


def test_after_a_moment_other_colours_in_the_same_place_are_looked_at_anew() -> None:
    camera = Camera()
    camera.look(0, Shown(1, 300))
    camera.look(0.8, Shown(1, 300, grey=103))
    assert len(camera.embedded) == 1
    assert names(camera.look(2, Shown(2, 300, grey=116))) == ["person 2"]
    assert len(camera.embedded) == 2
    # Once person 1 cannot be there any more:
    camera.look(4, Shown(2, 300, grey=127))
    assert len(camera.embedded) == 2


def test_two_who_cross_are_both_looked_at_anew() -> None:
    camera = Camera()
    camera.look(0, Shown(1, 300), Shown(2, 370))
    followed = camera.look(0.5, Shown(2, 330), Shown(1, 340 + SIDE // 2))
    assert names(followed) == ["person 2", "person 1"]
    assert len(camera.embedded) == 4
    assert len({one.track for one in followed}) == 2


def test_who_turns_out_to_be_somebody_else_has_another_track() -> None:
    camera = Camera()
    (first,) = camera.look(0, Shown(1, 300))
    (second,) = camera.look(0.5, Shown(2, 300, 200))
    assert (second.identification.name, first.track != second.track) == ("person 2", True)


def test_a_capture_looked_at_again_is_looked_at_from_scratch() -> None:
    camera = Camera()
    first, _ = camera.look(0, Shown(1, 300)), camera.look(0.5, Shown(1, 300))
    again = camera.look(0, Shown(1, 300))
    assert again[0].embedded is not None
    assert again[0].track == first[0].track


def test_events_have_nothing_to_do_with_each_other() -> None:
    camera = Camera()
    camera.look(0, Shown(1, 300))
    assert names(camera.look(0, Shown(2, 300), frame=5, event="Yard/1")) == ["person 2"]


@st.composite
def walks(draw: st.DrawFn) -> list[list[Shown]]:
    """Captures half a second apart of people who keep well apart, move a little and are not always
    to be seen, for as long as a face can be followed."""
    people = draw(st.integers(1, 4))
    captures = []
    for _ in range(draw(st.integers(1, 6))):
        there = draw(st.lists(st.booleans(), min_size=people, max_size=people))
        captures.append(
            [
                Shown(
                    person,
                    200 + 250 * person + draw(st.integers(-20, 20)),
                    draw(st.floats(50, 200)),
                )
                for person in range(people)
                if there[person]
            ]
        )
    return captures


@given(walks(), st.randoms())
def test_who_is_with_whom_does_not_depend_on_the_order(
    captures: list[list[Shown]], random: object
) -> None:
    def together(order: Sequence[int]) -> set[frozenset[tuple[int, int]]]:
        camera = Camera()
        of: dict[int, set[tuple[int, int]]] = {}
        for at in order:
            shown = captures[at]
            for one, followed in zip(shown, camera.look(at / 2, *shown), strict=True):
                of.setdefault(followed.track, set()).add((at, one.person))
        return set(map(frozenset, of.values()))

    in_order = list(range(len(captures)))
    shuffled = list(in_order)
    random.shuffle(shuffled)
    groups = together(in_order)
    assert groups == together(shuffled)
    people = {one.person for shown in captures for one in shown}
    assert len(groups) == len(people)


anyone = st.builds(
    Shown,
    st.integers(0, 3),
    st.integers(100, 500),
    st.floats(0, 300),
    st.integers(40, 120),
)


@given(st.lists(st.lists(anyone, max_size=5), max_size=12), st.integers(1, 3))
def test_whatever_happens_no_two_of_a_capture_share_a_track(
    captures: list[list[Shown]], most: int
) -> None:
    """... not even two faces that a network draws in the same place."""
    camera = Camera(most=most)
    for at, shown in enumerate(captures):
        followed = camera.look(at / 3, *shown, frame=at)
        # The number of a track is made of where it began; two faces cannot be in one place.
        if len({(one.seen.box.xmin, one.seen.box.ymin) for one in shown}) == len(shown):
            assert len({one.track for one in followed}) == len(shown)
        for one, answer in zip(shown, followed, strict=True):
            if answer.embedded is not None:
                assert answer.identification.name == f"person {one.person}"


@given(st.integers(0, 2**20), st.integers(0, 65_000), st.integers(0, 65_000), st.integers(0, 9))
def test_two_processes_never_give_two_faces_one_number(
    frame: int, x: int, y: int, later: int
) -> None:
    def number(at: int, left: int, top: int) -> int | None:
        box = BoundingBox(left, top, left + 9, top + 9)
        nobody = Identification(Identity.UNKNOWN)
        (answer,) = Tracks().follow(
            FaceMoment("e", at, START),
            [Seen(box, 1, b"")],
            5,
            lambda _: Embedded(bytes(512), nobody),
        )
        return answer.track

    numbers = {number(frame, x, y), number(frame + later + 1, x, y), number(frame, x + 1, y)}
    assert len(numbers | {number(frame, x, y + 1)}) == 4
    assert max(numbers) < 2**53


def test_what_is_remembered_is_bounded() -> None:
    camera = Camera()
    for event in range(tracks.MAX_EVENTS + 5):
        camera.look(0, Shown(1, 300), event=f"Door/{event}")
    camera.look(1, Shown(1, 300), event="Door/0")
    assert len(camera.embedded) == tracks.MAX_EVENTS + 6
    assert len(camera.tracks._events) == tracks.MAX_EVENTS

    crowd = Camera()
    for at in range(3 * tracks.MAX_SIGHTINGS):
        crowd.look(at, Shown(at % 120, 300 + 200 * (at % 50)), Shown(121, 20_000))
    (event,) = crowd.tracks._events.values()
    assert len(event._tracks) <= tracks.MAX_TRACKS
    assert all(len(one.sightings) <= tracks.MAX_SIGHTINGS for one in event._tracks)
    assert sum(one.person == 121 for one in crowd.embedded) == 1


def test_quality_is_size_times_sharpness_from_the_front() -> None:
    assert quality(50, 400, 0.0) == 2 * quality(25, 400, 0.0) == 2 * quality(50, 100, 0.0)
    assert quality(400, 400, 0.0) == quality(150, 400, 0.0)
    assert quality(50, 400, 0.5) == quality(25, 400, 0.0)
