"""Pictures that people have labelled: COCO's JSON, which CVAT and Label Studio export too, and a
plain list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from annotator.domain import clipped_box
from annotator.errors import QueryError
from annotator.scoring import LabelledBox

MAX_LABELS_BYTES = 64 * 10**6
"""COCO's own validation set takes 20 MB for 5000 pictures."""
UNBOUNDED_PX = 10**9
_SHOWN_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """`width` and `height` are what the labels say of the picture, None where they say nothing."""

    path: Path
    width: int | None
    height: int | None
    boxes: tuple[LabelledBox, ...]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """`labels` are all that was looked for, also where nobody met it."""

    pictures: tuple[LabelledPicture, ...]
    labels: tuple[str, ...]


def read_labelled(path: Path, pictures: Path | None = None) -> LabelledSet:
    """Read a COCO instances file or a plain list; see docs/detection.md for both.

    Picture names are relative to `pictures`, else to the file's own folder. Raises QueryError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LABELS_BYTES + 1)
    except OSError as error:
        raise QueryError(f"cannot read {path}: {error.strerror}", _NEXT_STEP) from error
    if len(content) > MAX_LABELS_BYTES:
        raise QueryError(f"{path} is larger than {MAX_LABELS_BYTES // 10**6} MB", _NEXT_STEP)
    folder = pictures or path.parent
    try:
        if content.lstrip()[:1] == b"[":
            return _listed(_LIST.validate_json(content), folder)
        return _coco(_Coco.model_validate_json(content), folder)
    except ValidationError as error:
        raise QueryError(f"{path} is not a file of labels: {_told(error)}", _NEXT_STEP) from error


_NEXT_STEP = "name a COCO instances JSON, or a list as docs/detection.md shows"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Four = tuple[_Number, _Number, _Number, _Number]
_Pixels = Annotated[int, Field(ge=1, le=10**6)]


class _ListedBox(BaseModel):
    label: str = Field(alias="class")
    box: _Four


class _ListedPicture(BaseModel):
    file: str
    width: _Pixels | None = None
    height: _Pixels | None = None
    labelled: bool = True
    boxes: list[_ListedBox]


_LIST = TypeAdapter(list[_ListedPicture])


class _CocoImage(BaseModel):
    id: int
    file_name: str
    width: _Pixels | None = None
    height: _Pixels | None = None


class _CocoAnnotation(BaseModel):
    image_id: int
    category_id: int
    bbox: _Four
    iscrowd: bool = False


class _CocoCategory(BaseModel):
    id: int
    name: str


class _Coco(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoAnnotation]
    categories: list[_CocoCategory]


def _listed(listed: list[_ListedPicture], folder: Path) -> LabelledSet:
    pictures = tuple(
        LabelledPicture(
            folder / one.file,
            one.width,
            one.height,
            _boxes((it.label, it.box, False) for it in one.boxes),
        )
        for one in listed
        if one.labelled
    )
    return LabelledSet(pictures, tuple(sorted({it.label for one in listed for it in one.boxes})))


def _coco(coco: _Coco, folder: Path) -> LabelledSet:
    names = {category.id: category.name for category in coco.categories}
    of_image: dict[int, list[_CocoAnnotation]] = {image.id: [] for image in coco.images}
    for annotation in coco.annotations:
        if annotation.category_id not in names:
            raise QueryError(
                f"an annotation of image {annotation.image_id} is of category "
                f"{annotation.category_id}, which the file does not name",
                "export the labels again, with their categories",
            )
        if annotation.image_id in of_image:
            of_image[annotation.image_id].append(annotation)
    pictures = tuple(
        LabelledPicture(
            folder / image.file_name,
            image.width,
            image.height,
            _boxes(
                (names[it.category_id], _corners(it.bbox), it.iscrowd) for it in of_image[image.id]
            ),
        )
        for image in coco.images
    )
    return LabelledSet(pictures, tuple(sorted(set(names.values()))))


def _corners(bbox: _Four) -> _Four:
    left, top, width, height = bbox
    return left, top, left + width, top + height


def _boxes(given: Iterable[tuple[str, _Four, bool]]) -> tuple[LabelledBox, ...]:
    """In whole pixels; what is less than one is no box."""
    return tuple(
        LabelledBox(label, box, crowd)
        for label, corners, crowd in given
        if (box := clipped_box(*corners, UNBOUNDED_PX, UNBOUNDED_PX)) is not None
    )


def _told(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    told = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'as a whole'}: {problem['msg']}"
        for problem in problems[:_SHOWN_PROBLEMS]
    ]
    more = len(problems) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
