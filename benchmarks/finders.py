"""How many faces each finder finds, what else it takes for faces, and what it costs.

    python -m benchmarks.finders PICTURES --models DIR

PICTURES has `faces/gallery` and `faces/strangers` (portraits, searched as a whole), `faces/scenes`
(several people, their faces in `labels.json`), `faces/noface` (portraits in which dlib's HOG finds
no face), and under `frames` folders of camera pictures; all but the portraits are searched in the
boxes of the people that are detected. "usable" are the faces that pass the gates. Then `auto`
looks for faces everywhere in mosaics of 1920 x 1080, by tiles.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import thread_time

import numpy as np
from PIL import Image

from annotator.config import Config, DetectionSettings, FaceSettings, ModelSettings
from annotator.domain import BoundingBox, Face, Gate
from annotator.inference.tiles import Grid, tiles_of
from annotator.inference.vision import ModelVision, build_vision

FINDERS = ("blazeface_full_range", "blazeface_short_range", "auto", "hog")
GRIDS = (Grid(1, 1), Grid(2, 1), Grid(3, 2), Grid(4, 2), Grid(5, 3))
MOSAICS = ((1, 1), (2, 2), (3, 2), (4, 3))
SIZES_PX = ((40, 60), (60, 80), (80, 10_000))
SAME_FACE_IOU = 0.4
DETECTION = DetectionSettings()


@dataclass
class Tally:
    """Pictures of a folder, and what a finder makes of them; `labelled` faces are known."""

    pictures: int = 0
    with_a_face: int = 0
    faces: int = 0
    usable: int = 0
    labelled: int = 0
    found: int = 0
    regions: int = 0
    took_s: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A picture and the faces that are known to be in it."""

    path: Path
    faces: tuple[BoundingBox, ...]


def main() -> None:
    arguments = _arguments()
    vision = build_vision(Config(models=ModelSettings(directory=arguments.models)))
    scenes = labelled(arguments.pictures / "faces" / "scenes")
    print(
        f"{'pictures':28} {'finder':22} {'with a face':>12} {'labelled':>10} {'faces':>6}"
        f" {'usable':>6} {'ms':>6}"
    )
    for name, paths, whole in folders(arguments.pictures):
        for model in FINDERS:
            tally = Tally()
            for path in paths:
                look(vision, path, model, whole, scenes, tally)
            print(line(name, model, tally), flush=True)
    print(f"\n{'tiles':10} " + " ".join(f"{f'{low} px':>10}" for low, _ in SIZES_PX))
    for grid in GRIDS:
        found = in_mosaics(vision, list(scenes.values()), grid)
        told = " ".join(f"{f'{hits} of {of}':>10}" for hits, of in found)
        print(f"{grid.columns} x {grid.rows:<6} {told}", flush=True)


def line(name: str, model: str, tally: Tally) -> str:
    with_a_face = f"{tally.with_a_face} of {tally.pictures}"
    known = f"{tally.found} of {tally.labelled}" if tally.labelled else ""
    return (
        f"{name:28} {model:22} {with_a_face:>12} {known:>10} {tally.faces:6} {tally.usable:6}"
        f" {1000 * tally.took_s / max(tally.regions, 1):6.1f}"
    )


def folders(pictures: Path) -> Iterator[tuple[str, list[Path], bool]]:
    """Name, pictures, and whether these are searched as a whole."""
    faces = pictures / "faces"
    portraits = [*(faces / "gallery").rglob("*.jpg"), *(faces / "strangers").rglob("*.jpg")]
    yield "portraits", sorted(portraits), True
    for folder in (faces / "scenes", faces / "noface", *sorted((pictures / "frames").iterdir())):
        yield folder.name, sorted(folder.rglob("*.jpg")), False


def look(
    vision: ModelVision,
    path: Path,
    model: str,
    whole: bool,
    scenes: dict[Path, Scene],
    tally: Tally,
) -> None:
    jpeg = path.read_bytes()
    picture = vision.decode(jpeg, None)
    if whole:
        persons = [BoundingBox(0, 0, picture.width, picture.height)]
    else:
        seen = vision.objects(vision.decode(jpeg, DETECTION), DETECTION)
        persons = [
            one.box for one in seen if one.label == "person" and one.score >= DETECTION.min_score
        ]
    # Once to find only, for the time; then with all the gates, of which the last one is shut.
    began_s = thread_time()
    vision.faces(picture, persons, FaceSettings(model=model, min_face_px=10_000))
    tally.took_s += thread_time() - began_s
    faces = judged(vision, picture, persons, model)
    tally.pictures += 1
    tally.regions += len(persons)
    tally.with_a_face += bool(faces)
    tally.faces += len(faces)
    tally.usable += sum(
        face.gate is not Gate.TOO_SMALL
        and face.gate is not Gate.BLURRED
        and (face.turn or 0.0) <= FaceSettings().max_turn
        for face in faces
    )
    for known in scenes[path].faces if path in scenes else ():
        tally.labelled += 1
        tally.found += any(known.iou(face.box) >= SAME_FACE_IOU for face in faces)


def judged(
    vision: ModelVision, picture: object, persons: Sequence[BoundingBox], model: str
) -> list[Face]:
    """Without embedding: nobody is quite as much from the front as is asked for."""
    settings = FaceSettings(model=model, max_turn=1e-12)
    return [face for own in vision.faces(picture, persons, settings) for face in own]


def in_mosaics(vision: ModelVision, scenes: Sequence[Scene], grid: Grid) -> list[tuple[int, int]]:
    """Faces found, and how many there are, for each of `SIZES_PX`."""
    random = np.random.default_rng(1)
    counts = [[0, 0] for _ in SIZES_PX]
    for number in range(30):
        columns, rows = MOSAICS[number % len(MOSAICS)]
        picks = random.choice(len(scenes), columns * rows, replace=False)
        jpeg, known = mosaic([scenes[pick] for pick in picks], columns, rows)
        picture = vision.decode(jpeg, None)
        regions = [BoundingBox(0, 0, picture.width, picture.height)]
        if grid.count > 1:
            regions += tiles_of(grid, 0.2, picture.width, picture.height)
        found = judged(vision, picture, regions, "auto")
        for box in known:
            for count, (low, high) in zip(counts, SIZES_PX, strict=True):
                if low <= box.width < high:
                    count[0] += any(box.iou(face.box) >= SAME_FACE_IOU for face in found)
                    count[1] += 1
    return [(hits, of) for hits, of in counts]


def mosaic(
    scenes: Sequence[Scene], columns: int, rows: int, size: tuple[int, int] = (1920, 1080)
) -> tuple[bytes, list[BoundingBox]]:
    canvas, known = Image.new("RGB", size, (90, 100, 90)), []
    width, height = size[0] // columns, size[1] // rows
    for at, scene in enumerate(scenes):
        with Image.open(scene.path) as picture:
            scale = min(width / picture.width, height / picture.height)
            small = picture.convert("RGB").resize(
                (int(picture.width * scale), int(picture.height * scale)), Image.Resampling.LANCZOS
            )
        left, top = at % columns * width, at // columns * height
        canvas.paste(small, (left, top))
        known += [
            BoundingBox(
                left + int(box.xmin * scale),
                top + int(box.ymin * scale),
                left + int(box.xmax * scale),
                top + int(box.ymax * scale),
            )
            for box in scene.faces
        ]
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=85)
    return file.getvalue(), known


def labelled(folder: Path) -> dict[Path, Scene]:
    labels = json.loads((folder / "labels.json").read_text())
    scenes = (
        Scene(
            folder / image["file"],
            tuple(BoundingBox(*(max(0, side) for side in face["box"])) for face in image["faces"]),
        )
        for image in labels["images"]
    )
    return {scene.path: scene for scene in scenes}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("pictures", type=Path, help="a folder with faces and frames")
    parser.add_argument("--models", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
