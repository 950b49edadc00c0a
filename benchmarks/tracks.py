"""What following faces through an event saves in embeddings, and whether a name is lost by it.

    python -m benchmarks.tracks ../shared/data/frames --models DIR --gallery FOLDER

Every folder of pictures is an event, its pictures in order so many a second. First every usable
face is embedded; then faces are followed, with the captures in order, coarse to fine as under
overload, and in order with every other capture looked at by another process. More events are made
of two with different people: they are beside each other, or the other one is in the first one's
place two seconds later. Who is who is told by the nearest mean of a folder per person (`--people`
of them) within a distance of 0.5.

"names" are the events' people; "lost" of them with tracks are missing that were there without.
"another" counts faces that were not embedded and were given another name than their own embedding
would have been given, "nobody's" those that were given one where it would have been given none.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from annotator.config import Config, DetectionSettings, FaceSettings, ModelSettings
from annotator.domain import (
    BoundingBox,
    Face,
    FaceEvidence,
    FaceMoment,
    Gate,
    Identification,
    Identity,
)
from annotator.inference.vision import ModelVision, build_vision
from db.values import fineness

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
MAX_DISTANCE = 0.5
PAUSE_S = 2
DETECTION, FACES = DetectionSettings(), FaceSettings()


class NearestMean:
    """Knows people by the mean of their pictures' embeddings."""

    provenance = "nearest_mean@benchmark"

    def __init__(self, means: dict[str, np.ndarray]):
        self._names = tuple(means)
        self._means = np.stack(list(means.values()))

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        return tuple(self._one(np.frombuffer(face.embedding, "<f4")) for face in faces)

    def refresh(self) -> None:
        pass

    def _one(self, embedding: np.ndarray) -> Identification:
        distances = np.linalg.norm(self._means - embedding, axis=1)
        nearest = int(distances.argmin())
        distance = float(distances[nearest])
        if distance > MAX_DISTANCE:
            return Identification(Identity.UNKNOWN, distance=distance)
        return Identification(Identity.KNOWN, self._names[nearest], distance=distance)


@dataclass(frozen=True)
class Looked:
    """A capture and the people in it."""

    frame: int
    jpeg: bytes
    persons: tuple[BoundingBox, ...]


@dataclass
class Tally:
    faces: int = 0
    embedded: int = 0
    tracks: set[int | None] = field(default_factory=set)
    names: Counter[str] = field(default_factory=Counter)
    another: int = 0
    nobodys: int = 0


Answers = dict[tuple[int, BoundingBox], Face]
"""The usable faces of an event by capture and box."""


def main() -> None:
    arguments = _arguments()
    config = Config(models=ModelSettings(directory=arguments.models))
    recogniser = NearestMean(means(build_vision(config), arguments.gallery, arguments.people))

    def new_vision() -> ModelVision:
        return build_vision(config, recogniser=recogniser)

    print(
        f"{'event':34} {'order':14} {'captures':>8} {'faces':>6} {'embedded':>8} {'saved':>6}"
        f" {'tracks':>6} {'lost':>5} {'another':>7} {'nobodys':>8}  names"
    )
    totals: dict[str, Tally] = {}
    people: dict[Path, set[str]] = {}

    def compare(name: str, jpegs: dict[int, bytes]) -> set[str]:
        captures = looked_at(jpegs, new_vision())
        every = answers([new_vision()], captures, per_second=0)
        known = {face.identification.name for face in every.values()} - {None}
        for order, sequence, processes in orders(captures):
            visions = [new_vision() for _ in range(processes)]
            tally = counted(every, answers(visions, sequence, arguments.per_second))
            lost = known - set(tally.names)
            print(line(name, order, len(captures), tally, len(lost)), flush=True)
            total = totals.setdefault(order, Tally())
            total.faces += tally.faces
            total.embedded += tally.embedded
            total.names["lost"] += len(lost)
            total.another += tally.another
            total.nobodys += tally.nobodys
        return known

    for folder in sorted({path.parent for path in arguments.pictures.rglob("*.jpg")}):
        people[folder] = compare(str(folder.relative_to(arguments.pictures)), alone(folder))
    for one, other in pairs(people):
        label = f"{one.name}, {other.name}"
        compare(f"beside each other: {label}", side_by_side(one, other))
        pause = round(PAUSE_S * arguments.per_second)
        compare(f"in one's place: {label}", one_after_another(one, other, pause))
    print()
    for order, total in totals.items():
        print(
            f"{'all':34} {order:14} {'':8} {total.faces:6} {total.embedded:8}"
            f" {1 - total.embedded / total.faces:6.1%} {'':6} {total.names['lost']:5}"
            f" {total.another:7} {total.nobodys:8}"
        )


def orders(captures: list[Looked]) -> Iterator[tuple[str, list[Looked], int]]:
    yield "in order", captures, 1
    yield "coarse to fine", sorted(captures, key=lambda one: (fineness(one.frame, 0), one.frame)), 1
    yield "two processes", captures, 2


def line(event: str, order: str, captures: int, tally: Tally, lost: int) -> str:
    saved = f"{1 - tally.embedded / tally.faces:6.1%}" if tally.faces else f"{'':6}"
    names = ", ".join(f"{name} {count}" for name, count in tally.names.most_common())
    return (
        f"{event:34} {order:14} {captures:8} {tally.faces:6} {tally.embedded:8} {saved}"
        f" {len(tally.tracks):6} {lost:5} {tally.another:7} {tally.nobodys:8}  {names}"
    )


def answers(
    visions: Sequence[ModelVision], captures: Sequence[Looked], per_second: float
) -> Answers:
    """Faces are followed where there is a rate."""
    found: Answers = {}
    for turn, capture in enumerate(captures):
        vision = visions[turn % len(visions)]
        moment = None
        if per_second:
            captured_at = START + timedelta(seconds=capture.frame / per_second)
            moment = FaceMoment("event", capture.frame, captured_at)
        picture = vision.decode(capture.jpeg, None)
        for own in vision.faces(picture, capture.persons, FACES, moment):
            for face in own:
                if face.identification is not None:
                    found[capture.frame, face.box] = face
    return found


def counted(every: Answers, followed: Answers) -> Tally:
    tally = Tally()
    for key, face in followed.items():
        assert face.identification is not None
        told, own = face.identification.name, every[key].identification.name
        tally.faces += 1
        tally.embedded += face.gate is Gate.USABLE
        tally.tracks.add(face.track)
        if told is not None:
            tally.names[told] += 1
            tally.another += own not in (None, told)
            tally.nobodys += own is None
    return tally


def pairs(people: dict[Path, set[str]]) -> Iterator[tuple[Path, Path]]:
    """Each event with the next one of other people."""
    events = [folder for folder, names in people.items() if names]
    for at, one in enumerate(events):
        for other in (*events[at + 1 :], *events[:at]):
            if people[one].isdisjoint(people[other]):
                yield one, other
                break


def alone(folder: Path) -> dict[int, bytes]:
    return dict(enumerate(path.read_bytes() for path in sorted(folder.glob("*.jpg"))))


def side_by_side(one: Path, other: Path) -> dict[int, bytes]:
    both = zip(sorted(one.glob("*.jpg")), sorted(other.glob("*.jpg")), strict=False)
    return dict(enumerate(joined([left, right]) for left, right in both))


def one_after_another(one: Path, other: Path, pause: int) -> dict[int, bytes]:
    first, second = alone(one), alone(other)
    return first | {len(first) + pause + frame: jpeg for frame, jpeg in second.items()}


def joined(paths: Sequence[Path]) -> bytes:
    pictures = [Image.open(path).convert("RGB") for path in paths]
    size = sum(picture.width for picture in pictures), max(picture.height for picture in pictures)
    wide, left = Image.new("RGB", size), 0
    for picture in pictures:
        wide.paste(picture, (left, 0))
        left += picture.width
    file = io.BytesIO()
    wide.save(file, "JPEG", quality=90)
    return file.getvalue()


def looked_at(jpegs: dict[int, bytes], vision: ModelVision) -> list[Looked]:
    return [Looked(frame, jpeg, persons(jpeg, vision)) for frame, jpeg in jpegs.items()]


def persons(jpeg: bytes, vision: ModelVision) -> tuple[BoundingBox, ...]:
    found = vision.objects(vision.decode(jpeg, DETECTION), DETECTION)
    return tuple(
        one.box
        for one in found
        if one.label in FACES.person_labels and one.score >= DETECTION.min_score
    )


def means(vision: ModelVision, gallery: Path, people: str) -> dict[str, np.ndarray]:
    return {
        folder.name: np.mean(embeddings(vision, folder), axis=0)
        for folder in sorted(gallery.glob(people))
    }


def embeddings(vision: ModelVision, folder: Path) -> list[np.ndarray]:
    found = []
    for path in sorted(folder.glob("*.jpg")):
        picture = vision.decode(path.read_bytes(), None)
        (faces,) = vision.faces(picture, [picture.whole], FACES)
        found += [np.frombuffer(face.embedding, "<f4") for face in faces[:1] if face.embedding]
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("pictures", type=Path, help="a folder of folders of camera pictures")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--gallery", type=Path, required=True, help="a folder per person")
    parser.add_argument("--people", default="*", help="which of them, as in office_*")
    parser.add_argument("--per-second", type=float, default=3.0, help="pictures of a camera")
    return parser.parse_args()


if __name__ == "__main__":
    main()
