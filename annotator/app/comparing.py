"""`compare`: two detectors on the same captures of the history; nothing is written."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from annotator.app.opening import questions
from annotator.config import Config
from annotator.domain import Capture, Detection, Window
from annotator.errors import CaptureUnreadable, QueryError
from annotator.filters import passing
from annotator.scoring import match

if TYPE_CHECKING:
    from annotator.ports import CaptureStore, Vision

MAX_DIFFERENCES = 100
"""So many pictures on which two detectors differ are kept, those that differ most."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often both see an object of a label in the same place, or only one of them does."""

    label: str
    both: int
    only_a: int
    only_b: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A picture on which two detectors do not agree, and what each sees alone."""

    path: Path
    both: tuple[Detection, ...]
    only_a: tuple[Detection, ...]
    only_b: tuple[Detection, ...]

    @property
    def size(self) -> float:
        """The scores of what only one of them sees, added up."""
        return sum(one.score for one in (*self.only_a, *self.only_b))


@dataclass(frozen=True, slots=True)
class Contender:
    """A detector, named with its checksum; median milliseconds to decode and detect."""

    model: str
    ms_per_picture: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two detectors on `pictures`; labels with most objects and differences that weigh most first.
    `differing` counts all pictures on which they differ."""

    a: Contender
    b: Contender
    pictures: int
    differing: int
    agreements: tuple[Agreement, ...]
    differences: tuple[Difference, ...]
    left_out: tuple[tuple[Path, str], ...]


Progress = Callable[[int, int], None]
"""Called with how many pictures were looked at, and how many there are."""


def compare(
    config: Config, models: tuple[str, str], window: Window, sample: int, tell: Progress
) -> Comparison:
    """Look at `sample` annotated captures of the window with both models, each monitor's limits
    applied. Raises QueryError where there are none, StoreError, ModelError."""
    from annotator.app.looking import vision_for
    from annotator.nvr.tree import open_tree

    with questions(config) as queries:
        captures = queries.sample(window, sample)
    if not captures:
        raise QueryError(
            "no capture that fits has been annotated", "ask for more, or run `annotator backfill`"
        )
    tree = open_tree(config.store)
    tree.check()
    duel = _Duel(config, vision_for(config), models)
    for done, capture in enumerate(captures):
        tell(done, len(captures))
        duel.look(capture, tree, tree.absolute(capture))
    tell(len(captures), len(captures))
    return duel.result()


def draw_difference(config: Config, one: Difference, output: Path) -> Path:
    """The picture with what both see and what each sees alone."""
    from annotator.nvr.tree import open_tree
    from annotator.view.compared import draw_comparison
    from annotator.view.draw import save_drawing

    tree = open_tree(config.store)
    capture = tree.capture(one.path)
    assert capture is not None, "it came from there"
    drawn = draw_comparison(
        tree.read(capture).jpeg,
        both=one.both,
        only=(one.only_a, one.only_b),
        max_megapixels=config.inference.max_megapixels,
    )
    return save_drawing(drawn, capture.path, output)


class _Duel:
    def __init__(self, config: Config, vision: Vision, models: tuple[str, str]):
        self._config = config
        self._vision = vision
        self._models = models
        self._took_ms: tuple[list[float], list[float]] = ([], [])
        self._counts: tuple[Counter[str], Counter[str], Counter[str]] = (
            Counter(),
            Counter(),
            Counter(),
        )
        self._worst: list[tuple[float, int, Difference]] = []
        self._differing = 0
        self._left_out: list[tuple[Path, str]] = []
        self._names = tuple(
            vision.provenance(config.detection.with_model(model)).detector for model in models
        )

    def look(self, capture: Capture, store: CaptureStore, path: Path) -> None:
        try:
            jpeg = store.read(capture).jpeg
            a, b = (self._seen(jpeg, capture, which) for which in (0, 1))
        except CaptureUnreadable as error:
            self._left_out.append((path, str(error)))
            return
        one = told_apart(path, a, b)
        for count, found in zip(self._counts, (one.both, one.only_a, one.only_b), strict=True):
            count.update(detection.label for detection in found)
        if one.only_a or one.only_b:
            self._differing += 1
            heapq.heappush(self._worst, (one.size, -self._differing, one))
            if len(self._worst) > MAX_DIFFERENCES:
                heapq.heappop(self._worst)

    def _seen(self, jpeg: bytes, capture: Capture, which: int) -> tuple[Detection, ...]:
        settings = self._config.for_monitor(capture.monitor).detection
        settings = settings.with_model(self._models[which])
        began_s = perf_counter()
        picture = self._vision.decode(jpeg, settings)
        found = self._vision.objects(picture, settings)
        self._took_ms[which].append(1000 * (perf_counter() - began_s))
        return passing(found, picture.width, picture.height, settings)

    def result(self) -> Comparison:
        both, only_a, only_b = self._counts
        labels = sorted(both | only_a | only_b, key=lambda label: (-self._seen_of(label), label))
        a, b = (
            Contender(name, median(took_ms) if took_ms else 0.0)
            for name, took_ms in zip(self._names, self._took_ms, strict=True)
        )
        return Comparison(
            a,
            b,
            pictures=len(self._took_ms[1]),
            differing=self._differing,
            agreements=tuple(
                Agreement(label, both[label], only_a[label], only_b[label]) for label in labels
            ),
            differences=tuple(one for _, _, one in sorted(self._worst, reverse=True)),
            left_out=tuple(self._left_out),
        )

    def _seen_of(self, label: str) -> int:
        return sum(count[label] for count in self._counts)


def told_apart(path: Path, a: Sequence[Detection], b: Sequence[Detection]) -> Difference:
    """Pair what two detectors saw, label by label; `both` has the first one's detections."""
    both: list[Detection] = []
    only_a: list[Detection] = []
    only_b: list[Detection] = []
    for label in dict.fromkeys(one.label for one in (*a, *b)):
        ours = [one for one in a if one.label == label]
        theirs = [one for one in b if one.label == label]
        partners = match([one.box for one in ours], [one.box for one in theirs])
        for one, partner in zip(ours, partners, strict=True):
            (only_a if partner is None else both).append(one)
        only_b += [one for at, one in enumerate(theirs) if at not in partners]
    return Difference(path, tuple(both), tuple(only_a), tuple(only_b))
