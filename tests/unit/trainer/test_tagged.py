from __future__ import annotations

from collections import Counter

from annotator.domain import Identification, Identity, Renaming, Tag
from tests.fakes.people import MadeUpPeople
from tests.unit.trainer.conftest import NOON, House
from trainer.tagged import PER_EVENT, tagged_samples

ANNA = Identification(Identity.KNOWN, "anna", 0.99, 0.3)


def test_what_people_said_is_learned_from(house: House) -> None:
    made_up = MadeUpPeople()
    anna, other = made_up.someone(), made_up.someone()
    for _ in range(PER_EVENT + 3):
        house.see(1, made_up.face(anna, sharpness=300))
    house.see(2, made_up.face(anna, sharpness=200))
    house.see(3, made_up.face(other), who=ANNA)
    house.see(4, made_up.face(anna), who=ANNA)  # a recogniser's word is not a person's
    house.see(5, made_up.face(other), who=Identification(Identity.NO_GALLERY))
    by_event: dict[str, list[int]] = {}
    for face in house.faces():
        by_event.setdefault(face.capture.event.path[-1], []).append(face.id)
    house.book.tag([*by_event["1"], *by_event["2"]], Tag("anna", NOON))
    house.book.tag([*by_event["3"], *by_event["5"]], Tag("anna", NOON, negated=True))
    samples = tagged_samples(house.queries)
    assert Counter((one.person, one.group[-1]) for one in samples) == {
        ("anna", "1"): PER_EVENT,
        ("anna", "2"): 1,
        (None, "3"): 1,
    }
    assert [one.group[-1] for one in samples[:2]] == ["1", "2"]


def test_who_a_recogniser_takes_a_denied_face_for_is_no_persons_word(house: House) -> None:
    made_up = MadeUpPeople()
    house.see(1, made_up.face(made_up.someone()), who=ANNA)
    (face,) = house.faces()
    house.book.tag([face.id], Tag("anna", NOON, negated=True))
    (denied,) = house.faces()
    ben = Identification(Identity.KNOWN, "ben", 0.98, 0.3)
    renaming = Renaming(denied.id, denied.identification, ben)
    house.book.relabel([renaming], "faces@0123456789ab", dry_run=False)
    (renamed,) = house.faces()
    assert renamed.identification == ben
    assert not renamed.named_by_hand
    assert tagged_samples(house.queries) == ()
