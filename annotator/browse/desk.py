"""Pictures over HTTP: looked up in the database, made off the event loop, remembered.

Only a path that the database knows is ever read. The answer's tag (ETag) tells path, size and what
is drawn, so that a browser's question whether a picture has changed costs a look into the database
and no read from the store.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from annotator.browse.cache import PictureCache
from annotator.browse.links import cut_from, path_from, width_from
from annotator.browse.needs import Lookup, Pictures
from annotator.browse.placeholder import placeholder
from annotator.domain import BoundingBox, Capture, Reason, Sighting
from annotator.errors import CaptureUnreadable, StoreUnavailable
from annotator.ports import SightingQueries

CACHE_BYTES = 32 * 2**20
MAKERS = 2
"""So many pictures are made at a time."""
MOST_WAITING = 200
"""More pictures than on a long page, and whoever asks is told to come again."""
FRESH = "private, max-age=60"

GONE = "The recorder has deleted this capture."
SILENT = "The store does not answer."
BUSY = "Too many pictures are being made. Try again."


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND = Reply(404, b"The database knows no such capture.\n")


class PictureDesk:
    def __init__(
        self,
        lookup: Lookup,
        questions: SightingQueries,
        pictures: Pictures,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._lookup = lookup
        self._questions = questions
        self._pictures = pictures
        self._cache = PictureCache(cache_bytes)
        self._waiting = 0
        self._makers = ThreadPoolExecutor(MAKERS, thread_name_prefix="picture")
        self._lookers = ThreadPoolExecutor(MAKERS, thread_name_prefix="lookup")

    async def answer(self, raw_path: str, asked: Mapping[str, str], known_tags: str = "") -> Reply:
        """`raw_path` and `asked` are of the address, `known_tags` is the header If-None-Match."""
        path = path_from(raw_path)
        try:
            width_px, cut = width_from(asked.get("w")), cut_from(asked.get("cut"))
        except ValueError as error:
            return Reply(400, f"{error}\n".encode())
        if not path:
            return NOT_FOUND
        with_boxes = asked.get("boxes", "1") != "0" and cut is None
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._lookers, self._find, path, with_boxes)
        if found is None:
            return NOT_FOUND
        capture, seen = found
        tag = _tag(path, width_px, cut, seen)
        headers = (("ETag", tag), ("Cache-Control", FRESH))
        if tag in known_tags:
            return Reply(304, b"", headers=headers)
        picture = self._cache.get(tag)
        if picture is None:
            if self._waiting >= MOST_WAITING:
                return _instead(503, BUSY)
            self._waiting += 1
            try:
                picture = await loop.run_in_executor(
                    self._makers, self._pictures.make, capture, seen, width_px, cut
                )
            except CaptureUnreadable as error:
                if error.reason is Reason.VANISHED:
                    return _instead(410, GONE)
                return _instead(422, f"This capture cannot be shown: {error}")
            except StoreUnavailable:
                return _instead(503, SILENT)
            finally:
                self._waiting -= 1
            self._cache.put(tag, picture)
        return Reply(200, picture, "image/jpeg", headers)

    def close(self) -> None:
        """End what is being made; returns when no thread is left."""
        self._pictures.close()
        for executor in (self._makers, self._lookers):
            executor.shutdown(wait=True, cancel_futures=True)

    def _find(self, path: str, with_boxes: bool) -> tuple[Capture, tuple[Sighting, ...]] | None:
        capture = self._lookup.capture(path)
        if capture is None:
            return None
        seen = self._questions.seen_in(capture) if with_boxes else None
        return capture, seen or ()


def _instead(status: int, words: str) -> Reply:
    return Reply(status, placeholder(words), "image/svg+xml", (("Cache-Control", "no-store"),))


def _tag(
    path: str, width_px: int | None, cut: BoundingBox | None, seen: tuple[Sighting, ...]
) -> str:
    told = repr((path, width_px, cut, [_drawn(one) for one in seen]))
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


def _drawn(one: Sighting) -> tuple[object, ...]:
    """What of a sighting is to be seen on its picture."""
    return one.label, one.score, one.box, one.face_box, one.name, one.probability, one.verdict
