"""dlib's 5-point alignment and face network, and where dlib comes from. With `finders`, all that
imports dlib."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.domain import BoundingBox
from annotator.errors import RuntimeUnavailable

if TYPE_CHECKING:
    from annotator.inference.image import Pixels

FRONTAL_PX = 200
LEAST_FRONTAL = -1.0
NEAR_MIDDLE = 0.2
"""dlib's frontal detector looks at a face's surroundings, twice the face's side, shrunk or enlarged
to so many pixels, and must see a face near the middle with at least this margin (it calls 0 and
more a face). Of 364 portraits brought to 40 px none has less, blurred by 2 % of the face 0.3 %; of
15 backs of heads that BlazeFace took for faces, all have."""

BEHIND = 1.0
"""The turn of what dlib's detector does not see from the front."""

Point = tuple[float, float]
"""(x, y) in pixels of the capture."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where eyes and nose of a face are, as dlib's network wants to be told (`shape`)."""

    shape: Any
    turn: float
    """See `turn_of`; `BEHIND` where the face is not seen from the front at all."""


class Embedder:
    """dlib's 5-point alignment and 128-d face network: the numbers of `face_recognition`."""

    def __init__(self) -> None:
        dlib = load_dlib()
        weights = _weights("dlib_face_recognition_resnet_model_v1.dat")
        self._rectangle = dlib.rectangle
        self._landmarks = dlib.shape_predictor(
            str(_weights("shape_predictor_5_face_landmarks.dat"))
        )
        self._network = dlib.face_recognition_model_v1(str(weights))
        self._frontal = dlib.get_frontal_face_detector()
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.provenance = f"dlib_resnet_v1@{digest[:12]}"

    def align(self, pixels: Pixels, face: BoundingBox) -> Alignment:
        """Find eyes and nose in `face`, a box as dlib's detector draws it; 4 ms, where
        the embedding takes 100."""
        # dlib's maxima are inclusive.
        box = self._rectangle(face.xmin, face.ymin, face.xmax - 1, face.ymax - 1)
        shape = self._landmarks(pixels, box)
        # The corners of one eye, those of the other, and the base of the nose.
        a, b, c, d, nose = ((float(part.x), float(part.y)) for part in shape.parts())
        seen = self._seen_from_the_front(pixels, face)
        return Alignment(shape, turn_of(_middle(a, b), _middle(c, d), nose) if seen else BEHIND)

    def _seen_from_the_front(self, pixels: Pixels, face: BoundingBox) -> bool:
        """Landmarks are found anywhere: on the back of a head too, and as if from the front."""
        import numpy as np
        from PIL import Image

        x, y = map(round, face.centre)
        side = max(face.width, face.height)
        left, top = x - side, y - side
        part = pixels[max(top, 0) : y + side, max(left, 0) : x + side]
        scale = FRONTAL_PX / (2 * side)
        height, width = (max(1, round(scale * length)) for length in part.shape[:2])
        small = Image.fromarray(part).resize((width, height), Image.Resampling.BILINEAR)
        around = Image.new("RGB", (FRONTAL_PX, FRONTAL_PX))
        around.paste(small, (round(scale * max(-left, 0)), round(scale * max(-top, 0))))
        boxes, _, _ = self._frontal.run(np.asarray(around), 0, LEAST_FRONTAL)
        middles = [(box.left() + box.right(), box.top() + box.bottom()) for box in boxes]
        return any(
            max(abs(x - FRONTAL_PX), abs(y - FRONTAL_PX)) / 2 < NEAR_MIDDLE * FRONTAL_PX
            for x, y in middles
        )

    def embed(self, pixels: Pixels, alignment: Alignment) -> bytes:
        """The face's 128 little-endian float32, from the pixels that it was aligned in."""
        import numpy as np

        embedding = self._network.compute_face_descriptor(pixels, alignment.shape, 1)
        return np.asarray(embedding, dtype="<f4").tobytes()


def turn_of(eye: Point, other_eye: Point, nose: Point) -> float:
    """How far a face is turned away: how far, along the line between the eyes, the nose is from
    their middle, in shares of the distance between them. 0 from the front, whichever way the head
    is tilted; 0.5 where the nose is below an eye, at most 1.
    """
    across_x, across_y = other_eye[0] - eye[0], other_eye[1] - eye[1]
    apart = across_x**2 + across_y**2
    x, y = _middle(eye, other_eye)
    aside = abs((nose[0] - x) * across_x + (nose[1] - y) * across_y)
    return aside / apart if aside < apart else 1.0


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def load_dlib() -> Any:
    """Raises RuntimeUnavailable."""
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
