from __future__ import annotations

import io

from PIL import Image

from annotator.config import check_config
from annotator.domain import BoundingBox, Detection, Provenance
from annotator.explain import Explained, Explanation
from annotator.filters import checks
from annotator.view.draw import KNOWN_COLOUR, UNKNOWN_COLOUR, UNUSED_COLOUR, label_colour
from annotator.view.explained import draw_explanation

WIDTH, HEIGHT = 640, 480
GREY = (128, 128, 128)


def test_kept_dropped_and_zones_can_be_told_apart() -> None:
    out = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), GREY).save(out, "JPEG")
    zone = {"points": [[0.55, 0.1], [0.95, 0.1], [0.95, 0.4], [0.55, 0.4]]}
    settings = check_config(
        {
            "detection": {
                "ignore": [{"name": "sky", **zone}],
                "include": [{"name": "all", "points": [[0, 0.05], [1, 0.05], [1, 1], [0, 1]]}],
            }
        },
        "test",
    ).for_monitor("")
    kept = Detection("cat", 16, 0.9, BoundingBox(40, 200, 140, 400))
    dropped = Detection("dog", 17, 0.3, BoundingBox(300, 250, 400, 450))
    explanation = Explanation(
        WIDTH,
        HEIGHT,
        settings,
        Provenance("tiny", "cpu"),
        tuple(
            Explained(one, checks(one, WIDTH, HEIGHT, settings.detection))
            for one in (kept, dropped)
        ),
    )
    drawn = Image.open(io.BytesIO(draw_explanation(out.getvalue(), explanation, max_megapixels=1)))
    assert drawn.size == (WIDTH, HEIGHT)

    def colour_at(x: int, y: int) -> tuple[int, ...]:
        pixel = drawn.getpixel((x, y))
        assert isinstance(pixel, tuple)
        return pixel

    def near(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
        # JPEG smears the colours of thin lines.
        return all(abs(a - b) < 80 for a, b in zip(pixel, colour, strict=True))

    assert near(colour_at(41, 300), label_colour("cat"))
    assert near(colour_at(301, 251), UNUSED_COLOUR), "a dashed frame always has its corners"
    assert near(colour_at(round(0.55 * WIDTH), 150), UNKNOWN_COLOUR)
    assert near(colour_at(200, 24), KNOWN_COLOUR)
