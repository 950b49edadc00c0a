"""The digest as a page, as a mail and as words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

from annotator.domain import Failure, Reason
from annotator.view.report import (
    Fact,
    Place,
    Report,
    Tally,
    Visitor,
    report_html,
    report_mail,
    report_text,
)
from tests.fakes.pages import Page
from tests.fakes.seen import NOON, jpeg

EVIL = "<b onclick=x>Eve</b>\r\nBcc: a@b"
FULL = Report(
    title="Wednesday, 1 May 2024",
    days=1,
    made_at=NOON + timedelta(days=1),
    events=12,
    empty=2,
    visitors=(
        Visitor("anna", True, 3, NOON, NOON + timedelta(hours=4), ("Door", "Yard"), jpeg("red")),
        Visitor(EVIL, True, 1, NOON, NOON, ("Door",)),
        Visitor("unknown", False, 1, NOON, NOON, ("Door",), jpeg("green")),
    ),
    more_unknown=2,
    places=(Place("Door", 9, (Tally("person", 8), Tally("cat", 1)), jpeg("blue"), "person 0.9"),),
    bars=tuple(Tally(f"{hour:02d}", hour % 5) for hour in range(24)),
    bars_are="events by the hour",
    unusual=("3 events; usually 11",),
    compared="28 days before",
    unseen=5,
    failures=(Failure("1/a/00001-capture.jpg", Reason.TRUNCATED, "it ends early"),),
    more_failures=1,
    state=(Fact("running", "nothing"),),
)
EMPTY = Report(
    "Thursday, 2 May 2024", 1, NOON, 0, 0, (), 0, (), (), "", (), "", 0, (), 0, ()
)  # fmt: skip


def test_a_page_is_sound_and_says_everything() -> None:
    html = report_html(FULL)
    page = Page(html)
    page.check()
    assert not page.all("script")
    assert sum(one["src"].startswith("data:image/jpeg") for one in page.all("img")) == 3
    for words in (
        "12 events in which something was seen, 2 in which nothing was",
        "3 events; usually 11",
        "2 captures could not be looked at and 3 captures still wait.",
        "and 2 more events with unknown people",
        "1/a/00001-capture.jpg: it ends early",
    ):
        assert words in html
    assert EVIL.split("\r")[0] in "".join(page.texts["strong"])


def test_a_quiet_day_says_so() -> None:
    html = report_html(EMPTY)
    Page(html).check()
    for words in (
        "There were no events.",
        "Nobody&#39;s face was seen.",
        "Nothing was seen.",
        "Everything was looked at.",
        "There is too little from before to tell what is unusual.",
    ):
        assert words.replace("&#39;", "'") in html.replace("&#39;", "'")
    usual = report_html(replace(EMPTY, compared="28 days before"))
    assert "Nothing unusual, compared with the 28 days before." in usual


def test_a_mail_has_the_page_the_pictures_and_the_words() -> None:
    message = message_from_bytes(report_mail(FULL), policy=default)
    assert message["Subject"] == FULL.title
    assert message["Bcc"] is None
    html = message.get_body(("html",))
    text = message.get_body(("plain",))
    assert html is not None and text is not None
    pictures = [part for part in message.walk() if part.get_content_type() == "image/jpeg"]
    ids = {part["Content-ID"].strip("<>") for part in pictures}
    used = {one["src"].removeprefix("cid:") for one in Page(html.get_content()).all("img")}
    assert used == ids
    assert len(ids) == 3
    assert "anna: 3 times, from " in text.get_content()


def test_the_words_alone_are_enough() -> None:
    words = report_text(FULL)
    assert "Unusual: 3 events; usually 11" in words
    assert "Door: 9 events, person in 8, cat in 1" in words
