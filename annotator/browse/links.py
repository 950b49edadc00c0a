"""Addresses of pages and pictures, and back; pure.

A path below the store's root may hold any character but NUL; in an address every name is percent-
encoded by itself, so that a slash in an address is always one between names.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlencode

from annotator.domain import BoundingBox

LONGEST_PATH = 4096
LONGEST_NAME = 255

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920)
"""Of thumbnails, in pixels; few, so that the cache serves them again."""


def capture_url(
    path: str, width_px: int | None = None, *, boxes: bool = True, cut: BoundingBox | None = None
) -> str:
    """The picture of a capture."""
    asked: dict[str, object] = {}
    if width_px is not None:
        asked["w"] = width_px
    if not boxes:
        asked["boxes"] = 0
    if cut is not None:
        asked["cut"] = f"{cut.xmin},{cut.ymin},{cut.xmax},{cut.ymax}"
    query = f"?{urlencode(asked)}" if asked else ""
    return f"/-/capture/{quote(path)}{query}"


def look_url(path: str) -> str:
    """The page of one capture."""
    return f"/-/look/{quote(path)}"


def event_url(directory: str) -> str:
    """The page of one event."""
    return f"/-/event/{quote(directory)}"


def numbered_event_url(event_id: int) -> str:
    """Leads to an event's page by the `event_id` that the views have."""
    return f"/-/event-{event_id}"


def directory_of(path: str) -> str:
    """Of a capture's path, its event's directory."""
    return path.rpartition("/")[0]


def path_from(raw: str) -> str | None:
    """The path that the end of an address, still encoded, stands for; None for anything odd.

    Never `..`, an absolute path, an encoded slash, NUL, what is not UTF-8, or what is too long for
    a file system. "" stands for the root itself.
    """
    if not raw:
        return ""
    if len(raw) > 3 * LONGEST_PATH:
        return None
    names = []
    for part in raw.split("/"):
        try:
            name = unquote_to_bytes(part).decode()
        except (UnicodeDecodeError, UnicodeEncodeError):
            return None
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            return None
        if len(name.encode()) > LONGEST_NAME:
            return None
        names.append(name)
    return "/".join(names)


def width_from(text: str | None) -> int | None:
    """The width to serve for one that was asked for; None for the whole picture.

    Raises ValueError.
    """
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or int(text) == 0:
        raise ValueError("w is a width in pixels, such as w=320")
    return next((width for width in WIDTHS if width >= int(text)), None)


def cut_from(text: str | None) -> BoundingBox | None:
    """The box to cut out. Raises ValueError."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(
        one.isascii() and one.isdecimal() and len(one) <= 6 for one in parts
    ):
        raise ValueError("cut is a box in pixels, such as cut=10,20,110,120")
    return BoundingBox(*map(int, parts))
