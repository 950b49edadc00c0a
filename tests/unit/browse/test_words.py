"""What the templates say of times and labels."""

from __future__ import annotations

from datetime import datetime

from annotator.browse.words import brief_date, brief_day, colour

NOW = datetime(2024, 5, 3, 0, 30).astimezone()


def test_a_day_is_said_as_people_say_it() -> None:
    assert brief_day(datetime(2024, 5, 3, 0, 1).astimezone(), NOW) == "Today"
    assert brief_day(datetime(2024, 5, 2, 23, 59).astimezone(), NOW) == "Yesterday"
    assert brief_day(datetime(2024, 5, 1, 23, 59).astimezone(), NOW) == "Wed 1 May"
    assert brief_day(datetime(2023, 12, 31, 12).astimezone(), NOW) == "Sun 31 Dec 2023"
    assert brief_date("2020-02-29") == "Sat 29 Feb 2020"


def test_a_label_has_its_colour_of_the_pictures() -> None:
    assert colour("person") == "#0072b2"
