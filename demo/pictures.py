"""Whom the demo's cameras see, cut out of pictures that installed packages carry.

From scikit-image (each stated in the docstring of the `skimage.data` function of that name):
* astronaut.png: NASA, public domain;
* chelsea.png: CC0 by Stefan van der Walt;
* brick.png, grass.png, gravel.png: CC0, from CC0Textures and linolafett.

From matplotlib:
* grace_hopper.jpg: public domain, as stated where it came in (matplotlib pull request 1599).

Only files inside the wheels are read; nothing is downloaded. The outlines below are in pixels of
those files and follow the figure by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

Outline = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture and the part of it that is cut out; `feather_px` softens the edge."""

    package: str
    file: str
    outline: Outline
    feather_px: float


ASTRONAUT = Figure(
    "skimage",
    "data/astronaut.png",
    (
        *((259, 22), (237, 16), (205, 21), (180, 36), (156, 58), (153, 68), (157, 104)),
        *((170, 116), (174, 128), (182, 132), (186, 148), (177, 148), (148, 151), (132, 161)),
        *((123, 178), (115, 186), (113, 204), (108, 210), (90, 227), (65, 246), (44, 282)),
        *((26, 342), (19, 390), (18, 416), (24, 460), (27, 495), (22, 500), (23, 511)),
        *((511, 511), (510, 490), (504, 466), (496, 455), (490, 425), (481, 392), (461, 367)),
        *((436, 351), (403, 343), (379, 346), (364, 346), (358, 318), (352, 285), (344, 264)),
        *((325, 244), (304, 235), (305, 228), (298, 210), (288, 194), (272, 182), (256, 174)),
        *((259, 159), (264, 149), (266, 137), (275, 134), (290, 117), (299, 96), (299, 72)),
        *((293, 52), (282, 36)),
    ),
    feather_px=1.2,
)

GRACE_HOPPER = Figure(
    "matplotlib",
    "mpl-data/sample_data/grace_hopper.jpg",
    (
        *((261, 23), (239, 25), (222, 36), (200, 47), (185, 60), (174, 83), (159, 95)),
        *((150, 114), (147, 141), (148, 184), (152, 202), (159, 228), (162, 260), (164, 271)),
        *((176, 286), (194, 295), (203, 299), (205, 313), (196, 319), (170, 341), (131, 356)),
        *((87, 368), (57, 381), (46, 393), (39, 410), (28, 445), (17, 526), (11, 599)),
        *((496, 599), (505, 520), (506, 450), (500, 415), (493, 393), (483, 389), (457, 376)),
        *(
            (418, 363),
            (370, 343),
            (348, 328),
            (333, 313),
            (344, 306),
            (357, 289),
            (362, 267),
            (364, 245),
        ),
        *((374, 202), (375, 188), (370, 180), (372, 136), (369, 97), (361, 86), (353, 87)),
        *((350, 75), (340, 60), (322, 47), (303, 40), (283, 25)),
    ),
    feather_px=1.2,
)

CAT = Figure(
    "skimage",
    "data/chelsea.png",
    (
        *((42, 0), (34, 60), (33, 90), (40, 120), (42, 150), (32, 170), (24, 215), (18, 299)),
        *((268, 299), (288, 275), (301, 254), (316, 216), (340, 197), (353, 167), (360, 147)),
        *((361, 127), (362, 104), (356, 76), (367, 58), (383, 27), (397, 0)),
    ),
    feather_px=2.5,
)


def carried_file(package: str, file: str) -> Path:
    """A file inside an installed package, found without importing the package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"the demo's pictures come with {package}, which is not installed; "
            "run `make demo`, or `pip install -e .[demo]`"
        )
    return Path(spec.origin).parent / file


def cut_out(figure: Figure) -> Image.Image:
    """The figure as RGBA, trimmed to its outline, with soft edges except where the file ends."""
    with Image.open(carried_file(figure.package, figure.file)) as opened:
        picture = opened.convert("RGB")
    # Beyond the file the mask goes on, so that an edge that the scene hides anyway stays sharp.
    pad = round(4 * figure.feather_px)
    mask = Image.new("L", (picture.width + 2 * pad, picture.height + 2 * pad), 0)
    ImageDraw.Draw(mask).polygon(
        [
            (_beyond(x, picture.width, pad), _beyond(y, picture.height, pad))
            for x, y in figure.outline
        ],
        fill=255,
    )
    mask = mask.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(figure.feather_px))
    picture.putalpha(mask.crop((pad, pad, pad + picture.width, pad + picture.height)))
    xs, ys = zip(*figure.outline, strict=True)
    return picture.crop((min(xs), min(ys), max(xs) + 1, max(ys) + 1))


def _beyond(value: int, size: int, pad: int) -> int:
    """Into padded coordinates; a point on the file's edge goes out to the padding's edge."""
    return -pad if value == 0 else size + 3 * pad if value == size - 1 else value + pad


def texture(name: str) -> Image.Image:
    """One of scikit-image's grey CC0 surfaces: brick, grass or gravel; 512 x 512."""
    with Image.open(carried_file("skimage", f"data/{name}.png")) as opened:
        return opened.convert("L")
