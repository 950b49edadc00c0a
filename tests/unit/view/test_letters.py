"""Names in letters that Pillow's own font has, or has not. Matplotlib, which the tests have, brings
DejaVu along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from annotator.view.letters import OWN, Letters, font_files, letters_for

NAMES = ["Jörg", "Zoë", "Weiß", "Åsa", "Łukasz Đurić", "Иван Щукин", "Ελένη"]


def test_pillows_own_font_is_taken_where_it_will_do() -> None:
    assert letters_for([]).file == OWN
    assert letters_for(["person 0.93", "Anna", "FrontDoor"]).file == OWN


@pytest.mark.parametrize("name", NAMES)
def test_another_one_draws_other_names_as_they_are(name: str) -> None:
    letters = letters_for(["person 0.93", name])
    assert "DejaVu" in letters.file
    assert letters.written(name) == name
    assert letters.written("Zoe\u0308") == "Zoë"


def test_without_one_they_are_written_in_english_letters() -> None:
    assert [letters_for([name], files=[OWN]).written(name) for name in NAMES] == [
        *("Jorg", "Zoe", "Weiss", "Asa", "Lukasz Duric", "Ivan Shchukin", "Eleni")
    ]


def test_what_no_font_has_is_a_question_mark() -> None:
    assert letters_for(["王"], files=[OWN]).written("王 \U0010ffff") == "? ?"


@given(st.text(max_size=40), st.sampled_from(font_files()))
def test_any_text_can_be_drawn(text: str, file: str) -> None:
    letters = Letters(file)
    written = letters.written(text)
    assert letters.written(written) == written, "every letter of it is there"
    pen = ImageDraw.Draw(Image.new("L", (64, 16)))
    pen.text((0, 0), " ".join(written.split()), font=letters.font(9), fill=255)
