"""Addresses of pages and pictures, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.browse.links import (
    WIDTHS,
    capture_url,
    cut_from,
    event_url,
    look_url,
    path_from,
    width_from,
)
from annotator.domain import BoundingBox

names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=7).map("/".join)


@given(paths)
def test_a_path_comes_back_from_its_address(path: str) -> None:
    for url in (capture_url(path, 320), look_url(path), event_url(path)):
        raw = url.split("/", 3)[3].partition("?")[0]
        assert raw.isascii()
        assert path_from(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        "..",
        "../a.jpg",
        "a/../b.jpg",
        "a/%2e%2e/b.jpg",
        "a/%2E./b.jpg",
        "./a.jpg",
        "/etc/passwd",
        "//etc/passwd",
        "a//b.jpg",
        "a/",
        "%2fetc%2fpasswd",
        "a%2Fb.jpg",
        "a%2f..%2fb.jpg",
        "a.jpg%00",
        "%00",
        "%ff.jpg",
        "%c0%af%c0%ae",  # slashes in more bytes than UTF-8 allows
        "%ed%a0%80.jpg",  # half a surrogate pair
        "a" * 256,
        "%C3%A4" * 128,
        "a/" * 10_000 + "a.jpg",
    ],
)
def test_what_is_odd_is_no_path(raw: str) -> None:
    assert path_from(raw) is None


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_no_address_gives_a_path_that_leads_out(raw: str) -> None:
    path = path_from(raw)
    assert path is None or path == "" or not {"", ".", ".."} & set(path.split("/"))
    assert path is None or ("\0" not in path and not path.startswith("/"))


def test_percent_signs_and_question_marks_are_only_letters_of_a_name() -> None:
    assert path_from("100%25/what%3F/a%20b.jpg") == "100%/what?/a b.jpg"


def test_few_widths_are_served() -> None:
    assert [width_from(str(width)) for width in (1, 160, 161, 1920)] == [160, 160, 320, 1920]
    assert width_from("1921") is None
    assert width_from(None) is None
    assert tuple(sorted(WIDTHS)) == WIDTHS


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1e3", "12.5", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 9]
)
def test_what_is_no_width(text: str) -> None:
    with pytest.raises(ValueError, match="w is a width"):
        width_from(text)


def test_a_cut_is_a_box() -> None:
    box = BoundingBox(10, 20, 110, 120)
    url = capture_url("a.jpg", 160, cut=box)
    assert url == "/-/capture/a.jpg?w=160&cut=10%2C20%2C110%2C120"
    assert cut_from("10,20,110,120") == box
    for text in ("", "1,2,3", "5,5,1,1", "a,b,c,d", "1,2,3,-4", "1,2,3,99999999"):
        with pytest.raises(ValueError, match="box"):
            cut_from(text)
