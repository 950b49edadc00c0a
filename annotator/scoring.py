"""How well detections meet boxes that people drew; pure, standard library only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from annotator.domain import BoundingBox, Detection

MIN_IOU = 0.5
"""What counts as the same place; the 50 of AP50."""


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """One object as a person marked it; a `crowd` is a region with too many to mark each."""

    label: str
    box: BoundingBox
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one label, or of all: of `boxes` that are there and `found` with a sufficient
    score, `right` are the same. A ratio is None where there is nothing to divide by."""

    label: str
    boxes: int
    found: int
    right: int
    ap50: float | None

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.right / self.boxes if self.boxes else None

    @property
    def f1(self) -> float | None:
        either = self.found + self.boxes
        return 2 * self.right / either if either else None


def match(
    a: Sequence[BoundingBox], b: Sequence[BoundingBox], min_iou: float = MIN_IOU
) -> tuple[int | None, ...]:
    """For each box of `a`, in its order, the index of its partner in `b`.

    The partner is the one that overlaps it most among those still free, by at least `min_iou`. So
    the order of `a` says who chooses first: give it best score first.
    """
    free = list(range(len(b)))
    partners: list[int | None] = []
    for box in a:
        nearest = max(free, key=lambda index: box.iou(b[index]), default=None)
        if nearest is not None and box.iou(b[nearest]) < min_iou:
            nearest = None
        if nearest is not None:
            free.remove(nearest)
        partners.append(nearest)
    return tuple(partners)


def average_precision(ranked: Iterable[tuple[float, bool]], boxes: int) -> float | None:
    """COCO's: the mean of the best precisions at a recall of at least 0, 0.01, 0.02 ... 1.

    `ranked` has each detection's score and whether it was right. Source: `COCOeval.accumulate` of
    pycocotools. Of equal scores the wrong one counts first, so that order does not matter.
    """
    if not boxes:
        return None
    order = sorted(ranked, key=lambda one: (-one[0], one[1]))
    rights = list(accumulate(right for _, right in order))
    recalls = [right / boxes for right in rights]
    precisions = [right / count for count, right in enumerate(rights, 1)]
    envelope = list(accumulate(reversed(precisions), max))[::-1]
    at = [bisect_left(recalls, step / 100) for step in range(101)]
    return sum(envelope[index] for index in at if index < len(envelope)) / 101


class Tally:
    """Collects pictures; keeps two numbers per detection, so memory grows with those only."""

    def __init__(self, labels: Iterable[str]):
        """Only these labels are judged; what is found of another is neither right nor wrong."""
        self._ranked: dict[str, list[tuple[float, bool]]] = {label: [] for label in labels}
        self._boxes = dict.fromkeys(self._ranked, 0)

    def add(self, found: Sequence[Detection], truth: Sequence[LabelledBox]) -> None:
        """One picture. What lies in a crowd and meets no box is left out, as COCO does."""
        for label, ranked in self._ranked.items():
            # Sorted by more than the score, so that the order of the arguments does not matter.
            own = sorted(
                (one for one in found if one.label == label),
                key=lambda one: (-one.score, _corners(one.box)),
            )
            there = sorted(
                (one.box for one in truth if one.label == label and not one.crowd), key=_corners
            )
            crowds = [one.box for one in truth if one.label == label and one.crowd]
            self._boxes[label] += len(there)
            for one, partner in zip(own, match([one.box for one in own], there), strict=True):
                if partner is None and any(one.box.share_inside(it) >= MIN_IOU for it in crowds):
                    continue
                ranked.append((one.score, partner is not None))

    def scores(self, min_score: float) -> tuple[Score, ...]:
        """Each label's, those with most boxes first; `min_score` bounds all but AP50."""
        scores = []
        for label, ranked in self._ranked.items():
            found = [right for score, right in ranked if score >= min_score]
            boxes = self._boxes[label]
            ap50 = average_precision(ranked, boxes)
            scores.append(Score(label, boxes, len(found), sum(found), ap50))
        return tuple(sorted(scores, key=lambda one: (-one.boxes, one.label)))


def overall(scores: Sequence[Score]) -> Score:
    """All labels together: numbers are added; AP50 is the mean over labels that have a box."""
    precisions = [one.ap50 for one in scores if one.ap50 is not None]
    return Score(
        "all",
        sum(one.boxes for one in scores),
        sum(one.found for one in scores),
        sum(one.right for one in scores),
        sum(precisions) / len(precisions) if precisions else None,
    )


def _corners(box: BoundingBox) -> tuple[int, int, int, int]:
    return box.xmin, box.ymin, box.xmax, box.ymax
