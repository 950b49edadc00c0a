"""The daily report in a real browser."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotator.domain import Failure, Reason
from annotator.view.report import Fact, Place, Report, Tally, Visitor, report_html
from tests.fakes.seen import NOON, jpeg

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("monitor", ["PlayroomDoor", "M" * 255])
def test_it_fits_a_phone_whatever_things_are_called(
    browser: Browser, tmp_path: Path, monitor: str
) -> None:
    html = report_html(
        Report(
            title="16 Nov 2026 to 22 Nov 2026",
            days=7,
            made_at=NOON + timedelta(days=1),
            events=3,
            empty=0,
            visitors=(Visitor("a" * 80, True, 3, NOON, NOON, (monitor,), jpeg("red")),),
            more_unknown=0,
            places=(Place(monitor, 3, (Tally("p" * 80, 3),), jpeg("blue"), "person 0.9"),),
            bars=(Tally("Mon 16", 3),),
            bars_are="events by the day",
            unusual=(f"{monitor}: 3 events",),
            compared="28 days before",
            unseen=1,
            failures=(Failure("1/" + "b" * 200, Reason.TRUNCATED, "c" * 200),),
            more_failures=0,
            state=(Fact("running", "d" * 200),),
        )
    )
    file = tmp_path / "report.html"
    file.write_text(html)
    page = browser.new_page(viewport={"width": 360, "height": 780})
    page.goto(file.as_uri())
    wide, room = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    page.close()
    assert wide == room
