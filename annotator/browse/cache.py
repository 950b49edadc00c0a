"""Pictures that were made already."""

from __future__ import annotations

from collections import OrderedDict


class PictureCache:
    """Keeps the pictures that were asked for last, `most_bytes` in all."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: str) -> bytes | None:
        picture = self._pictures.get(key)
        if picture is not None:
            self._pictures.move_to_end(key)
        return picture

    def put(self, key: str, picture: bytes) -> None:
        """One larger than an eighth of the cache is not kept: it would push too many others out."""
        if len(picture) > self._most_bytes // 8:
            return
        self.size_bytes += len(picture) - len(self._pictures.pop(key, b""))
        self._pictures[key] = picture
        while self.size_bytes > self._most_bytes:
            self.size_bytes -= len(self._pictures.popitem(last=False)[1])
