"""What tiles find and what they cost: recall and false positives by tiling and by fit.

    python -m benchmarks.tiling LABELS --models DIR [--model NAME|PATH ...] [--frames FRAMES]

LABELS are labelled pictures, as `annotator evaluate` takes them. They are judged as they are and
set into mosaics of 1920 x 1080 and 3840 x 2160, so that people are as small as far from a camera.
FRAMES is a folder of fixed cameras: `pets09_s2l1`, where the boxes of another detector stand for
the truth, and `intel_one_by_one`, of which is known in which frames there is a person at all.
Each line is what `annotator evaluate FOLDER/labels.json --label person --tiles ...` says of the
folders that --keep leaves behind.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from annotator.app.judging import evaluate
from annotator.app.labelled import LabelledPicture, read_labelled
from annotator.config import Config, DetectionSettings, InferenceSettings, ModelSettings
from annotator.inference.vision import build_vision

TILINGS = ("off", "auto", "2x1", "2x2", "3x2")
MOSAICS = {
    "1080p, 2 x 2 pictures": (1920, 1080, 2),
    "1080p, 3 x 3 pictures": (1920, 1080, 3),
    "4K, 4 x 4 pictures": (3840, 2160, 4),
}
GREY = (96, 96, 96)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        sets = {"as they are": arguments.labels}
        for name, (width, height, side) in MOSAICS.items():
            made = folder / f"{width}x{height}-{side}"
            sets[name] = mosaics(arguments.labels, made, width, height, side)
        if arguments.frames:
            reference = arguments.frames / "pets09_s2l1" / "reference_detections.json"
            sets["PETS09, fixed camera"] = reference
        for model in arguments.model:
            _print_judged(arguments, sets, model)
            if arguments.frames:
                _print_presence(arguments, arguments.frames / "intel_one_by_one", model)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--models", type=Path, help="the folder of model files")
    parser.add_argument("--model", action="append", help="may be given several times")
    parser.add_argument("--frames", type=Path)
    parser.add_argument("--keep", type=Path, help="leave the mosaics here")
    parser.add_argument("--fit", nargs="+", default=["stretch", "letterbox"])
    parser.add_argument("--tiles", nargs="+", default=TILINGS)
    parser.add_argument("--label", default="person")
    parser.add_argument("--min-score", type=float, default=0.5)
    arguments = parser.parse_args()
    arguments.model = arguments.model or ["coco_ssd_mobilenet_v1"]
    return arguments


def mosaics(labels: Path, folder: Path, width: int, height: int, side: int) -> Path:
    """Pictures of width x height with side x side of the labelled ones each; their label file."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = read_labelled(labels).pictures
    each = side * side
    listed = []
    for first in range(0, len(pictures) - each + 1, each):
        mosaic = Image.new("RGB", (width, height), GREY)
        boxes: list[dict[str, object]] = []
        for place, picture in enumerate(pictures[first : first + each]):
            row, column = divmod(place, side)
            boxes += _pasted(mosaic, picture, column, row, side)
        name = f"{first:05d}.jpg"
        mosaic.save(folder / name, quality=90)
        listed.append({"file": name, "width": width, "height": height, "boxes": boxes})
    path = folder / "labels.json"
    path.write_text(json.dumps(listed))
    return path


def _pasted(
    mosaic: Image.Image, picture: LabelledPicture, column: int, row: int, side: int
) -> Iterator[dict[str, object]]:
    """Puts a picture into its cell, whole and in its shape; its boxes there."""
    cell_width, cell_height = mosaic.width // side, mosaic.height // side
    with Image.open(picture.path) as opened:
        scale = min(cell_width / opened.width, cell_height / opened.height)
        size = round(opened.width * scale), round(opened.height * scale)
        fitted = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left = column * cell_width + (cell_width - fitted.width) // 2
    top = row * cell_height + (cell_height - fitted.height) // 2
    mosaic.paste(fitted, (left, top))
    for one in picture.boxes:
        box = one.box
        corners = [left + box.xmin * scale, top + box.ymin * scale]
        corners += [left + box.xmax * scale, top + box.ymax * scale]
        yield {"class": one.label, "box": corners}


def _configs(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Config]]:
    for fit in arguments.fit:
        for tiles in arguments.tiles:
            yield (
                fit,
                tiles,
                Config(
                    models=ModelSettings(directory=arguments.models),
                    inference=InferenceSettings(delegate="cpu"),
                    detection=DetectionSettings(
                        tiles=tiles, fit=fit, min_score=arguments.min_score
                    ),
                ),
            )


def _print_judged(arguments: argparse.Namespace, sets: dict[str, Path], model: str) -> None:
    print(f"\n{Path(model).name}, {arguments.label}, score {arguments.min_score} or more\n")
    print("| pictures | fit | tiles | recall | precision | false per picture | AP50 | ms |")
    print("|---|---|---|---|---|---|---|---|")
    for name, labels in sets.items():
        for fit, tiles, config in _configs(arguments):
            (judged,) = evaluate(
                config, labels, models=[model], labels=[arguments.label], tell=lambda *_: None
            ).judgements
            score = judged.overall
            wrong = (score.found - score.right) / judged.pictures
            print(
                f"| {name} | {fit} | {tiles} | {score.recall or 0:.3f} | "
                f"{score.precision or 0:.3f} | {wrong:.2f} | "
                f"{score.ap50 or 0:.3f} | {judged.ms_per_picture:.1f} |",
                flush=True,
            )


def _print_presence(arguments: argparse.Namespace, folder: Path, model: str) -> None:
    """In how many frames with a person one is seen, and in how many without."""
    states: dict[str, list[Path]] = {"person": [], "empty": []}
    for frame in json.loads((folder / "presence.json").read_text())["frames"]:
        states.setdefault(frame["state"], []).append(folder / frame["file"])
    print(
        "\n| intel_one_by_one | fit | tiles | seen where there is one | seen where there is none |"
    )
    print("|---|---|---|---|---|")
    for fit, tiles, config in _configs(arguments):
        settings = config.detection.model_copy(update={"model": model})
        seen, alarms = (
            _frames_with(config, settings, states[state], arguments.label)
            for state in ("person", "empty")
        )
        print(
            f"| | {fit} | {tiles} | {seen} of {len(states['person'])} | "
            f"{alarms} of {len(states['empty'])} |",
            flush=True,
        )


def _frames_with(
    config: Config, settings: DetectionSettings, frames: Sequence[Path], label: str
) -> int:
    vision = build_vision(config)
    return sum(
        any(
            one.label == label
            for one in vision.objects(vision.decode(frame.read_bytes(), settings), settings)
        )
        for frame in frames
    )


if __name__ == "__main__":
    main()
