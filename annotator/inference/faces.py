"""Faces inside people's boxes: found, shared out, judged, followed, embedded and identified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from annotator.config import FaceSettings
from annotator.domain import BoundingBox, Face, FaceEvidence, FaceMoment, Gate, clipped_box
from annotator.filters import gate_of
from annotator.inference.finders import FaceFinder, FoundFace, distinct
from annotator.inference.mirrored import embed_mirrored
from annotator.inference.regions import everywhere, search_region, share_out
from annotator.inference.tracks import Embedded, Followed, Seen, Tracks, quality

if TYPE_CHECKING:
    from annotator.inference.embedder import Alignment
    from annotator.inference.identify import Recogniser
    from annotator.inference.image import Picture, Pixels

SHARPNESS_PX = 32
"""Faces are shrunk to this before their sharpness is measured, which so depends on the blur in
relation to the face and not on its size: over 59 sharp portraits the 2 % quantile is 335, 330 and
314 at 100, 60 and 40 px; blurred by 2 % of the face (sigma) the median falls to 361, by 3 % to
145, by 4 % to 69, where the embedding has moved by 0.32, 0.44 and 0.54 of the 0.6 that dlib calls
another person."""


LOOK_PX = (6, 10)
"""Head and shoulders are shrunk to so many pixels to compare them with those in other captures."""


class Embedder(Protocol):
    """`embedder.Embedder`, which says more."""

    provenance: str

    def align(self, pixels: Pixels, face: BoundingBox) -> Alignment: ...

    def embed(self, pixels: Pixels, alignment: Alignment) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Judged:
    """A face and what can be said of it without embedding it; aligned where that is worth it."""

    found: FoundFace
    sharpness: float
    gate: Gate
    alignment: Alignment | None = None

    @property
    def size_px(self) -> int:
        return min(self.found.box.width, self.found.box.height)

    @property
    def turn(self) -> float | None:
        return self.alignment.turn if self.alignment else None

    def face(self, followed: Followed | None = None) -> Face:
        """What is told of it; `followed` where it is usable."""
        box, score = self.found.box, self.found.score
        if followed is None:
            return Face(box, score, self.sharpness, self.gate, turn=self.turn)
        embedded = followed.embedded
        return Face(
            box,
            score,
            self.sharpness,
            Gate.USABLE if embedded else Gate.SEEN_BETTER,
            embedded.embedding if embedded else None,
            followed.identification,
            followed.track,
            self.turn,
            embedded.mirrored if embedded else None,
        )


class FaceReader:
    """Everything that is said about the faces of a picture, and of those of an event together."""

    def __init__(self, embedder: Embedder, recogniser: Recogniser, *, mirrored: bool = False):
        """`mirrored` embeds each face's mirror image too."""
        self._embedder = embedder
        self._mirrored = mirrored
        self._recogniser = recogniser
        self._tracks = Tracks()
        self._tracks_of = recogniser.provenance

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
        moment: FaceMoment | None = None,
    ) -> tuple[tuple[Face, ...], ...]:
        """As `ports.Vision.faces` says; for each person best score first."""
        self._recogniser.refresh()
        regions = [search_region(person, picture.whole) for person in persons]
        if settings.outside_persons:
            regions += everywhere(picture.width, picture.height, settings.min_face_px)
        found = distinct(
            [
                face
                for region in regions
                for face in finder.find(picture, region, settings.min_score)
            ]
        )
        shares = share_out(found, persons)
        if settings.outside_persons:
            shares += (tuple(face for face in found if not any(face in own for own in shares)),)
        judged = [[self._judged(picture, face, settings) for face in own] for own in shares]
        usable = [face for own in judged for face in own if face.gate is Gate.USABLE]
        followed = iter(self._followed(picture, usable, settings, moment))
        return tuple(
            tuple(
                face.face(next(followed)) if face.gate is Gate.USABLE else face.face()
                for face in own
            )
            for own in judged
        )

    def _judged(self, picture: Picture, found: FoundFace, settings: FaceSettings) -> _Judged:
        box = found.box
        # Measured at full resolution: a finder's answer is worth that one decode.
        pixels = picture.pixels()
        clarity = sharpness(pixels[box.ymin : box.ymax, box.xmin : box.xmax])
        gate = gate_of(box, clarity, None, settings)
        if gate is not Gate.USABLE:
            return _Judged(found, clarity, gate)
        alignment = self._embedder.align(pixels, box)
        return _Judged(found, clarity, gate_of(box, clarity, alignment.turn, settings), alignment)

    def _followed(
        self,
        picture: Picture,
        usable: Sequence[_Judged],
        settings: FaceSettings,
        moment: FaceMoment | None,
    ) -> list[Followed]:
        def embed(at: int) -> Embedded:
            return self._embedded(picture, usable[at])

        if moment is None:
            answers = [embed(at) for at in range(len(usable))]
            return [Followed(None, one.identification, one) for one in answers]
        if self._tracks_of != self._recogniser.provenance:
            # What another recogniser said of the better face no longer counts.
            self._tracks, self._tracks_of = Tracks(), self._recogniser.provenance
        seen = [
            Seen(
                one.found.box,
                quality(one.size_px, one.sharpness, one.turn or 0.0),
                look(picture.pixels(), one.found.box),
            )
            for one in usable
        ]
        return self._tracks.follow(moment, seen, settings.max_embeddings_per_track, embed)

    def _embedded(self, picture: Picture, face: _Judged) -> Embedded:
        assert face.alignment is not None
        pixels = picture.pixels()
        embedding = self._embedder.embed(pixels, face.alignment)
        mirrored = (
            embed_mirrored(self._embedder, pixels, face.alignment) if self._mirrored else None
        )
        evidence = FaceEvidence(embedding, face.size_px, face.sharpness, mirrored)
        (identification,) = self._recogniser.identify([evidence])
        return Embedded(embedding, identification, mirrored)


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


def look(pixels: Pixels, face: BoundingBox) -> bytes:
    """Head and shoulders around a face, `LOOK_PX` in RGB: half as wide again as the face, from half
    of it above to all of it below; cut at the picture's edges."""
    from PIL import Image

    height, width = pixels.shape[:2]
    around = clipped_box(
        face.xmin - face.width / 4,
        face.ymin - face.height / 2,
        face.xmax + face.width / 4,
        face.ymax + face.height,
        width,
        height,
    )
    assert around is not None
    part = pixels[around.ymin : around.ymax, around.xmin : around.xmax]
    return Image.fromarray(part).resize(LOOK_PX, Image.Resampling.BILINEAR).tobytes()
