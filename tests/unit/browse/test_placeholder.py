"""What is shown in a picture's place."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from annotator.browse.placeholder import placeholder


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_words_make_a_picture(words: str) -> None:
    picture = ElementTree.fromstring(placeholder(words).decode())
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    lines = [span.text or "" for span in picture.iter() if span.tag.endswith("tspan")]
    assert 1 <= len(lines) <= 4
    assert all(len(line) <= 44 for line in lines)


def test_the_words_are_there() -> None:
    assert b"The store does not answer." in placeholder("The store does not answer.")
    assert b"&lt;script&gt;" in placeholder("<script>")
