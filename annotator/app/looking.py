"""`detect` and `explain`: one picture after the other in this process; no database, no daemon."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.config import Config, StoreSettings
from annotator.domain import Annotation, Capture, Detection, Failure, Window
from annotator.errors import CaptureUnreadable, ConfigError, DeviceLost, StoreError

if TYPE_CHECKING:
    from annotator.explain import Explanation
    from annotator.inference.vision import ModelVision
    from annotator.nvr.tree import EventTree

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looked:
    """One picture of `detect`: where it is and what came of it."""

    path: Path
    result: Annotation | Failure


def detect(config: Config, paths: Sequence[Path]) -> Iterator[Looked]:
    """Look at pictures, and at every picture below a folder. Raises AnnotatorError."""
    from annotator.pipeline import annotate

    trees = [(_tree_around(config, path.resolve()), path) for path in paths]
    vision = vision_for(config)
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


@dataclass(frozen=True, slots=True)
class Explained:
    """One picture of `explain`: where it is, and why it gave what it gave; or why it could not."""

    path: Path
    jpeg: bytes
    result: Explanation | Failure


def explain(
    config: Config, paths: Sequence[Path], monitor: str | None, from_score: float
) -> Iterator[Explained]:
    """Look at pictures as `monitor` would, by default the one in whose events they lie.

    Raises AnnotatorError.
    """
    from annotator.explain import explain as explain_picture

    if monitor is not None and monitor not in config.monitors:
        near = difflib.get_close_matches(monitor, config.monitors, n=1)
        known = ", ".join(sorted(config.monitors)) or "none"
        raise ConfigError(
            f"no settings differ for a monitor {monitor!r}",
            f"did you mean {near[0]}?" if near else f"monitors with settings of their own: {known}",
        )
    trees = [(_tree_around(config, path.resolve()), path) for path in paths]
    vision = vision_for(config)
    for tree, path in trees:
        for found in _captures_at(tree, path):
            if isinstance(found, Failure):
                yield Explained(tree.root / found.path, b"", found)
                continue
            where = tree.absolute(found) if path.is_dir() else path
            settings = config.for_monitor(found.monitor if monitor is None else monitor)
            try:
                jpeg = tree.read(found).jpeg
                yield Explained(where, jpeg, explain_picture(jpeg, vision, settings, from_score))
            except CaptureUnreadable as error:
                yield Explained(where, b"", Failure(str(where), error.reason, str(error), found))


def vision_for(config: Config) -> ModelVision:
    """What this process looks with: the first station, or the CPU where an Edge TPU is not a must.

    Raises AnnotatorError.
    """
    from annotator.app.stations import stations_for
    from annotator.inference.vision import build_vision

    station = stations_for(config)[0]
    vision = build_vision(config, station)
    if station.delegate == "edgetpu" and config.inference.delegate == "auto":
        try:
            vision.provenance(config.detection)
        except DeviceLost as error:
            log.warning("%s; looking with the CPU", error)
            return build_vision(config)
    return vision


def draw_explanation(config: Config, one: Explained, output: Path) -> Path:
    """For `explain --save`: the picture with every candidate, and the zones."""
    from annotator.view.draw import save_drawing
    from annotator.view.explained import draw_explanation

    assert not isinstance(one.result, Failure)
    limit = config.inference.max_megapixels
    drawn = draw_explanation(one.jpeg, one.result, max_megapixels=limit)
    return save_drawing(drawn, one.path.name, output)


def _tree_around(config: Config, path: Path) -> EventTree:
    """The configured store where `path` lies in it, else a plain folder of pictures."""
    from annotator.nvr.mount import resolved
    from annotator.nvr.tree import open_tree

    root = config.store.root
    # A store that hangs must not keep pictures elsewhere from being looked at.
    if root is not None and path.is_relative_to(resolved(root.absolute())):
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
