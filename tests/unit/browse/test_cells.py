"""How values look in Datasette's tables."""

from __future__ import annotations

import pytest

from annotator.browse.cells import cell

PATH = "Hall/17/00007-capture.jpg"
HOSTILE = "\"><script>alert(1)</script>/<img src=x onerror=alert(1)>'.jpg"


def test_a_path_becomes_a_thumbnail_that_leads_to_the_capture() -> None:
    shown = str(cell("path", PATH, {"path": PATH}))
    assert f'href="/-/look/{PATH}"' in shown
    assert f'src="/-/capture/{PATH}?w=160"' in shown
    assert 'loading="lazy"' in shown


@pytest.mark.parametrize("value", ["Hall/17", None, 7, b"x.jpg"])
def test_what_is_no_picture_stays(value: object) -> None:
    assert cell("path", value, {"path": value}) is None


def test_an_event_leads_to_its_page_where_the_row_tells_its_folder() -> None:
    row = {"event": "17", "best_path": PATH}
    assert str(cell("event", "17", row)) == '<a href="/-/event/Hall/17">17</a>'
    assert cell("event", "17", {"event": "17"}) is None
    assert cell("event", "18", row) is None
    assert str(cell("event", "17", {"event_id": 5})) == '<a href="/-/event-5">17</a>'


def test_names_and_strangers_lead_to_their_events() -> None:
    row = {"name": "anna", "path": PATH}
    assert str(cell("name", "anna", row)) == '<a href="/-/events?name=anna">anna</a>'
    assert cell("name", "anna", {"name": "anna"}) is None  # a table's own name, such as label's
    shown = str(cell("stranger", 17, {}))
    assert shown == '<a href="/-/events?name=stranger-017">stranger-017</a>'


def test_scores_have_two_digits_and_keep_the_others() -> None:
    assert str(cell("score", 0.73046875, {})) == '<span title="0.73046875">0.73</span>'
    assert cell("score", None, {}) is None


@pytest.mark.parametrize("column", ["path", "name", "event"])
def test_names_of_files_and_people_are_only_text(column: str) -> None:
    row = {"path": f"{HOSTILE}/{HOSTILE}" if column == "event" else HOSTILE}
    shown = str(cell(column, HOSTILE, row))
    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert shown.count('"') % 2 == 0
