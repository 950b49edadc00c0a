"""Faces inside people's boxes: find, share out, gate, embed, identify. The only dlib import.

Every finder's box is brought to the box that dlib's own detector would draw, because dlib's
alignment was trained on those (a box a quarter too low moves the embedding by 0.69, more than the
distance between two people). So a face box means the same whoever found it: about from the brows
to the chin.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from annotator.config import FaceSettings
from annotator.domain import BoundingBox, Face, FaceEvidence, Gate, clipped_box
from annotator.errors import RuntimeUnavailable
from annotator.filters import gate_of

if TYPE_CHECKING:
    from annotator.inference.heads import Head
    from annotator.inference.identify import Recogniser
    from annotator.inference.image import Picture, Pixels
    from annotator.inference.runtime import Graph

HEAD_MARGIN = 0.1
"""Detectors cut heads off, so a person is searched this share of the box beyond its edges: 141 of
158 faces in pictures of several people are then found, 138 without."""

SAME_FACE_IOU = 0.4
"""Two people's regions overlap and give the same face twice; two real faces hardly overlap so."""

SHARPNESS_PX = 32
"""Faces are shrunk to this before their sharpness is measured, which so depends on the blur in
relation to the face and not on its size: over 59 sharp portraits the 2 % quantile is 335, 330 and
314 at 100, 60 and 40 px; blurred by 2 % of the face (sigma) the median falls to 361, by 3 % to
145, by 4 % to 69, where the embedding has moved by 0.32, 0.44 and 0.54 of the 0.6 that dlib calls
another person."""


MAX_ENLARGED_PX = 800
"""HOG finds faces from 80 px on, in a picture twice as large from 40 px on, at four times the cost;
in a person larger than this, a face is."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a finder's box to dlib's: a square `side` times as large, moved down by `down`.

    Both are in units of the square root of the finder's box's area.
    """

    down: float
    side: float

    def apply(self, box: BoundingBox, width: int, height: int) -> BoundingBox | None:
        """The square, cut at a picture of `width` x `height`."""
        size = math.sqrt(box.area)
        x, y = box.centre
        y += self.down * size
        half = self.side * size / 2
        return clipped_box(x - half, y - half, x + half, y + half, width, height)


CALIBRATION = {
    # Medians over 182 and 179 portraits in which HOG finds one face. Embeddings then differ from
    # those of the HOG box by 0.048 and 0.046 on average (without: 0.058 and 0.046).
    "blazeface-short": Calibration(down=-0.043, side=0.973),
    "blazeface-full": Calibration(down=0.0, side=0.925),
    # Draws the whole head. From one picture: the box that Coral's own test expects in its
    # grace_hopper.bmp, (125, 40, 402, 363), against HOG's (180, 139, 367, 326).
    "ssd": Calibration(down=0.104, side=0.625),
}
"""By the head's name."""


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face before anything is known about it; the box is dlib's, in pixels of the capture."""

    box: BoundingBox
    score: float


class FaceFinder(Protocol):
    @property
    def provenance(self) -> str: ...

    def find(
        self, picture: Picture, region: BoundingBox, min_score: float
    ) -> Sequence[FoundFace]: ...


class GraphFinder:
    """A face network on a region of the picture."""

    def __init__(self, graph: Graph, head: Head, calibration: Calibration, provenance: str):
        self._graph = graph
        self._head = head
        self._calibration = calibration
        self.provenance = provenance

    def find(self, picture: Picture, region: BoundingBox, min_score: float) -> list[FoundFace]:
        fed = picture.fitted(self._graph.width, self._graph.height, self._head.fit, region)
        raw = self._head.decode(self._graph.invoke(fed.pixels), min_score)
        faces = []
        for box, score in zip(raw.boxes.tolist(), raw.scores.tolist(), strict=True):
            drawn = fed.resize.to_capture(*box)
            square = drawn and self._calibration.apply(drawn, picture.width, picture.height)
            if square:
                faces.append(FoundFace(square, min(score, 1.0)))
        return faces


class HogFinder:
    """dlib's HOG detector: needs no model file; slower, and blind below 40 px."""

    def __init__(self) -> None:
        self._detector = _dlib().get_frontal_face_detector()
        self.provenance = f"hog@dlib-{_dlib().__version__}"

    def find(self, picture: Picture, region: BoundingBox, min_score: float) -> list[FoundFace]:
        pixels = picture.pixels()[region.ymin : region.ymax, region.xmin : region.xmax]
        enlarge = 1 if max(region.width, region.height) <= MAX_ENLARGED_PX else 0
        boxes, margins, _ = self._detector.run(pixels.copy(), enlarge, 0.0)
        faces = []
        for box, margin in zip(boxes, margins, strict=True):
            # A margin above 0 is a face to dlib; squeezed into (0, 1) so that 0 becomes 0.62,
            # just above the default min_score. Not a probability.
            score = 1 / (1 + math.exp(-margin - 0.5))
            place = clipped_box(
                region.xmin + box.left(),
                region.ymin + box.top(),
                region.xmin + box.right() + 1,
                region.ymin + box.bottom() + 1,
                picture.width,
                picture.height,
            )
            if place and score >= min_score:
                faces.append(FoundFace(place, score))
        return faces


class Embedder:
    """dlib's 5-point alignment and 128-d face network: the numbers of `face_recognition`."""

    def __init__(self) -> None:
        dlib = _dlib()
        weights = _weights("dlib_face_recognition_resnet_model_v1.dat")
        self._rectangle = dlib.rectangle
        self._landmarks = dlib.shape_predictor(
            str(_weights("shape_predictor_5_face_landmarks.dat"))
        )
        self._network = dlib.face_recognition_model_v1(str(weights))
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.provenance = f"dlib_resnet_v1@{digest[:12]}"

    def embed(self, pixels: Pixels, face: BoundingBox) -> bytes:
        """128 little-endian float32 of the face in `face`, a box as dlib's detector draws it."""
        import numpy as np

        # dlib's maxima are inclusive.
        box = self._rectangle(face.xmin, face.ymin, face.xmax - 1, face.ymax - 1)
        shape = self._landmarks(pixels, box)
        embedding = self._network.compute_face_descriptor(pixels, shape, 1)
        return np.asarray(embedding, dtype="<f4").tobytes()


class FaceReader:
    """Everything that is said about the faces of a picture."""

    def __init__(self, embedder: Embedder, recogniser: Recogniser):
        self._embedder = embedder
        self._recogniser = recogniser

    @property
    def embedder(self) -> str:
        """The embedder's provenance."""
        return self._embedder.provenance

    def read(
        self,
        picture: Picture,
        persons: Sequence[BoundingBox],
        finder: FaceFinder,
        settings: FaceSettings,
    ) -> tuple[tuple[Face, ...], ...]:
        """For each person the faces that are theirs, best score first; no face twice."""
        found = [
            face
            for person in persons
            for face in finder.find(picture, _search_region(person, picture), settings.min_score)
        ]
        shares = share_out(distinct(found), persons)
        return tuple(tuple(self._face(picture, face, settings) for face in own) for own in shares)

    def _face(self, picture: Picture, found: FoundFace, settings: FaceSettings) -> Face:
        box = found.box
        # Measured at full resolution: a finder's answer is worth that one decode.
        pixels = picture.pixels()
        clarity = sharpness(pixels[box.ymin : box.ymax, box.xmin : box.xmax])
        gate = gate_of(box, clarity, settings)
        if gate is not Gate.USABLE:
            return Face(box, found.score, clarity, gate)
        embedding = self._embedder.embed(pixels, box)
        evidence = FaceEvidence(embedding, min(box.width, box.height), clarity)
        (identification,) = self._recogniser.identify([evidence])
        return Face(box, found.score, clarity, gate, embedding, identification)


def distinct(found: Sequence[FoundFace]) -> list[FoundFace]:
    """The faces without repetitions, best score first."""
    kept: list[FoundFace] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(face.box.iou(other.box) < SAME_FACE_IOU for other in kept):
            kept.append(face)
    return kept


def share_out(
    faces: Sequence[FoundFace], persons: Sequence[BoundingBox]
) -> tuple[tuple[FoundFace, ...], ...]:
    """Give each face to one of the people whose box holds most of it.

    The best fitting pairs are made first, one face per person; who is left over goes to the best
    fitting person. A face that is in nobody's box is nobody's.
    """
    claims = sorted(
        (_misfit(face.box, person), f, p)
        for f, face in enumerate(faces)
        for p, person in enumerate(persons)
        if face.box.share_inside(person) >= 0.5
    )
    owner: dict[int, int] = {}
    for _, f, p in claims:
        if f not in owner and p not in owner.values():
            owner[f] = p
    for _, f, p in claims:
        owner.setdefault(f, p)
    return tuple(
        tuple(face for f, face in enumerate(faces) if owner.get(f) == p)
        for p in range(len(persons))
    )


def _misfit(face: BoundingBox, person: BoundingBox) -> float:
    """How far a face is from where that person's is expected, in shares of the person's box: in
    its middle, a face's height below its top."""
    x, y = face.centre
    aside = abs(x - person.centre[0]) / person.width
    below = abs(y - person.ymin - face.height) / person.height
    return aside + below


def _search_region(person: BoundingBox, picture: Picture) -> BoundingBox:
    margin_x, margin_y = person.width * HEAD_MARGIN, person.height * HEAD_MARGIN
    region = clipped_box(
        person.xmin - margin_x,
        person.ymin - margin_y,
        person.xmax + margin_x,
        person.ymax + margin_y,
        picture.width,
        picture.height,
    )
    return region or picture.whole


def sharpness(face: Pixels) -> float:
    """The variance of the Laplacian of the grey face, `SHARPNESS_PX` square; larger is sharper."""
    import numpy as np
    from PIL import Image

    small = (
        Image.fromarray(face)
        .convert("L")
        .resize((SHARPNESS_PX, SHARPNESS_PX), Image.Resampling.BILINEAR)
    )
    grey = np.asarray(small, dtype=np.float32)
    laplacian = (
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )
    return float(laplacian.var())


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise RuntimeUnavailable(
            f"dlib cannot be loaded: {error}", "install it with: pip install dlib-bin"
        ) from error
    return dlib


def _weights(name: str) -> Path:
    """A weights file of `face_recognition_models`, which is not imported: that needs the
    `pkg_resources` that setuptools 81 and later no longer have."""
    spec = importlib.util.find_spec("face_recognition_models")
    for place in (spec.submodule_search_locations if spec else None) or ():
        path = Path(place, "models", name)
        if path.is_file():
            return path
    raise RuntimeUnavailable(
        f"dlib's weights {name} are not installed",
        "install them with: pip install --no-deps face_recognition_models",
    )
