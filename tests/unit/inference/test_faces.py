from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from annotator.config import FaceSettings
from annotator.domain import BoundingBox, Face, FaceMoment, Gate, Identity
from annotator.inference.embedder import Alignment
from annotator.inference.faces import LOOK_PX, FaceReader, look, sharpness
from annotator.inference.finders import Calibration, CloseUpFinder, FoundFace, distinct
from annotator.inference.identify import NoGallery
from annotator.inference.image import Picture
from annotator.inference.regions import MAX_TILES, everywhere, share_out

if TYPE_CHECKING:
    from annotator.inference.image import Pixels


def face(xmin: int, ymin: int, side: int = 20, score: float = 0.9) -> FoundFace:
    return FoundFace(BoundingBox(xmin, ymin, xmin + side, ymin + side), score)


LEFT, RIGHT = BoundingBox(0, 0, 100, 300), BoundingBox(80, 0, 180, 300)


def test_each_face_goes_to_the_person_it_fits() -> None:
    left, right = face(40, 10), face(120, 10)
    assert share_out([left, right], [LEFT, RIGHT]) == ((left,), (right,))


def test_of_two_people_who_overlap_neither_takes_the_others_face() -> None:
    # The child stands before the adult; both faces lie in the adult's box.
    adult, child = BoundingBox(0, 0, 200, 600), BoundingBox(60, 300, 160, 600)
    adults, childs = face(90, 20, 50), face(95, 315, 35)
    assert share_out([childs, adults], [adult, child]) == ((adults,), (childs,))
    assert share_out([adults, childs], [child, adult]) == ((childs,), (adults,))


def test_a_person_may_have_two_faces_where_nobody_else_is() -> None:
    # One box around two people.
    assert share_out([face(10, 10), face(60, 12)], [LEFT]) == ((face(10, 10), face(60, 12)),)


def test_a_face_in_nobodys_box_is_nobodys() -> None:
    assert share_out([face(300, 10)], [LEFT, RIGHT]) == ((), ())
    assert share_out([face(300, 10)], []) == ()


boxes = st.builds(
    lambda x, y, w, h: BoundingBox(x, y, x + w, y + h),
    *[st.integers(0, 300)] * 2,
    *[st.integers(5, 300)] * 2,
)
faces = st.lists(
    st.builds(face, *[st.integers(0, 500)] * 2, st.integers(5, 60), st.floats(0, 1)), unique=True
)


@given(faces, st.lists(boxes, max_size=6))
def test_no_face_is_shared_out_twice(found: list[FoundFace], persons: list[BoundingBox]) -> None:
    shares = share_out(found, persons)
    assert len(shares) == len(persons)
    given_away = [one for share in shares for one in share]
    assert len(given_away) == len(set(given_away))
    for one in found:
        inside = any(one.box.share_inside(person) >= 0.5 for person in persons)
        assert (one in given_away) == inside


@given(faces)
def test_repetitions_are_dropped_and_the_best_stay(found: list[FoundFace]) -> None:
    kept = distinct(found)
    assert [one.score for one in kept] == sorted((one.score for one in kept), reverse=True)
    for one in found:
        assert any(one.box.iou(other.box) >= 0.4 and other.score >= one.score for other in kept)


def test_a_calibrated_box_is_a_square_below() -> None:
    box = Calibration(down=0.25, side=0.5).apply(BoundingBox(100, 100, 200, 200), 1000, 1000)
    assert box == BoundingBox(125, 150, 175, 200)
    assert Calibration(down=0.25, side=0.5).apply(
        BoundingBox(100, 100, 200, 200), 1000, 160
    ) == BoundingBox(125, 150, 175, 160)


@pytest.mark.parametrize("side", [40, 80, 200])
def test_sharpness_falls_with_blur_and_hardly_depends_on_size(side: int) -> None:
    coarse = np.random.default_rng(3).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    sharp = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    values = [
        sharpness(np.asarray(sharp.filter(ImageFilter.GaussianBlur(share * side))))
        for share in (0, 0.02, 0.04, 0.08)
    ]
    assert values == sorted(values, reverse=True)
    reference = Image.fromarray(coarse).resize((400, 400), Image.Resampling.BICUBIC)
    assert values[0] == pytest.approx(sharpness(np.asarray(reference)), rel=0.25)
    assert sharpness(np.full((side, side, 3), 90, dtype=np.uint8)) == 0


@dataclass
class Finds:
    """A finder that finds what is there, where it lies in the region."""

    faces: Sequence[FoundFace]
    provenance: str = "finds"
    regions: list[BoundingBox] = field(default_factory=list)

    def find(self, picture: Picture, region: BoundingBox, min_score: float) -> Sequence[FoundFace]:
        self.regions.append(region)
        return [
            one
            for one in self.faces
            if one.box.share_inside(region) == 1 and one.score >= min_score
        ]


@dataclass
class Embeds:
    """Every face is the same one, turned as far as is said."""

    turn: float = 0.0
    provenance: str = "embeds"
    aligned: int = 0
    embedded: int = 0

    def align(self, pixels: Pixels, face: BoundingBox) -> Alignment:
        self.aligned += 1
        return Alignment(None, self.turn)

    def embed(self, pixels: Pixels, alignment: Alignment) -> bytes:
        self.embedded += 1
        return bytes(512)


WHEN = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Looking:
    """A reader over a noisy picture of 600 x 400 that counts how often it is decoded."""

    def __init__(self, *faces: FoundFace, turn: float = 0.0, reduction: int = 4):
        self.finder, self.embedder = Finds(faces), Embeds(turn)
        self.reader = FaceReader(self.embedder, NoGallery())
        self.decodes: list[int] = []
        noise = np.random.default_rng(1).integers(0, 255, (400, 600, 3), dtype=np.uint8)

        def decode_at(reduction: int) -> Pixels:
            self.decodes.append(reduction)
            return noise[::reduction, ::reduction]

        self.picture = Picture(decode_at, 600, 400, reduction)

    def look(
        self, *persons: BoundingBox, frame: int | None = None, **settings: object
    ) -> tuple[tuple[Face, ...], ...]:
        moment = None if frame is None else FaceMoment("event", frame, WHEN)
        wanted = FaceSettings.model_validate({"min_sharpness": 1, **settings})
        return self.reader.read(self.picture, persons, self.finder, wanted, moment)


@pytest.mark.parametrize(
    ("faces", "decodes"), [((), [4]), ((face(40, 10, 60), face(120, 10, 60)), [4, 1])]
)
def test_the_full_resolution_is_decoded_once_and_only_for_a_face(
    faces: tuple[FoundFace, ...], decodes: list[int]
) -> None:
    looking = Looking(*faces)
    looking.look(LEFT, RIGHT)
    looking.look(LEFT, RIGHT)
    assert looking.decodes == decodes


def test_what_was_decoded_in_full_is_not_decoded_again() -> None:
    looking = Looking(face(40, 10, 60), reduction=1)
    looking.look(LEFT)
    assert looking.decodes == [1]


@pytest.mark.parametrize(
    ("settings", "turn", "gate", "aligned"),
    [
        ({}, 0.2, Gate.USABLE, 1),
        ({"max_turn": 0.1}, 0.2, Gate.TURNED_AWAY, 1),
        ({"max_turn": 0.1, "min_face_px": 70}, 0.2, Gate.TOO_SMALL, 0),
        ({"max_turn": 0.1, "min_sharpness": 1e9}, 0.2, Gate.BLURRED, 0),
        ({}, 1.0, Gate.TURNED_AWAY, 1),
        ({"max_turn": 1.0}, 1.0, Gate.USABLE, 1),
    ],
)
def test_only_a_usable_face_is_embedded_and_none_is_aligned_in_vain(
    settings: dict[str, object], turn: float, gate: Gate, aligned: int
) -> None:
    looking = Looking(face(40, 10, 60), turn=turn)
    ((one,),) = looking.look(LEFT, **settings)
    assert one.gate is gate
    assert (looking.embedder.aligned, looking.embedder.embedded) == (
        aligned,
        int(gate is Gate.USABLE),
    )
    assert one.turn == (turn if aligned else None)


def test_through_an_event_a_face_is_embedded_once() -> None:
    looking = Looking(face(40, 10, 60), face(300, 10, 60))
    persons = LEFT, BoundingBox(280, 0, 400, 300)
    first, second = looking.look(*persons, frame=1), looking.look(*persons, frame=2)
    assert looking.embedder.embedded == 2
    assert [one.gate for own in first for one in own] == 2 * [Gate.USABLE]
    assert [one.gate for own in second for one in own] == 2 * [Gate.SEEN_BETTER]
    assert [own[0].track for own in first] == [own[0].track for own in second]
    for (one,) in second:
        assert one.identification is not None
        assert one.identification.identity is Identity.NO_GALLERY


def test_without_a_moment_nobody_is_followed() -> None:
    looking = Looking(face(40, 10, 60))
    faces = [looking.look(LEFT)[0][0] for _ in range(2)]
    assert [(one.gate, one.track) for one in faces] == 2 * [(Gate.USABLE, None)]


class Promoted(NoGallery):
    """Another recogniser from the second picture on."""

    looks = 0

    @property
    def provenance(self) -> str | None:
        return "new" if self.looks > 1 else "old"

    def refresh(self) -> None:
        self.looks += 1


def test_what_another_recogniser_said_is_forgotten() -> None:
    looking = Looking(face(40, 10, 60))
    looking.reader = FaceReader(looking.embedder, Promoted())
    gates = [looking.look(LEFT, frame=frame)[0][0].gate for frame in (1, 2, 3)]
    assert gates == [Gate.USABLE, Gate.USABLE, Gate.SEEN_BETTER]


def test_faces_in_nobodys_box_come_last_where_they_are_asked_for() -> None:
    alone = face(400, 200, 60)
    looking = Looking(face(40, 10, 60), alone)
    assert [len(own) for own in looking.look(LEFT)] == [1]
    assert [len(own) for own in looking.look(LEFT, outside_persons=True)] == [1, 1]
    ((_, found),) = looking.look(outside_persons=True, min_face_px=70)
    assert (found.gate, found.box) == (Gate.TOO_SMALL, alone.box)


@given(st.integers(10, 8000), st.integers(10, 8000), st.integers(1, 500))
def test_everywhere_is_everywhere(width: int, height: int, min_face_px: int) -> None:
    whole, *tiles = everywhere(width, height, min_face_px)
    assert whole == BoundingBox(0, 0, width, height)
    assert len(tiles) <= MAX_TILES
    if tiles:
        for side in ("xmin", "ymin"):
            assert min(getattr(one, side) for one in tiles) == 0
        assert max(one.xmax for one in tiles) == width
        assert max(one.ymax for one in tiles) == height


def test_a_smallest_face_fills_a_fifteenth_of_its_tile() -> None:
    assert len(everywhere(640, 480, 60)) == 1
    assert len(everywhere(1920, 1080, 40)) == 1 + 4 * 2
    assert max(tile.width for tile in everywhere(1920, 1080, 40)[1:]) <= 600


def test_a_closer_look_is_for_faces_that_fill_the_region() -> None:
    looking = Looking()
    large, small = face(20, 20, 60), face(10, 10, 20)
    region = BoundingBox(0, 0, 100, 200)

    def found(usual: Sequence[FoundFace]) -> Sequence[FoundFace]:
        return CloseUpFinder(Finds(usual, "a"), Finds([large, small], "b")).find(
            looking.picture, region, 0.5
        )

    assert found([small]) == [small]
    assert found([]) == [large]
    assert CloseUpFinder(Finds([], "a"), Finds([], "b")).provenance == "a + b"


@pytest.mark.parametrize("box", [BoundingBox(0, 0, 30, 30), BoundingBox(580, 390, 600, 400)])
def test_a_look_is_what_is_around_the_face_even_at_the_edge(box: BoundingBox) -> None:
    pixels = np.full((400, 600, 3), 90, dtype=np.uint8)
    assert look(pixels, box) == bytes([90]) * (3 * LOOK_PX[0] * LOOK_PX[1])
