"""Who a face is: the open-set answer to its embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from annotator.domain import FaceEvidence, Identification, Identity


class Recogniser(Protocol):
    @property
    def provenance(self) -> str | None:
        """`name@sha256[:12]`; None where nobody is enrolled."""

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        """Who each face is; hundreds of thousands at once, for all that the database has."""


class NoGallery:
    """Answers for a gallery that does not exist yet."""

    provenance: str | None = None

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        return (Identification(Identity.NO_GALLERY),) * len(faces)
