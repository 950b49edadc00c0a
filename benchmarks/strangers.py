"""Whether `trainer cluster` tells strangers apart, and `trainer gallery check` finds mistakes.

    python -m benchmarks.strangers --faces ../shared/data/faces --models ../shared/models \
        --cache ~/.cache/annotator-faces.npz
    python -m benchmarks.strangers --scale 100000

The tables of docs/training.md. Nobody has a name: gallery and strangers are all unknown, each
picture an event of its own. "From a camera" takes each picture as it is or its face shrunk to 80,
60 or 40 px, at random. Mistakes: a picture in twenty is put into the folder of somebody else,
or a stranger's picture is added; ten draws. With --scale faces are made of numbers, drawn to be
like dlib's, four to an event.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image
from sklearn.metrics import v_measure_score

from annotator.config import Config, ModelSettings
from annotator.domain import Face, FaceEvidence
from annotator.inference.identify import NoGallery, embeddings_of
from annotator.inference.vision import build_vision
from trainer.check import Kind, check_gallery
from trainer.clouds import people_of, stranger_score
from trainer.cluster import MIN_FACES
from trainer.gallery import Look, pictures_of, whole_picture
from trainer.linkage import alike
from trainer.remembered import Memory
from trainer.samples import Sample, Samples

DISTANCES = (0.50, 0.52, 0.54, 0.56, 0.58, 0.60, 0.62)
CAMERA_PX = (80, 60, 40)
DRAWS = 10
MISTAKES = 0.05
ASKED_FROM = 15
"""Everybody's first so many pictures are learned from, at most; the others are asked about."""
WRONG = frozenset({Kind.MISLABELLED, Kind.OUTLIER})


@dataclass(frozen=True, slots=True)
class Picture:
    """One face and whose it is; `known` is False for the strangers."""

    person: str
    path: Path
    evidence: FaceEvidence
    known: bool


def main() -> None:
    asked = _arguments()
    if asked.scale:
        return _scale(asked.scale)
    plain, camera = _pictures(asked)
    print("faces | average distance | right pairs | of all pairs | V | clusters | mixed | largest")
    print("|".join(8 * ["---"]))
    for name, pictures in (("as they are", plain), ("from a camera", camera)):
        for distance in DISTANCES:
            print(
                f"{name} | {distance:.2f} | " + " | ".join(_cells(pictures, distance)), flush=True
            )
    known = [one for one in plain if one.known]
    variances = [np.square(e - e.mean(axis=0)).sum(axis=1).mean() for e in _by_person(known)]
    print(f"\nvariance of a person's faces: median {np.median(variances):.3f}")
    print("\nmistakes | found | right name told | false alarms among the others")
    print("|".join(4 * ["---"]))
    print(" | ".join(_swapped(known)))
    print(" | ".join(_added(known, [one for one in plain if not one.known])))
    print("\npictures | named right")
    print("---|---")
    for count in (1, 2, 3, 5, 8, 10):
        print(f"{count} | {_named_right(known, count):.3f}")
    return None


def _cells(pictures: Sequence[Picture], distance: float) -> Iterator[str]:
    embeddings = embeddings_of([one.evidence for one in pictures]).astype(np.float32)
    labels = alike(embeddings, np.arange(len(pictures), dtype=np.int32), distance)
    people = np.array([one.person for one in pictures])
    same = people[:, None] == people
    joined = labels[:, None] == labels
    above = np.triu_indices(len(pictures), 1)
    both = (same & joined)[above].sum()
    yield f"{both / joined[above].sum():.4f}"
    yield f"{both / same[above].sum():.4f}"
    yield f"{v_measure_score(people, labels):.4f}"
    groups = [people[labels == label] for label in np.unique(labels)]
    counted = [Counter(group.tolist()) for group in groups if len(group) >= MIN_FACES]
    often = [name for name, count in Counter(people.tolist()).items() if count >= MIN_FACES]
    yield f"{len(counted)} of {len(often)} people"
    yield str(sum(len(count) > 1 for count in counted))
    largest = [
        max(Counter(labels[people == name].tolist()).values()) / (people == name).sum()
        for name in often
    ]
    yield f"{np.mean(largest):.3f}"


def _swapped(known: Sequence[Picture]) -> Iterator[str]:
    """A picture in twenty is in the folder of somebody else."""
    people = sorted({one.person for one in known})
    found = right = swaps = alarms = 0
    for draw in range(DRAWS):
        dice = random.Random(draw)
        swapped = set(dice.sample(range(len(known)), round(MISTAKES * len(known))))
        samples = []
        for at, one in enumerate(known):
            others = [name for name in people if name != one.person]
            samples.append(_sample(one, dice.choice(others) if at in swapped else one.person))
        told = _doubted(samples)
        swaps += len(swapped)
        for at, one in enumerate(known):
            why = told.get(str(one.path))
            found += at in swapped and why is not None
            right += at in swapped and why is not None and f"looks like {one.person} " in why
            alarms += at not in swapped and why is not None
    asked = len(known) * DRAWS - swaps
    yield f"{swaps} pictures in somebody else's folder"
    yield f"{found / swaps:.3f}"
    yield f"{right / swaps:.3f}"
    yield f"{alarms} of {asked}"


def _added(known: Sequence[Picture], strangers: Sequence[Picture]) -> Iterator[str]:
    """Strangers' pictures are among people's own."""
    people = [name for name, count in Counter(one.person for one in known).items() if count >= 4]
    found = added = alarms = 0
    for draw in range(DRAWS):
        dice = random.Random(draw)
        chosen = dice.sample(list(strangers), round(MISTAKES * len(known)))
        samples = [_sample(one, one.person) for one in known]
        samples += [_sample(one, dice.choice(people)) for one in chosen]
        told = _doubted(samples)
        added += len(chosen)
        found += sum(str(one.path) in told for one in chosen)
        alarms += sum(str(one.path) in told for one in known)
    yield f"{added} pictures of strangers"
    yield f"{found / added:.3f}"
    yield "-"
    yield f"{alarms} of {len(known) * DRAWS}"


def _named_right(known: Sequence[Picture], count: int) -> float:
    """The share of other faces that are named right where everybody has so many pictures."""
    faces = [one for one in _by_person(known) if len(one) > ASKED_FROM]
    owner = np.repeat(np.arange(len(faces), dtype=np.int32), count)
    threshold = stranger_score(0.005, len(faces))
    right = asked = 0
    for draw in range(DRAWS):
        dice = np.random.default_rng(draw)
        shuffled = [dice.permutation(one) for one in faces]
        people = people_of(np.concatenate([one[:count] for one in shuffled]), owner, len(faces))
        for person, own in enumerate(shuffled):
            scores = people.scores(own[ASKED_FROM:])
            right += ((scores.argmax(axis=1) == person) & (scores.max(axis=1) > threshold)).sum()
            asked += len(scores)
    return float(right / asked)


def _doubted(samples: Sequence[Sample]) -> dict[str, str]:
    gallery = Samples(tuple(samples), (), ())
    return {
        one.picture: one.why for one in check_gallery(gallery) if one.kind in WRONG and one.picture
    }


def _sample(one: Picture, person: str) -> Sample:
    return Sample(person, one.evidence, str(one.path), str(one.path))


def _by_person(pictures: Sequence[Picture]) -> list[np.ndarray]:
    faces = defaultdict(list)
    for one in pictures:
        faces[one.person].append(one.evidence)
    return [embeddings_of(evidence) for evidence in faces.values() if len(evidence) >= 8]


def _pictures(asked: argparse.Namespace) -> tuple[list[Picture], list[Picture]]:
    """As they are, and as from a camera; without those that have not one usable face."""
    config = Config(models=ModelSettings(directory=asked.models))
    vision = build_vision(config, recogniser=NoGallery())
    models, settings = vision.face_models(config.faces), config.faces
    memory = Memory.load(asked.cache)
    look = memory.around(whole_picture(vision, settings), models, settings)
    dice = random.Random(1)
    plain, camera = [], []
    for folder in ("gallery", "strangers"):
        for person, path in pictures_of(asked.faces / folder):
            jpeg = path.read_bytes()
            face = _only(look(jpeg))
            wanted_px = dice.choice((None, *CAMERA_PX))
            if face is None:
                continue
            plain.append(Picture(person, path, _evidence(face), folder == "gallery"))
            if wanted_px is None or _side(face) <= wanted_px:
                camera.append(plain[-1])
                continue
            shrunk = _shrunk(whole_picture(vision, settings), wanted_px / _side(face))
            change = f"shrunk to {wanted_px} px"
            small = _only(memory.around(shrunk, models, settings, change)(jpeg))
            if small is not None:
                camera.append(Picture(person, path, _evidence(small), folder == "gallery"))
        memory.save()
    return plain, camera


def _only(faces: Sequence[Face]) -> Face | None:
    usable = [face for face in faces if face.embedding is not None]
    return max(usable, key=lambda face: face.box.area, default=None)


def _evidence(face: Face) -> FaceEvidence:
    assert face.embedding is not None
    return FaceEvidence(face.embedding, _side(face), face.sharpness, face.mirrored)


def _side(face: Face) -> int:
    return min(face.box.width, face.box.height)


def _shrunk(look: Look, factor: float) -> Look:
    def shrunk(jpeg: bytes) -> tuple[Face, ...]:
        picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
        size = [max(1, round(length * factor)) for length in picture.size]
        out = io.BytesIO()
        picture.resize(size, Image.Resampling.BOX).save(out, "JPEG", quality=85)
        return look(out.getvalue())

    return shrunk


def _scale(faces: int) -> None:
    """Half of the events are of 100 people who come again and again, the others of passers-by."""
    dice = np.random.default_rng(1)
    events = faces // 4
    people = dice.normal(0, 0.047, (events // 3 + 100, 128)).astype(np.float32)
    passers_by = dice.integers(100, len(people), events)
    who = np.where(dice.random(events) < 0.5, dice.integers(0, 100, events), passers_by)
    event = np.repeat(np.arange(events, dtype=np.int32), 4)
    of_event = dice.normal(0, 0.022, (events, 128)).astype(np.float32)
    embeddings = people[who[event]] + of_event[event]
    embeddings += dice.normal(0, 0.015, embeddings.shape).astype(np.float32)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began_s = perf_counter()
    labels = alike(embeddings, event, 0.56)
    took_s = perf_counter() - began_s
    grown_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    print(f"{len(embeddings)} faces: {took_s:.1f} s, {grown_mb:.0f} MB more; ", end="")
    print(f"{len(np.unique(labels))} groups of {len(np.unique(who))} people, ", end="")
    print(f"V {v_measure_score(who[event], labels):.4f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--faces", type=Path, help="with gallery/ and strangers/")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("faces-cache.npz"))
    parser.add_argument("--scale", type=int, metavar="FACES", help="made of numbers, instead")
    asked = parser.parse_args()
    if not asked.scale and not (asked.faces and asked.models):
        parser.error("give --faces and --models, or --scale")
    return asked


if __name__ == "__main__":
    main()
