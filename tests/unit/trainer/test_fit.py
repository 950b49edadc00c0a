from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotator.domain import FaceEvidence, Identity
from annotator.errors import ModelError
from annotator.inference.bundle import read_bundle
from tests.fakes.people import MadeUpPeople
from trainer.evaluate import evaluate
from trainer.fit import train
from trainer.promote import promote, worse
from trainer.samples import Sample
from trainer.trials import Faces, rounds_of

EMBEDDER = "embedder@123456789abc"


def family(made_up: MadeUpPeople, count: int) -> dict[str, np.ndarray]:
    return {f"person {n}": made_up.someone() for n in range(count)}


def trained(samples: list[Sample], *families: str):  # type: ignore[no-untyped-def]
    return train(samples, embedder=EMBEDDER, families=families or ("none",))


@pytest.mark.parametrize(
    ("people", "pictures", "unknown"), [(1, 5, 0), (1, 5, 9), (2, 1, 0), (4, 8, 5)]
)
def test_known_people_are_named_and_strangers_are_not(
    people: int, pictures: int, unknown: int
) -> None:
    made_up = MadeUpPeople()
    known = family(made_up, people)
    recogniser = trained(made_up.gallery(known, pictures, unknown)).bundle.recogniser()
    for name, person in known.items():
        faces = [made_up.face(person) for _ in range(10)]
        right = sum(one.name == name for one in recogniser.identify(faces))
        assert right >= (10 if pictures > 1 else 5)
    strangers = recogniser.identify([made_up.face(made_up.someone()) for _ in range(200)])
    assert all(one.identity is Identity.UNKNOWN for one in strangers)
    assert all(0 <= one.probability < 0.5 for one in strangers if one.probability is not None)


def test_all_three_are_judged_and_the_cheapest_of_equals_wins() -> None:
    made_up = MadeUpPeople()
    result = trained(made_up.gallery(family(made_up, 3), 6, 6), "none", "svm", "xgboost")
    assert [one.family for one in result.candidates] == ["none", "svm", "xgboost"]
    assert all(one.known_right == 1 and one.strangers_named == 0 for one in result.candidates)
    assert result.winner.family == "none"
    assert result.verdicts.matrix.trace() == result.verdicts.matrix.sum()


def test_one_person_alone_needs_no_classifier() -> None:
    made_up = MadeUpPeople()
    result = trained(made_up.gallery(family(made_up, 1), 4), "svm")
    assert result.winner.family == "none"


def test_a_single_picture_is_enough_to_begin_with() -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 1)
    recogniser = trained(made_up.gallery(known, 1)).bundle.recogniser()
    (itself,) = recogniser.identify([replace(made_up.face(known["person 0"]))])
    assert itself.distance is not None


def test_nobody_to_learn_is_an_error() -> None:
    made_up = MadeUpPeople()
    with pytest.raises(ModelError, match="nobody to learn") as caught:
        trained(made_up.gallery({}, 0, unknown=5))
    assert caught.value.next_step
    with pytest.raises(ModelError):
        trained([])


def test_a_picture_in_the_wrong_folder_is_told_and_not_used() -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 3)
    samples = made_up.gallery(known, 8)
    wrong = Sample("person 0", made_up.face(known["person 1"]), "wrong", "person 0/wrong.jpg")
    result = trained([*samples, wrong])
    (doubtful,) = result.doubtful
    assert (doubtful.source, doubtful.looks_like) == ("person 0/wrong.jpg", "person 1")
    assert result.pictures["person 0"] == 8


def test_small_and_blurred_faces_must_look_more_like_somebody() -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 4)
    recogniser = trained(made_up.gallery(known, 8)).bundle.recogniser()
    face = made_up.face(known["person 2"])
    scores = [
        float(recogniser.nearest([FaceEvidence(face.embedding, size_px, sharpness)]).score[0])
        for size_px, sharpness in ((120, 900), (45, 900), (45, 150), (45, 50))
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_pictures_of_one_event_are_never_on_both_sides() -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 3)
    samples = [
        Sample(name, made_up.face(person), f"{name} event {n // 4}", f"{name} {n}")
        for name, person in known.items()
        for n in range(12)
    ]
    # A near-duplicate under another group's name belongs to its twin's group.
    samples.append(replace(samples[0], group="another", source="copy"))
    faces = Faces.of(samples)
    assert faces.group[0] == faces.group[-1]
    rounds = rounds_of(faces)
    for one in rounds:
        assert not set(faces.group[one.learned]) & set(faces.group[one.asked])
        assert set(faces.owner[one.learned]) | set(one.absent) == {0, 1, 2}
    asked = np.concatenate([one.asked for one in rounds if not one.absent])
    assert sorted(asked) == list(range(len(samples)))


def test_a_worse_one_does_not_take_the_place_unless_it_is_told_to(tmp_path: Path) -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 4)
    path = tmp_path / "recogniser.bundle"
    full = trained(made_up.gallery(known, 6)).bundle
    fewer = trained(made_up.gallery(dict(list(known.items())[:3]), 6)).bundle
    promote(path, full, anyway=False)
    assert worse(path, full) is None
    with pytest.raises(ModelError, match="does not know person 3") as caught:
        promote(path, fewer, anyway=False)
    assert "--promote" in caught.value.next_step
    assert read_bundle(path).manifest.names == tuple(known)
    promote(path, fewer, anyway=True)
    assert len(read_bundle(path).manifest.names) == 3
    path.write_bytes(b"no use")
    promote(path, full, anyway=False)


def test_evaluation_counts_known_strangers_and_sizes() -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 3)
    recogniser = trained(made_up.gallery(known, 8, 5)).bundle.recogniser()
    questions = [
        *made_up.gallery(known, 5, unknown=20),
        *made_up.gallery({"a guest": made_up.someone()}, 5),
    ]
    result = evaluate(questions, recogniser)
    score = result.overall
    assert (score.known, score.right, score.wrong) == (15, 15, 0)
    assert (score.strangers, score.strangers_named) == (25, 0)
    assert score.closed_set == score.right_share == 1
    assert [one.from_px for one in result.sizes] == [100]
    assert result.in_use is not None
    assert (result.in_use.false_accept, result.in_use.false_reject) == (0, 0)
    accepts = [point.false_accept for point in result.curve]
    assert accepts[0] == 1
    assert accepts == sorted(accepts, reverse=True)


def test_evaluation_without_strangers_has_no_curve() -> None:
    made_up = MadeUpPeople()
    known = family(made_up, 2)
    recogniser = trained(made_up.gallery(known, 8)).bundle.recogniser()
    result = evaluate(made_up.gallery(known, 3), recogniser)
    assert result.curve == ()
    assert result.in_use is None
    assert result.overall.strangers_share is None
