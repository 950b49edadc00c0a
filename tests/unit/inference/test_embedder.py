from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.inference.embedder import turn_of

ANGLE = st.floats(-3, 3)


@given(ANGLE, st.floats(1, 200), st.floats(-0.9, 0.9), st.floats(0, 2))
def test_turn_is_the_noses_share_aside_however_the_head_is_tilted(
    tilt: float, apart: float, aside: float, below: float
) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        """In units of the eyes' distance, turned and somewhere in the picture."""
        x, y = x * apart, y * apart
        return (
            300 + x * math.cos(tilt) - y * math.sin(tilt),
            200 + x * math.sin(tilt) + y * math.cos(tilt),
        )

    eyes = at(-0.5, 0), at(0.5, 0)
    assert turn_of(*eyes, at(aside, below)) == pytest.approx(abs(aside), abs=1e-6)
    assert turn_of(*reversed(eyes), at(aside, below)) == pytest.approx(abs(aside), abs=1e-6)


def test_turn_never_exceeds_1() -> None:
    assert turn_of((0, 0), (10, 0), (80, 5)) == 1
    assert turn_of((5, 5), (5, 5), (5, 5)) == 1
