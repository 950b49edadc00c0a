"""Where a gallery's pictures go: into a folder beside its page, or into the page itself.

A picture's name is made from what is on it, so that one that is there already is the right one.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Protocol

from annotator.app.darkroom import Print, Wanted
from annotator.errors import QueryError, StoreError
from annotator.view.gallery import GENERATOR
from annotator.view.page import data_uri

PAGE = "index.html"
PICTURES = "pictures"
STYLE_OF_DRAWING = "2"
"""To be raised whenever pictures are drawn differently, so that all are made anew."""
MAX_SINGLE_FILE_BYTES = 50 * 10**6
"""Browsers open larger pages, but not on a phone."""

_OURS = re.compile(r"annotator-[0-9a-f]{24}\.jpg(\.part)?")
_HEAD_BYTES = 2000


def name_of(wanted: Wanted, one: Print) -> str:
    """The same for the same picture with the same things drawn on it."""
    said = (STYLE_OF_DRAWING, wanted.capture.path, wanted.seen, one)
    return f"annotator-{hashlib.sha256(repr(said).encode()).hexdigest()[:24]}.jpg"


class Album(Protocol):
    def has(self, name: str) -> bool:
        """Whether the picture is there."""

    def keep(self, name: str, jpeg: bytes) -> None:
        """Raises StoreError where it cannot be written, QueryError where it is too much."""

    def source(self, name: str) -> str:
        """The URL of a picture that is there, for the page."""

    def finish(self, html: str) -> Path:
        """Write the page; where it is. Raises StoreError."""


class FolderAlbum:
    """`index.html` in a folder, and the pictures in a folder of that."""

    def __init__(self, root: Path) -> None:
        """Raises StoreError where the folder cannot be used."""
        self._root = root
        self._page = root / PAGE
        self._used: set[str] = set()
        _refuse_foreign(self._page)
        _make(root / PICTURES)

    def has(self, name: str) -> bool:
        self._used.add(name)
        return (self._root / PICTURES / name).is_file()

    def keep(self, name: str, jpeg: bytes) -> None:
        self._used.add(name)
        _write(self._root / PICTURES / name, jpeg)

    def source(self, name: str) -> str:
        return f"{PICTURES}/{name}"

    def finish(self, html: str) -> Path:
        """Also removes the pictures that this program once made and the page does not need."""
        _write(self._page, html.encode())
        with os.scandir(self._root / PICTURES) as entries:
            for entry in entries:
                ours = _OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                if ours and entry.name not in self._used:
                    Path(entry.path).unlink(missing_ok=True)
        return self._page


class SingleFileAlbum:
    """One page that holds its pictures."""

    def __init__(self, page: Path) -> None:
        """Raises StoreError where the page's folder cannot be used."""
        self._page = page
        self._pictures: dict[str, str] = {}
        self._bytes = 0
        _refuse_foreign(page)
        _make(page.parent)

    def has(self, name: str) -> bool:
        return name in self._pictures

    def keep(self, name: str, jpeg: bytes) -> None:
        uri = data_uri(jpeg)
        self._bytes += len(uri)
        if self._bytes > MAX_SINGLE_FILE_BYTES:
            raise QueryError(
                f"one file would be larger than {MAX_SINGLE_FILE_BYTES / 1e6:.0f} MB",
                "ask for less with --limit or --frames-per-event, or leave out --single-file",
            )
        self._pictures[name] = uri

    def source(self, name: str) -> str:
        return self._pictures[name]

    def finish(self, html: str) -> Path:
        _write(self._page, html.encode())
        return self._page


def open_album(output: Path, *, single_file: bool) -> Album:
    """For `-o`: a folder; or, of a single file, its name, if it ends as one of a page does."""
    if not single_file:
        return FolderAlbum(output)
    is_page = output.suffix.lower() in (".html", ".htm")
    return SingleFileAlbum(output if is_page else output / PAGE)


def _refuse_foreign(page: Path) -> None:
    """A page that is there has to be one of ours, or it stays."""
    try:
        with page.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(page, error) from error
    if f'content="{GENERATOR}"'.encode() not in head:
        raise StoreError(
            f"{page} is not a gallery of annotator, and is not overwritten",
            "name another place with --output",
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error


def _write(target: Path, content: bytes) -> None:
    """At once or not at all."""
    part = target.with_name(f"{target.name}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unusable(target, error) from error


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {path}: {error.strerror}", "name another place with --output")
