"""Is a JPEG all there? Judged by its bytes, because sizes lie on a network mount."""

from __future__ import annotations

import re

from annotator.domain import Reason
from annotator.errors import CaptureUnreadable

SOI = b"\xff\xd8"
_EOI, _SOS = 0xD9, 0xDA

# 0xFF and the code of a marker that ends the picture or begins a segment. Left out are the codes
# that do neither: 00 (a stuffed 0xFF of picture data), FF (fill), D0-D7 (restart), D8 and 01.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")


def is_complete_jpeg(data: bytes) -> bool:
    """Whether the picture that begins at byte 0 goes on to its own end marker.

    Segments are stepped over by their length (ITU-T T.81, annex B), so that the end marker of a
    thumbnail inside a segment does not count; whatever follows the picture, such as a camera's own
    trailer, does not matter.
    """
    if not data.startswith(SOI):
        return False
    position, scans = len(SOI), 0
    while marker := _MARKER.search(data, position):
        code, position = data[marker.end() - 1], marker.end()
        if code == _EOI:
            return scans > 0
        # A length counts its own two bytes, so less than 2 is damage; going on is safe.
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
        scans += code == _SOS
    return False


def require_whole(data: bytes, max_bytes: int) -> None:
    """Raise CaptureUnreadable unless this is a complete JPEG of allowed size.

    The error is not final where the file may only be unfinished.
    """
    if len(data) > max_bytes:
        raise CaptureUnreadable(
            Reason.TOO_LARGE,
            f"it is larger than {max_bytes / 1e6:g} MB; "
            "raise [store] max_capture_mb if that is right",
        )
    if not data:
        raise CaptureUnreadable(Reason.EMPTY, "the file is empty", final=False)
    if not SOI.startswith(data[: len(SOI)]):
        # Zeros may be space that was set aside and is still being filled.
        raise CaptureUnreadable(
            Reason.NOT_JPEG, "it does not begin as a JPEG does", final=any(data[:16])
        )
    if not is_complete_jpeg(data):
        raise CaptureUnreadable(
            Reason.TRUNCATED,
            f"it ends before its picture does, after {len(data)} bytes",
            final=False,
        )
