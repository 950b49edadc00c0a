"""What happens before the demo's cameras: 1920 x 1080 frames, the same on every machine and day.

Each scene is a backdrop and visitors that cross it; `film` turns one into the numbered frames
that a recorder would keep. Only the clock in the picture's corner depends on when that is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from demo.backdrops import (
    HEIGHT,
    WIDTH,
    Backdrop,
    drive,
    front_door,
    garden_at_night,
    playroom,
)
from demo.nvr import Frame
from demo.pictures import ASTRONAUT, CAT, GRACE_HOPPER, Figure, cut_out

FRAMES_PER_SECOND = 5
NUMBER_STEPS = (3, 3, 6, 3, 4, 3, 9, 3)
"""From one kept frame's number to the next; the frames between raised no alarm."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A figure on its way; places are (x of the middle, y of the lower edge) in pixels."""

    figure: Figure
    scale: float
    start: tuple[float, float]
    end: tuple[float, float]
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    monitor: str
    backdrop: Callable[[], Backdrop]
    visits: tuple[Visit, ...] = ()
    seed: int = 0
    noise: float = 3.0
    steps: int = 8


FRONT_DOOR = Scene(
    "FrontDoor", front_door, (Visit(ASTRONAUT, 1.72, (440, 1090), (1040, 1090)),), seed=1
)
PLAYROOM = Scene("PlayroomDoor", playroom, (Visit(CAT, 1.95, (420, 846), (1420, 846)),), seed=2)
DRIVE = Scene(
    "Drive",
    drive,
    (
        Visit(GRACE_HOPPER, 0.80, (520, 720), (1010, 712)),
        Visit(ASTRONAUT, 0.86, (1640, 700), (1330, 704), mirrored=True),
    ),
    seed=3,
)
GARDEN = Scene("Garden", garden_at_night, seed=4, noise=7.0, steps=5)


def film(scene: Scene, started_at: datetime, first_number: int = 12) -> Iterator[Frame]:
    """The frames of one event, one by one; `started_at` is aware."""
    number = first_number
    for step in range(scene.steps):
        taken_at = started_at + timedelta(seconds=(number - first_number) / FRAMES_PER_SECOND)
        yield Frame(number, taken_at, _jpeg(picture(scene, step, taken_at)))
        number += NUMBER_STEPS[step % len(NUMBER_STEPS)]


def picture(scene: Scene, step: int, taken_at: datetime) -> Image.Image:
    """One frame with the clock in its corner."""
    return stamped(unstamped(scene, step), scene.monitor, taken_at)


def unstamped(scene: Scene, step: int) -> Image.Image:
    """One frame: what is behind, the visitors, what is before them, then the camera's faults."""
    backdrop = _backdrop(scene.backdrop)
    frame = backdrop.behind.copy()
    for visit in scene.visits:
        visitor = _visitor(visit.figure, visit.scale, visit.mirrored)
        frame.paste(visitor, place(scene, visit, step), visitor)
    if backdrop.before is not None:
        frame.paste(backdrop.before, mask=backdrop.before)
    return _lens(frame, scene, step)


def place(scene: Scene, visit: Visit, step: int) -> tuple[int, int]:
    """Where a visitor's upper left corner is in a frame, in pixels."""
    visitor = _visitor(visit.figure, visit.scale, visit.mirrored)
    share = step / max(1, scene.steps - 1)
    x = visit.start[0] + share * (visit.end[0] - visit.start[0])
    y = visit.start[1] + share * (visit.end[1] - visit.start[1])
    bob = 5 * visit.scale * np.sin(step * 1.9)  # nobody glides
    return round(x - visitor.width / 2), round(y + bob - visitor.height)


def outline_box(scene: Scene, visit: Visit, step: int) -> tuple[int, int, int, int]:
    """What is to be seen of a visitor: left, top, right, bottom in pixels; only its lower part may
    be hidden by what stands before it."""
    visitor = _visitor(visit.figure, visit.scale, visit.mirrored)
    left, top = place(scene, visit, step)
    right, bottom = min(WIDTH, left + visitor.width), min(HEIGHT, top + visitor.height)
    before = _backdrop(scene.backdrop).before
    left, top = max(0, left), max(0, top)
    if before is not None:
        middle = (left + right) // 2
        hidden = before.getchannel("A").crop((middle, top, middle + 1, bottom)).tobytes()
        # What is before a visitor's head, such as a shelf's upper board, does not hide its feet.
        free = next((at for at, alpha in enumerate(hidden) if alpha < 128), 0)
        bottom = top + next(
            (at for at, alpha in enumerate(hidden) if at > free and alpha >= 128), len(hidden)
        )
        top += free
    return left, top, right, bottom


@cache
def _backdrop(paint: Callable[[], Backdrop]) -> Backdrop:
    return paint()


@cache
def _visitor(figure: Figure, scale: float, mirrored: bool) -> Image.Image:
    cut = cut_out(figure)
    cut = cut.resize(
        (round(cut.width * scale), round(cut.height * scale)), Image.Resampling.LANCZOS
    )
    if mirrored:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    # A studio portrait is brighter and more colourful than what a camera under the eaves sees.
    mask = cut.getchannel("A")
    seen = ImageEnhance.Color(cut.convert("RGB")).enhance(0.86)
    seen = ImageEnhance.Brightness(seen).enhance(0.94)
    seen.putalpha(mask)
    return seen


def _lens(frame: Image.Image, scene: Scene, step: int) -> Image.Image:
    """Slight blur, darker corners and sensor noise."""
    frame = ImageChops.multiply(frame.filter(ImageFilter.GaussianBlur(0.8)), _vignette())
    random = np.random.default_rng((scene.seed, step))
    noise = random.normal(0, scene.noise, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return Image.fromarray((np.asarray(frame, np.float32) + noise).clip(0, 255).astype(np.uint8))


@cache
def _vignette() -> Image.Image:
    ys, xs = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    light = 255 * (1 - 0.17 * (xs**2 + ys**2))
    return Image.merge("RGB", [Image.fromarray(light.clip(0, 255).astype(np.uint8))] * 3)


def stamped(frame: Image.Image, monitor: str, taken_at: datetime) -> Image.Image:
    """The camera's name and time in the corner, white on black."""
    font = ImageFont.load_default(size=30)
    text = f"{monitor}  {taken_at:%Y-%m-%d %H:%M:%S}"
    pen = ImageDraw.Draw(frame)
    left, top, right, bottom = pen.textbbox((24, 20), text, font=font)
    pen.rectangle((left - 8, top - 6, right + 8, bottom + 6), fill=(0, 0, 0))
    pen.text((24, 20), text, font=font, fill=(240, 240, 240))
    return frame


def _jpeg(frame: Image.Image) -> bytes:
    buffer = io.BytesIO()
    frame.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
