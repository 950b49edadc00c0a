"""Where a gallery's pictures go, and whose files are touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from annotator.app.albums import (
    MAX_SINGLE_FILE_BYTES,
    PICTURES,
    FolderAlbum,
    SingleFileAlbum,
    name_of,
    open_album,
)
from annotator.app.darkroom import Print, Wanted
from annotator.domain import Capture
from annotator.errors import QueryError, StoreError
from annotator.view.gallery import GalleryPage, gallery_html
from tests.fakes.seen import event, jpeg, sighting

WANTED = Wanted(Capture(event(), "00001-capture.jpg", 1), (sighting(event()),), (Print(320),))
HTML = gallery_html(GalleryPage("What was seen", "everything", ()))


def test_a_picture_is_named_by_what_is_on_it() -> None:
    name = name_of(WANTED, Print(320))
    assert name == name_of(replace(WANTED, prints=()), Print(320))
    moved = replace(WANTED, seen=(replace(WANTED.seen[0], score=0.5),))
    assert len({name, name_of(WANTED, Print(640)), name_of(moved, Print(320))}) == 3


def test_what_is_there_is_used_again_and_what_is_not_needed_goes(tmp_path: Path) -> None:
    first = FolderAlbum(tmp_path / "out")
    kept, dropped = name_of(WANTED, Print(320)), name_of(WANTED, Print(640))
    for name in (kept, dropped):
        assert not first.has(name)
        first.keep(name, jpeg())
    page = first.finish(HTML)
    own = tmp_path / "out" / PICTURES / "holiday.jpg"
    own.write_bytes(b"not ours")
    again = open_album(tmp_path / "out", single_file=False)
    assert again.has(kept)
    assert again.finish(HTML) == page == tmp_path / "out" / "index.html"
    assert sorted(one.name for one in own.parent.iterdir()) == sorted([kept, "holiday.jpg"])
    assert (page.parent / again.source(kept)).read_bytes() == jpeg()


@pytest.mark.parametrize("single_file", [False, True])
def test_somebody_elses_page_is_not_overwritten(tmp_path: Path, single_file: bool) -> None:
    (tmp_path / "index.html").write_text("<h1>my homepage</h1>")
    with pytest.raises(StoreError, match="is not a gallery of annotator"):
        open_album(tmp_path, single_file=single_file)
    assert [one.name for one in tmp_path.iterdir()] == ["index.html"]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot write"):
        FolderAlbum(tmp_path / "out")


def test_a_single_file_holds_everything(tmp_path: Path) -> None:
    album = open_album(tmp_path / "page.html", single_file=True)
    assert not album.has("a")
    album.keep("a", jpeg())
    assert album.has("a")
    assert album.source("a").startswith("data:image/jpeg;base64,")
    assert album.finish(HTML) == tmp_path / "page.html"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
    folder = open_album(tmp_path / "out", single_file=True)
    assert folder.finish(HTML) == tmp_path / "out" / "index.html"


def test_a_single_file_ends_somewhere(tmp_path: Path) -> None:
    album = SingleFileAlbum(tmp_path / "page.html")
    with pytest.raises(QueryError, match="one file would be larger than 50 MB"):
        album.keep("a", bytes(MAX_SINGLE_FILE_BYTES))
