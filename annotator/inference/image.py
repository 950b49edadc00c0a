"""JPEG bytes -> RGB at the scale asked for; regions fitted to a network, with the exact way back.

A capture is decoded once, reduced by libjpeg's DCT scaling as far as the detector allows; the full
resolution is decoded when somebody first needs it, and kept. A file that is cut or broken fails
when it is decoded, never later: the reduced decode reads every bit that the full one reads.

EXIF orientation is ignored on purpose: a box is pixels of the stored capture.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from annotator.domain import BoundingBox, Reason, clipped_box
from annotator.errors import CaptureUnreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    """RGB, height x width x 3."""

JPEG_MAGIC = b"\xff\xd8\xff"
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"

MAX_SCAN_MEGAPIXELS = 2_000.0
"""A progressive JPEG may say "go over the whole picture again" in a dozen bytes, thousands of times
over. Encoders write about ten scans; this allows 40 over the largest picture of the default
`max_megapixels`."""


class Fit(StrEnum):
    """How a region of a capture is brought to a network's input."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"


@dataclass(frozen=True, slots=True)
class Resize:
    """Where a region of the capture lies inside a network's input, and so the way back.

    `left`, `top`, `width` and `height` say which part of the input the region fills, each as a
    fraction of the input; the rest is padding.
    """

    region: BoundingBox
    capture_width: int
    capture_height: int
    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def to_capture(self, ymin: float, xmin: float, ymax: float, xmax: float) -> BoundingBox | None:
        """Network coordinates (fractions of the input) -> pixels of the capture, cut at its edges.

        None where nothing of the box lies inside the capture.
        """
        return clipped_box(
            self._x(xmin),
            self._y(ymin),
            self._x(xmax),
            self._y(ymax),
            self.capture_width,
            self.capture_height,
        )

    def _x(self, x: float) -> float:
        return self.region.xmin + (x - self.left) / self.width * self.region.width

    def _y(self, y: float) -> float:
        return self.region.ymin + (y - self.top) / self.height * self.region.height


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """What a network is fed, and how its answers map back to the capture."""

    pixels: Pixels
    resize: Resize


class Picture:
    """A decoded capture. Sizes and boxes are pixels of the capture, whatever was decoded so far."""

    def __init__(self, jpeg: bytes, width: int, height: int, reduced: Image.Image, scale: int):
        self._jpeg = jpeg
        self._reduced = reduced
        self._scale = scale
        self._pixels: Pixels | None = None
        self.width = width
        self.height = height

    @property
    def whole(self) -> BoundingBox:
        return BoundingBox(0, 0, self.width, self.height)

    @property
    def reduction(self) -> int:
        """How many times smaller than the capture it was decoded: 1, 2, 4 or 8."""
        return self._scale

    def pixels(self) -> Pixels:
        """The capture at full resolution, RGB; decoded at most once."""
        if self._pixels is None:
            import numpy as np

            if self._scale > 1:
                self._reduced, self._scale = _decoded(_opened(self._jpeg), self._jpeg), 1
            self._pixels = np.asarray(self._reduced)
        return self._pixels

    def fitted(
        self, width: int, height: int, fit: Fit, region: BoundingBox | None = None
    ) -> NetworkInput:
        """`region` (default: all) resized to `width` x `height`, padded with black by LETTERBOX.

        Uses what is decoded already where that is not coarser than the network's input.
        """
        import numpy as np

        region = region or self.whole
        inner_width, inner_height = width, height
        if fit is Fit.LETTERBOX:
            scale = min(width / region.width, height / region.height)
            inner_width = max(1, min(width, round(region.width * scale)))
            inner_height = max(1, min(height, round(region.height * scale)))
        if region.width < inner_width * self._scale or region.height < inner_height * self._scale:
            self.pixels()
        # Pillow's BILINEAR averages over all source pixels when it shrinks, so nothing aliases.
        fitted = self._reduced.resize(
            (inner_width, inner_height),
            Image.Resampling.BILINEAR,
            box=(
                region.xmin / self._scale,
                region.ymin / self._scale,
                region.xmax / self._scale,
                region.ymax / self._scale,
            ),
        )
        left, top = (width - inner_width) // 2, (height - inner_height) // 2
        if (inner_width, inner_height) != (width, height):
            padded = Image.new("RGB", (width, height))
            padded.paste(fitted, (left, top))
            fitted = padded
        resize = Resize(
            region,
            self.width,
            self.height,
            left=left / width,
            top=top / height,
            width=inner_width / width,
            height=inner_height / height,
        )
        return NetworkInput(np.asarray(fitted), resize)


Need = Callable[[int, int], tuple[int, int]]
"""How finely a capture of so many pixels must be decoded: the least width and height to come."""


def decode(jpeg: bytes, *, max_megapixels: float, need: Need | None = None) -> Picture:
    """A picture decoded no coarser than `need` says; None decodes at full resolution.

    Raises CaptureUnreadable; `final` is False for what may be a file that is still being written.
    """
    image = _opened(jpeg)
    width, height = image.size
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise CaptureUnreadable(
            Reason.TOO_LARGE,
            f"{width} x {height} is {megapixels:.1f} megapixels; "
            f"[inference] max_megapixels is {max_megapixels:g}",
        )
    if image.mode not in ("RGB", "L"):
        raise CaptureUnreadable(
            Reason.UNSUPPORTED, f"{image.mode} colours; only RGB and grey JPEGs are looked at"
        )
    scans = jpeg.count(START_OF_SCAN)
    if image.info.get("progressive") and scans * megapixels > MAX_SCAN_MEGAPIXELS:
        raise CaptureUnreadable(
            Reason.UNSUPPORTED, f"{scans} progressive scans of {megapixels:.1f} megapixels"
        )
    drafted = image.draft(None, need(width, height)) if need else None
    scale = round(width / drafted[1][2]) if drafted else 1
    return Picture(jpeg, width, height, _decoded(image, jpeg), scale)


def _opened(jpeg: bytes) -> JpegImageFile:
    """The header, read. Not `Image.open`: that also tries other formats, warns, and refuses large
    pictures by a limit that is global to the process."""
    if not jpeg:
        raise CaptureUnreadable(Reason.EMPTY, "the file is empty", final=False)
    if not jpeg.startswith(JPEG_MAGIC):
        if JPEG_MAGIC.startswith(jpeg) or not jpeg.strip(b"\0"):
            raise CaptureUnreadable(
                Reason.TRUNCATED, "nothing but its beginning is written", final=False
            )
        raise CaptureUnreadable(Reason.NOT_JPEG, "it does not begin as a JPEG does")
    try:
        return JpegImageFile(io.BytesIO(jpeg))
    except MemoryError:
        raise
    except Exception as error:  # a hostile header raises nearly anything
        raise _unreadable(error, jpeg) from error


def _decoded(image: JpegImageFile, jpeg: bytes) -> Image.Image:
    try:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise _unreadable(error, jpeg) from error


def _unreadable(error: Exception, jpeg: bytes) -> CaptureUnreadable:
    message = str(error) or type(error).__name__
    if "cannot handle" in message and "-bit layers" in message:
        return CaptureUnreadable(Reason.UNSUPPORTED, f"{message}; only 8-bit JPEGs are looked at")
    ended = jpeg.rfind(END_OF_IMAGE) > jpeg.rfind(START_OF_SCAN)
    if ended:
        return CaptureUnreadable(Reason.CORRUPT, message)
    return CaptureUnreadable(Reason.TRUNCATED, f"{message}; it has no end", final=False)
