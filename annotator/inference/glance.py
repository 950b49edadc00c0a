"""What a picture looks like from afar, and how much of it moved between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator import ports

if TYPE_CHECKING:
    from annotator.inference.image import Picture, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """A small grey picture."""

    grey: Pixels

    def changed(self, before: ports.Glance) -> float:
        raise NotImplementedError  # being built


def glance(picture: Picture) -> Glance:
    raise NotImplementedError  # being built
