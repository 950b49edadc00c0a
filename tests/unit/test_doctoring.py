"""The doctor's round; what it finds is tested in tests/system/test_doctor.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from annotator.app.checks import Check, State, ok
from annotator.app.doctoring import isolated
from annotator.errors import ModelError


def half_way(error: Exception) -> Iterator[Check]:
    yield ok("first", "good")
    raise error


@pytest.mark.parametrize(
    ("error", "found", "next_step", "code"),
    [
        (ModelError("no model", "fetch one"), "no model", "fetch one", 6),
        (KeyError("x"), "this check failed: KeyError: 'x'", "please report it as a bug", 1),
    ],
)
def test_a_check_that_goes_wrong_is_a_problem_with_a_next_step(
    error: Exception, found: str, next_step: str, code: int
) -> None:
    assert list(isolated("one", lambda: half_way(error))) == [
        ok("first", "good"),
        Check("one", State.PROBLEM, found, next_step, code),
    ]
