"""`evaluate`: detectors against pictures that people have labelled; no database, no daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from annotator.app.labelled import LabelledPicture, read_labelled
from annotator.config import Config, DetectionSettings
from annotator.domain import BoundingBox, Reason
from annotator.errors import CaptureUnreadable, QueryError, StoreError
from annotator.scoring import LabelledBox, Score, Tally, overall

if TYPE_CHECKING:
    from annotator.inference.vision import ModelVision

LOWEST_SCORE = 0.01
"""AP50 looks at candidates from here on: below the useful scores of any detector."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one detector did; the scores are for `labels`, those with most boxes first.

    `unknown_labels` are those that it cannot give, which are no fault of it. `ms_per_picture` is
    the median of decoding and detecting together.
    """

    model: str
    pictures: int
    ms_per_picture: float
    labels: tuple[Score, ...]
    unknown_labels: tuple[str, ...]

    @property
    def overall(self) -> Score:
        return overall(self.labels)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that could not be looked at."""

    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    judgements: tuple[Judgement, ...]
    left_out: tuple[LeftOut, ...]


Progress = Callable[[str, int, int], None]
"""Called with a model, how many pictures it has seen, and how many there are."""


def evaluate(
    config: Config,
    labels_file: Path,
    *,
    pictures: Path | None = None,
    models: Sequence[str] = (),
    labels: Sequence[str] = (),
    limit: int | None = None,
    tell: Progress,
) -> Evaluation:
    """Judge each of `models`, else every object detector that is here, by [detection] of `config`.

    Looks at `limit` pictures at most, spread evenly. Raises QueryError where the labels cannot be
    used, StoreError where no picture can be looked at, ModelError.
    """
    labelled = read_labelled(labels_file, pictures)
    wanted = _wanted(labels, labelled.labels, labels_file)
    chosen = _spread(labelled.pictures, limit)
    if not chosen:
        raise QueryError(f"{labels_file} names no picture", "name a file with labelled pictures")
    judge = _Judge(config, wanted, chosen, tell)
    return Evaluation(
        tuple(judge.judged(model) for model in models or _all_here(config)),
        tuple(judge.left_out.values()),
    )


def _all_here(config: Config) -> tuple[str, ...]:
    from annotator.inference.vision import build_vision

    return build_vision(config).detectors()


class _Judge:
    def __init__(
        self,
        config: Config,
        labels: Sequence[str],
        pictures: Sequence[LabelledPicture],
        tell: Progress,
    ):
        self._config = config
        self._labels = labels
        self._pictures = pictures
        self._tell = tell
        self.left_out: dict[Path, LeftOut] = {}

    def judged(self, model: str) -> Judgement:
        from annotator.app.looking import vision_for

        settings = _settings(self._config.detection, model)
        # One model, one vision: what runs it is chosen for its files, and goes with it.
        alone = {"detection": settings, "monitors": {}}
        vision = vision_for(self._config.model_copy(update=alone))
        name, known = vision.provenance(settings).detector, vision.labels(settings)
        tally = Tally(label for label in self._labels if label in known)
        durations_ms = []
        for done, one in enumerate(self._pictures):
            self._tell(name, done, len(self._pictures))
            try:
                durations_ms.append(self._look(one, vision, settings, tally))
            except CaptureUnreadable as error:
                self.left_out[one.path] = LeftOut(one.path, str(error))
        self._tell(name, len(self._pictures), len(self._pictures))
        if not durations_ms:
            first = next(iter(self.left_out.values()))
            raise StoreError(
                f"none of {len(self._pictures)} pictures could be looked at; the first is "
                f"{first.path}: {first.message}",
                "say where they are with --pictures DIR",
            )
        return Judgement(
            name,
            len(durations_ms),
            median(durations_ms),
            tally.scores(self._config.detection.min_score),
            tuple(label for label in self._labels if label not in known),
        )

    def _look(
        self,
        one: LabelledPicture,
        vision: ModelVision,
        settings: DetectionSettings,
        tally: Tally,
    ) -> float:
        """Adds one picture to the tally; the milliseconds that it took."""
        from annotator.nvr.picture import read_picture

        jpeg = read_picture(one.path, self._config.store.max_capture_bytes)
        began_s = perf_counter()
        picture = vision.decode(jpeg, settings)
        found = vision.objects(picture, settings)
        took_ms = 1000 * (perf_counter() - began_s)
        size = picture.width, picture.height
        if None not in (one.width, one.height) and (one.width, one.height) != size:
            raise CaptureUnreadable(
                Reason.UNSUPPORTED,
                f"it has {size[0]} x {size[1]} pixels, "
                f"its labels are for {one.width} x {one.height}",
            )
        tally.add(found, _inside(one.boxes, *size))
        return took_ms


def _settings(configured: DetectionSettings, model: str) -> DetectionSettings:
    """For one model: every candidate, so that AP50 can be told."""
    every = {"min_score": LOWEST_SCORE, "by_label": {}}
    return configured.with_model(model).model_copy(update=every)


def _wanted(asked: Sequence[str], there: Sequence[str], labels_file: Path) -> tuple[str, ...]:
    absent = [label for label in asked if label not in there]
    if absent or not there:
        raise QueryError(
            f"{labels_file} has no {' or '.join(absent) or 'labels at all'}",
            f"its labels are {', '.join(there)}" if there else "name a file with labels",
        )
    return tuple(dict.fromkeys(asked)) or tuple(there)


def _spread(pictures: Sequence[LabelledPicture], limit: int | None) -> Sequence[LabelledPicture]:
    if limit is None or limit >= len(pictures):
        return pictures
    return [pictures[index * len(pictures) // limit] for index in range(limit)]


def _inside(boxes: Sequence[LabelledBox], width: int, height: int) -> list[LabelledBox]:
    """The boxes cut at the picture's edges; one that is wholly outside is none."""
    whole = BoundingBox(0, 0, width, height)
    return [
        LabelledBox(one.label, inside, one.crowd)
        for one in boxes
        if (inside := one.box.intersection(whole)) is not None
    ]
