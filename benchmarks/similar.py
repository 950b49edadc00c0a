"""What `[similar]` saves and what it misses, by how much may have changed.

    python benchmarks/similar.py ../shared/data/frames --models ../shared/models

Every folder of pictures is an event, its pictures in order so many a second. The network looks at
all of them once; then the rule decides, for each limit, which would have inherited what was seen
before. "missed" are captures with a person of their own that inherit none, "left over" captures
without one that inherit one; "boxes" counts people at other places (IoU < 0.5) than inherited.
What the network itself sees in one frame and not in the next of the same scene counts as well.

The people of the frames are near. So the share of distant ones that is noticed follows: an ellipse
of so many pixels, 40 grey levels darker or brighter than what is behind it, comes into view
somewhere in a frame of each event, enlarged to 1920 x 1080, with noise, saved at JPEG quality 75.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from annotator.config import (
    Config,
    DetectionSettings,
    FaceSettings,
    ModelSettings,
    SimilarSettings,
)
from annotator.domain import Annotation, BoundingBox, Capture, CaptureContent, Event
from annotator.inference.image import Picture, decode
from annotator.inference.vision import build_vision
from annotator.pipeline import see
from annotator.ports import Glance
from annotator.similar import Similar

START = datetime(2024, 5, 1, 6, tzinfo=UTC)
DISTANT_PX = ((20, 50), (30, 75), (40, 100))
PLACES = 12
LIMITS = (0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02)


@dataclass(frozen=True)
class Looked:
    """A capture that the network has looked at, and what it looks like from afar."""

    annotation: Annotation
    glance: Glance


@dataclass
class Tally:
    captures: int = 0
    saved: int = 0
    with_people: int = 0
    missed: int = 0
    left_over: int = 0
    people: int = 0
    people_missed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.saved / self.captures:7.1%} {self.missed:6} of {self.with_people:<5}"
            f" {self.left_over:9} {self.people_missed:6} of {self.people}"
        )


def main() -> None:
    arguments = _arguments()
    events = {
        str(folder.relative_to(arguments.pictures)): list(looked_at(folder, arguments))
        for folder in sorted({path.parent for path in arguments.pictures.rglob("*.jpg")})
    }
    default = SimilarSettings()
    columns = f"{'saved':>7} {'missed':>15} {'left over':>9} {'boxes':>9}"
    limits = sorted({*LIMITS, default.max_changed})
    print(f"{'max_changed':28} {columns}")
    for limit in limits:
        tally = Tally()
        for event in events.values():
            count(event, default.model_copy(update={"max_changed": limit}), tally)
        print(f"{label(limit):28} {tally}")
    print(f"\n{'each with the default':28} {columns}")
    for name, event in events.items():
        tally = Tally()
        count(event, default, tally)
        print(f"{name:28} {tally}")
    sizes = " ".join(f"{f'{width} x {height}':>9}" for width, height in DISTANT_PX)
    print(f"\n{'noticed of distant people':28} {sizes}")
    changes = [distant(arguments.pictures, size) for size in DISTANT_PX]
    for limit in limits:
        shares = " ".join(f"{np.mean(np.array(some) > limit):9.1%}" for some in changes)
        print(f"{label(limit):28} {shares}")


def label(limit: float) -> str:
    return f"{limit:g}" + (" (default)" if limit == SimilarSettings().max_changed else "")


def looked_at(folder: Path, arguments: argparse.Namespace) -> Iterator[Looked]:
    config = Config(
        models=ModelSettings(directory=arguments.models),
        detection=DetectionSettings(model=arguments.model),
        faces=FaceSettings(enabled=False),
    )
    settings = config.for_monitor(folder.name)
    vision = build_vision(config)
    event = Event(monitor=folder.name, monitor_directory=folder.name, path="")
    for at, path in enumerate(sorted(folder.glob("*.jpg"))):
        content = CaptureContent(
            path.read_bytes(), START + timedelta(seconds=at / arguments.per_second)
        )
        picture = vision.decode(content.jpeg, settings.detection)
        capture = Capture(event, path.name, at)
        yield Looked(see(capture, content, picture, vision, settings), vision.glance(picture))


def count(event: Sequence[Looked], settings: SimilarSettings, tally: Tally) -> None:
    similar = Similar()
    for one in event:
        own = one.annotation
        inherited = similar.inherited(own.capture, own.captured_at, one.glance, settings)
        people = persons(own)
        tally.captures += 1
        tally.with_people += bool(people)
        tally.people += len(people)
        if inherited is None:
            similar.keep(own, one.glance)
            continue
        shown = persons(inherited)
        tally.saved += 1
        tally.missed += bool(people) and not shown
        tally.left_over += bool(shown) and not people
        tally.people_missed += sum(all(box.iou(old) < 0.5 for old in shown) for box in people)


def distant(pictures: Path, size: tuple[int, int]) -> list[float]:
    """How much changes when someone of that size comes into view, at many places."""
    random = np.random.default_rng(1)
    vision = build_vision(Config())
    changes = []
    for folder in sorted({path.parent for path in pictures.rglob("*.jpg")}):
        with Image.open(min(folder.glob("*.jpg"))) as first:
            empty = first.convert("RGB").resize((1920, 1080), Image.Resampling.BICUBIC)
        before = vision.glance(photographed(empty, random))
        for _ in range(PLACES):
            left, top = random.integers(0, 1920 - size[0]), random.integers(0, 1080 - size[1])
            box = int(left), int(top), int(left) + size[0] - 1, int(top) + size[1] - 1
            behind = int(np.asarray(empty.crop(box).convert("L")).mean())
            someone = empty.copy()
            grey = behind - 40 if behind > 128 else behind + 40
            ImageDraw.Draw(someone).ellipse(box, fill=(grey, grey, grey))
            changes.append(vision.glance(photographed(someone, random)).changed(before))
    return changes


def photographed(scene: Image.Image, random: np.random.Generator) -> Picture:
    noisy = np.asarray(scene) + random.normal(0, 4, (scene.height, scene.width, 1))
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=75)
    return decode(file.getvalue(), max_megapixels=50, need=lambda *_: (300, 300))


def persons(annotation: Annotation) -> list[BoundingBox]:
    return [one.box for one in annotation.detections if one.label == "person"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("pictures", type=Path, help="a folder of folders of camera pictures")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", default="coco_ssd_mobilenet_v1")
    parser.add_argument("--per-second", type=float, default=2.0, help="pictures of a camera")
    return parser.parse_args()


if __name__ == "__main__":
    main()
