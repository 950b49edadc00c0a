"""`detect`: one picture after the other in this process; no database, no daemon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.config import Config, StoreSettings
from annotator.domain import Annotation, Capture, Detection, Failure, Window
from annotator.errors import CaptureUnreadable, StoreError

if TYPE_CHECKING:
    from annotator.nvr.tree import EventTree


@dataclass(frozen=True, slots=True)
class Looked:
    """One picture of `detect`: where it is and what came of it."""

    path: Path
    result: Annotation | Failure


def detect(config: Config, paths: Sequence[Path]) -> Iterator[Looked]:
    """Look at pictures, and at every picture below a folder. Raises AnnotatorError."""
    from annotator.inference.vision import build_vision
    from annotator.pipeline import annotate

    trees = [(_tree_around(config, path.resolve()), path) for path in paths]
    vision = build_vision(config)
    for tree, path in trees:
        for found in _captures_at(tree, path):
            if isinstance(found, Failure):
                yield Looked(tree.root / found.path, found)
                continue
            where = tree.absolute(found) if path.is_dir() else path
            try:
                content = tree.read(found)
                result = annotate(found, content, vision, config.for_monitor(found.monitor))
            except CaptureUnreadable as error:
                yield Looked(where, Failure(str(where), error.reason, str(error), found))
            else:
                yield Looked(where, result)


def _tree_around(config: Config, path: Path) -> EventTree:
    """The configured store where `path` lies in it, else a plain folder of pictures."""
    from annotator.nvr.tree import open_tree

    root = config.store.root
    if root is not None and path.is_relative_to(root.resolve()):
        return open_tree(config.store)
    return open_tree(
        StoreSettings(
            root=path if path.is_dir() else path.parent,
            layout="auto" if path.is_dir() else "plain",
            max_capture_mb=config.store.max_capture_mb,
        )
    )


def _captures_at(tree: EventTree, path: Path) -> Iterator[Capture | Failure]:
    path = path.resolve()
    if path.is_dir():
        for found in tree.walk(Window(paths=(str(path),))):
            if isinstance(found, Failure):
                yield found
            else:
                yield from found[1]
        return
    capture = tree.capture(path)
    if capture is None:
        raise StoreError(
            f"{path} does not look like a picture", "name .jpg files, or a folder of them"
        )
    yield capture


def draw_detections(picture: Path, detections: tuple[Detection, ...], output: Path) -> Path:
    """For `detect --save`: the picture with its boxes."""
    from annotator.view.draw import draw, save_drawing

    return save_drawing(draw(picture.read_bytes(), detections), picture.name, output)
