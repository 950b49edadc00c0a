"""Who a face is: the open-set answer to one embedding."""

from __future__ import annotations

from typing import Protocol

from annotator.domain import Identification, Identity


class Recogniser(Protocol):
    @property
    def provenance(self) -> str | None:
        """`name@sha256[:12]`; None where nobody is enrolled."""

    def identify(self, embedding: bytes) -> Identification:
        """`embedding` is 128 little-endian float32 values."""


class NoGallery:
    """Answers for a gallery that does not exist yet."""

    provenance: str | None = None

    def identify(self, embedding: bytes) -> Identification:
        return Identification(Identity.NO_GALLERY)
