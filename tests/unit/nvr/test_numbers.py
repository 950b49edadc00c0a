"""The recorder's numbers of events, by their names and by hidden links."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator.domain import Event
from annotator.nvr.numbers import EventNumbers, is_told_by_the_store, number_in_name


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("2024-05-01/4711", "4711"),
        ("4711", "4711"),
        ("", None),
        ("holidays", None),
        ("2024-05-01", None),
        ("24/05/01/18/30/00", None),
    ],
)
def test_a_name_tells_or_does_not(path: str, number: str | None) -> None:
    event = Event("Door", "1", path)
    assert number_in_name(event) == number
    assert is_told_by_the_store(event) == (path.count("/") == 5)


def test_in_a_deep_store_a_link_in_the_days_directory_tells(tmp_path: Path) -> None:
    day = tmp_path / "1" / "24" / "05" / "01"
    for time in ("18/30/00", "19/00/05"):
        (day / time).mkdir(parents=True)
    (day / ".4711").symlink_to("18/30/00")
    (day / ".notes").symlink_to("19/00/05")
    (day / "4712").symlink_to("19/00/05")
    numbers = EventNumbers(tmp_path)
    assert numbers.of(Event("Door", "1", "24/05/01/18/30/00")) == "4711"
    assert numbers.of(Event("Door", "1", "24/05/01/19/00/05")) is None
    assert numbers.of(Event("Door", "1", "24/05/02/18/30/00")) is None, "that day is gone"
