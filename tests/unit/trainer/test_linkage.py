from __future__ import annotations

import numpy as np
import pytest

from tests.fakes.people import BETWEEN, WITHIN
from trainer.linkage import alike

CUT = 0.56


def crowd(
    counts: list[int], seed: int = 1, within: float = WITHIN
) -> tuple[np.ndarray, np.ndarray]:
    """Faces of people with so many each, and whose they are."""
    dice = np.random.default_rng(seed)
    people = dice.normal(0, BETWEEN, (len(counts), 128))
    who = np.repeat(np.arange(len(counts)), counts)
    return (people[who] + dice.normal(0, within, (len(who), 128))).astype(np.float32), who


def same_groups(labels: np.ndarray, who: np.ndarray) -> bool:
    return bool(((labels[:, None] == labels) == (who[:, None] == who)).all())


def apart(faces: np.ndarray) -> np.ndarray:
    return np.arange(len(faces), dtype=np.int32)


def test_people_are_told_apart_and_passers_by_stay_alone() -> None:
    faces, who = crowd([12, 7, 3, *[1] * 60])
    assert same_groups(alike(faces, apart(faces), CUT), who)


def test_many_faces_of_one_event_hide_no_other_event() -> None:
    # Each face's nearest neighbours are all of its own event.
    faces, who = crowd([60, 60])
    event = np.tile(np.repeat(np.arange(3, dtype=np.int32), 20), 2)
    faces += np.random.default_rng(2).normal(0, 0.005, (3, 128)).astype(np.float32)[event]
    assert same_groups(alike(faces, event, CUT), who)


def test_more_faces_of_an_event_than_are_joined_at_once() -> None:
    faces, who = crowd([560, 60], within=0.01)
    told: list[tuple[int, int]] = []
    labels = alike(faces, np.zeros(len(faces), np.int32), CUT, lambda *done: told.append(done))
    assert same_groups(labels, who)
    assert told[-1][0] == told[-1][1]
    # By then few groups were left to be compared.
    assert max(total for _, total in told) < 100


def test_a_chain_of_faces_between_two_people_does_not_make_them_one() -> None:
    dice = np.random.default_rng(3)
    one, other = dice.normal(0, BETWEEN, (2, 128))
    between = [one + share * (other - one) for share in np.linspace(0, 1, 9)[1:-1]]
    faces = np.array(
        [
            *(one + dice.normal(0, WITHIN / 2, (15, 128))),
            *(other + dice.normal(0, WITHIN / 2, (15, 128))),
            *between,
        ],
        np.float32,
    )
    labels = alike(faces, apart(faces), CUT)
    assert len(set(labels[:15])) == 1
    assert len(set(labels[15:30])) == 1
    assert labels[0] != labels[15]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_faces(count: int) -> None:
    faces = np.zeros((count, 128), np.float32)
    assert len(set(alike(faces, apart(faces), CUT).tolist())) == min(count, 1)


def test_the_order_of_the_faces_does_not_matter() -> None:
    faces, _ = crowd([9, 5, 4, *[1] * 20], within=0.034)
    order = np.random.default_rng(4).permutation(len(faces))
    labels, shuffled = (alike(some, apart(some), CUT) for some in (faces, faces[order]))
    assert same_groups(shuffled, labels[order])
