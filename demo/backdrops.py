"""What the demo's cameras look at when nobody is there; painted, with real surfaces.

A backdrop is two layers: what lies behind a visitor, and what stands in front of one (a wall, a
shelf), transparent elsewhere. Both are drawn once per scene; everything random is seeded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from demo.pictures import texture

WIDTH, HEIGHT = 1920, 1080

Grid = NDArray[np.float32]
"""A brightness map: rows x columns, 0 to 1."""
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Backdrop:
    behind: Image.Image
    before: Image.Image | None = None


def clouds(seed: int, cells: tuple[int, int] = (6, 3), octaves: int = 5) -> Grid:
    """Smooth random brightness, 0 to 1, frame-sized; the coarsest has `cells` columns and rows."""
    random = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for octave in range(octaves):
        columns, rows = cells[0] << octave, cells[1] << octave
        coarse = Image.fromarray(random.random((rows + 1, columns + 1), np.float32))
        total += np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) / (
            1 << octave
        )
    low, high = float(total.min()), float(total.max())
    return ((total - low) / (high - low)).astype(np.float32)


def tinted(brightness: Grid, dark: Colour, light: Colour) -> Image.Image:
    """A picture that goes from one colour to another where the brightness goes from 0 to 1."""
    low, high = np.asarray(dark, np.float32), np.asarray(light, np.float32)
    return _as_image(low + brightness[..., None] * (high - low))


def _as_image(pixels: Grid) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def ground(surface: str, horizon_px: int, grain: float) -> Grid:
    """A flat surface seen in perspective from above; `grain` is its size just before the camera.

    Rows above the horizon repeat the farthest ground. Towards the horizon the surface fades into
    its mean, as it does for a real lens.
    """
    tile = np.asarray(texture(surface), np.float32) / 255
    tile = np.block([[tile, tile[:, ::-1]], [tile[::-1], tile[::-1, ::-1]]])  # no seams
    size = tile.shape[0]
    rows_below = np.maximum(np.arange(HEIGHT, dtype=np.float32) - horizon_px, 1.0)
    depth = (HEIGHT - horizon_px) / rows_below
    across = (np.arange(WIDTH, dtype=np.float32) - WIDTH / 2)[None, :] * depth[:, None] / grain
    along = np.broadcast_to(depth[:, None] * 900 / grain, across.shape)
    seen = tile[along.astype(np.int64) % size, across.astype(np.int64) % size]
    sharp = np.clip((rows_below - 25) / 380, 0, 1)[:, None]
    return np.asarray(sharp * seen + (1 - sharp) * tile.mean(), np.float32)


def wall(surface: str, scale: float) -> Grid:
    """A flat surface seen straight on."""
    tile = texture(surface).rotate(90)
    tile = tile.resize((round(512 * scale), round(512 * scale)), Image.Resampling.BICUBIC)
    grid: Grid = np.asarray(tile, np.float32) / np.float32(255)
    grid = np.concatenate([grid, grid[:, ::-1]], axis=1)
    repeats = (-(-HEIGHT // grid.shape[0]), -(-WIDTH // grid.shape[1]))
    return np.asarray(np.tile(grid, repeats)[:HEIGHT, :WIDTH], np.float32)


def wood(seed: int, dark: Colour, light: Colour, upright: bool = False) -> Image.Image:
    """Planed timber; the grain runs across, or up."""
    cells = (110, 2) if upright else (2, 70)
    grain = 0.6 * clouds(seed, cells, 3) + 0.4 * clouds(seed + 500, (5, 4), 3)
    return tinted(grain, dark, light)


def polygon(*points: tuple[float, float], soft_px: float = 1.0) -> Image.Image:
    """A mask of the frame's size with soft edges."""
    mask = Image.new("L", (WIDTH, HEIGHT), 0)
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(soft_px))


def band(left_px: float, right_px: float, depth_px: float, soft_px: float = 1.0) -> Image.Image:
    """A mask across the whole frame: its upper edge at both sides, and how far it goes down."""
    return polygon(
        (0, left_px),
        (WIDTH, right_px),
        (WIDTH, right_px + depth_px),
        (0, left_px + depth_px),
        soft_px=soft_px,
    )


def below(outline: Grid, soft_px: float = 2.0) -> Image.Image:
    """A mask of everything below a skyline: `outline` is a row for each column."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    mask = Image.fromarray(((rows > outline[None, :]) * np.uint8(255)).astype(np.uint8))
    return mask.filter(ImageFilter.GaussianBlur(soft_px))


def downwards(top: float, bottom: float) -> Grid:
    """A vertical ramp of brightness."""
    ramp = np.linspace(top, bottom, HEIGHT, dtype=np.float32)[:, None]
    return np.broadcast_to(ramp, (HEIGHT, WIDTH)).copy()


def _hedge(picture: Image.Image, seed: int, top_px: int, dark: Colour, light: Colour) -> None:
    leaves = 0.55 * clouds(seed, (60, 34), 4) + 0.45 * clouds(seed + 1, (9, 5), 3)
    edge = top_px + 26 * clouds(seed + 2, (14, 2), 6)[0]
    picture.paste(tinted(np.clip(leaves * 1.5 - 0.35, 0, 1), dark, light), mask=below(edge))


def _sky(seed: int) -> Image.Image:
    veil = np.clip(clouds(seed, (4, 5)) * 1.6 - 0.5, 0, 1)
    clear = np.asarray(tinted(downwards(0.0, 2.2).clip(0, 1), (126, 160, 201), (214, 224, 232)))
    white = np.asarray((236, 238, 240), np.float32)
    share = 0.7 * veil[..., None]
    return _as_image(clear * (1 - share) + white * share)


def _house(picture: Image.Image, left: int, base: int, unit: float) -> None:
    """A neighbour's house, out of focus; `unit` is about a metre in pixels."""
    layer = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(layer)

    def box(x: float, y: float, width: float, height: float, fill: Colour) -> None:
        pen.rectangle(
            (
                left + x * unit,
                base - (y + height) * unit,
                left + (x + width) * unit,
                base - y * unit,
            ),
            fill=fill,
        )

    box(0, 0, 9, 4.4, (196, 184, 166))
    roof = [(-0.5, 4.4), (1.6, 7.2), (7.4, 7.2), (9.5, 4.4)]
    pen.polygon([(left + x * unit, base - y * unit) for x, y in roof], fill=(112, 78, 68))
    box(6.2, 7.0, 0.8, 1.3, (128, 84, 70))
    for x in (0.9, 3.2, 7.0):
        box(x - 0.1, 1.5, 1.3, 1.7, (232, 229, 222))
        box(x, 1.6, 1.1, 1.5, (84, 98, 112))
        box(x + 0.5, 1.6, 0.1, 1.5, (232, 229, 222))
    box(5.2, 0, 1.1, 2.4, (88, 62, 52))
    layer = layer.filter(ImageFilter.GaussianBlur(2.5))
    picture.paste(layer, mask=layer)


def front_door() -> Backdrop:
    """Out of the front door: a gravel path through the lawn, the porch's post and its eaves."""
    horizon = 452
    picture = _sky(11)
    _house(picture, 1180, 470, 38)
    _house(picture, 120, 466, 30)
    _hedge(picture, 21, 408, (30, 46, 26), (106, 128, 70))
    everything_below = band(486, 486, HEIGHT, soft_px=5)
    lawn = tinted(ground("grass", horizon, 2.2), (44, 62, 26), (150, 168, 92))
    picture.paste(lawn, mask=everything_below)
    path = polygon((905, 484), (1015, 484), (1830, HEIGHT), (420, HEIGHT), soft_px=4)
    picture.paste(tinted(ground("gravel", horizon, 2.6), (92, 86, 78), (206, 198, 186)), mask=path)
    for edge in (
        ((899, 484), (906, 484), (424, HEIGHT), (372, HEIGHT)),
        ((1014, 484), (1021, 484), (1884, HEIGHT), (1826, HEIGHT)),
    ):
        picture.paste((172, 166, 156), mask=polygon(*edge, soft_px=1.5))
    _shade(picture, 31)
    timber = wood(41, (70, 54, 42), (118, 94, 72))
    post = wood(42, (66, 50, 38), (110, 88, 66), upright=True)
    picture.paste(timber, mask=band(-HEIGHT + 92, -HEIGHT + 58, HEIGHT, soft_px=4))
    picture.paste(
        post, mask=polygon((1742, 50), (1846, 50), (1872, HEIGHT), (1760, HEIGHT), soft_px=4)
    )
    return Backdrop(picture)


def _shade(picture: Image.Image, seed: int) -> None:
    """Uneven daylight, as from clouds and trees."""
    light = 0.80 + 0.28 * clouds(seed, (3, 2), 3)
    pixels = np.asarray(picture, np.float32) * light[..., None]
    picture.paste(_as_image(pixels))


def drive() -> Backdrop:
    """The drive from the garage: gravel, a hedge behind, a brick garden wall across it."""
    picture = _sky(12)
    _house(picture, 700, 372, 40)
    _hedge(picture, 51, 268, (26, 42, 26), (94, 118, 66))
    beyond = tinted(ground("gravel", 250, 2.4), (98, 92, 84), (204, 196, 184))
    picture.paste(beyond, mask=band(430, 404, HEIGHT, soft_px=6))
    lawn = tinted(ground("grass", 250, 2.0), (44, 62, 28), (146, 164, 92))
    picture.paste(lawn, mask=polygon((0, 422), (620, 412), (280, HEIGHT), (0, HEIGHT), soft_px=5))
    _shade(picture, 32)

    before = Image.new("RGBA", picture.size)
    bricks = tinted(np.clip(wall("brick", 0.94) * 1.9 - 0.25, 0, 1), (112, 62, 48), (202, 150, 128))
    stones = tinted(clouds(61, (40, 60), 3), (148, 144, 136), (192, 188, 180))
    for surface, mask in (
        (bricks, polygon((0, 700), (WIDTH, 668), (WIDTH, 940), (0, 1012), soft_px=1.2)),
        (stones, band(664, 636, 42, soft_px=1.2)),
        (beyond, band(1008, 936, HEIGHT, soft_px=2.5)),
    ):
        before.paste(surface, mask=mask)
    shadow = band(704, 674, 17, soft_px=5)
    before.paste((40, 28, 24), mask=shadow.point(lambda value: value * 0.5))
    foot = band(1000, 930, 34, soft_px=9)
    before.paste((44, 38, 34), mask=foot.point(lambda value: value * 0.45))
    return Backdrop(picture, before)


def playroom() -> Backdrop:
    """Out of a toy shelf: the playroom's wall, door and floor, between two boards."""
    picture = tinted(
        0.35 * clouds(71, (3, 2), 2) + downwards(0.3, 0.65), (186, 170, 142), (226, 214, 188)
    )
    pen = ImageDraw.Draw(picture)
    pen.rectangle((1262, 60, 1690, 800), fill=(222, 216, 204))
    pen.rectangle((1290, 88, 1662, 800), fill=(242, 238, 228))
    for left, right in ((1328, 1456), (1496, 1624)):
        for top, bottom in ((140, 400), (452, 740)):
            pen.rectangle((left, top, right, bottom), fill=(214, 208, 196))
            pen.rectangle((left + 8, top + 8, right, bottom), fill=(234, 230, 220))
    pen.ellipse((1302, 470, 1326, 494), fill=(164, 132, 74))
    pen.rectangle((170, 150, 720, 520), fill=(250, 248, 242))
    pen.rectangle((190, 170, 700, 500), fill=(150, 184, 206))
    pen.polygon([(190, 500), (330, 300), (452, 440), (560, 340), (700, 500)], fill=(112, 150, 110))
    pen.ellipse((560, 200, 630, 270), fill=(244, 214, 120))
    pen.rectangle((0, 742, WIDTH, 800), fill=(238, 234, 224))
    floor = wood(72, (126, 88, 56), (182, 136, 92))
    picture.paste(floor, mask=band(800, 800, HEIGHT))
    picture = picture.filter(ImageFilter.GaussianBlur(7))

    before = Image.new("RGBA", picture.size)
    board = wood(74, (146, 108, 72), (196, 156, 112))
    lit = wood(74, (176, 136, 94), (222, 184, 140))
    before.paste(board, mask=band(0, 0, 262, soft_px=3))
    before.paste((84, 58, 38), mask=band(246, 246, 22, soft_px=4))
    before.paste(lit, mask=band(838, 838, HEIGHT, soft_px=3))
    shadow = band(838, 838, 12, soft_px=5)
    before.paste((96, 66, 42), mask=shadow.point(lambda value: value * 0.6))
    return Backdrop(picture, before)


def garden_at_night() -> Backdrop:
    """The garden by the camera's own infrared lamp: grey, bright in the middle, black beyond."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (16, 16, 18))
    _hedge(picture, 81, 250, (8, 8, 9), (70, 70, 72))
    lawn = tinted(ground("grass", 300, 2.2), (20, 20, 20), (214, 214, 212))
    picture.paste(lawn, mask=band(470, 470, HEIGHT, soft_px=6))
    path = polygon((1010, 470), (1110, 470), (1560, HEIGHT), (900, HEIGHT), soft_px=6)
    picture.paste(tinted(ground("gravel", 300, 2.6), (30, 30, 30), (232, 232, 230)), mask=path)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    lamp = np.exp(-(((xs - 980) / 760) ** 2 + ((ys - 820) / 460) ** 2))
    pixels = np.asarray(picture, np.float32) * (0.10 + 0.80 * lamp[..., None])
    return Backdrop(_as_image(pixels))
