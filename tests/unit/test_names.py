from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import QueryError
from annotator.names import MAX_CHARACTERS, person_name, stranger_name, stranger_number


@given(st.text())
def test_a_name_is_one_line_that_can_be_a_folder(text: str) -> None:
    try:
        name = person_name(text)
    except QueryError as error:
        assert error.next_step
        return
    assert 1 <= len(name) <= MAX_CHARACTERS
    assert name == name.strip()
    assert name.isprintable()
    assert not {"/", "\0", "\n"} & set(name)
    assert not name.startswith(".")
    assert person_name(name) == name


@pytest.mark.parametrize("name", ["Zoë", "Grandma Anna", "O'Neil", "大輔", "Anna 2", "stranger"])
def test_people_are_called_as_they_are(name: str) -> None:
    assert person_name(f"  {name} ") == name


@given(st.integers(0, 10**9 - 1))
def test_strangers_are_told_by_their_numbers(number: int) -> None:
    assert stranger_number(stranger_name(number)) == number


def test_a_stranger_has_three_digits_at_least() -> None:
    assert stranger_name(17) == "stranger-017"
    assert stranger_number("Stranger-17") == 17
    for other in ("stranger", "stranger-", "stranger-x", "17", "stranger-1234567890"):
        assert stranger_number(other) is None
