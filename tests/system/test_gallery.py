"""The gallery, made by the command from a real store and database, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotator.clock import SystemClock
from db.engine import open_database
from db.store import SqlStore
from tests.fakes.seen import event, jpeg, recorded
from tests.system.conftest import House, comes_true, furnish

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
"""A name that is a page's end wherever it is not escaped; a monitor's has no slash."""
DAY_MIN = 24 * 60


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Five events of three days; of one capture the file is broken."""
    made = furnish(tmp_path_factory.mktemp("house"))
    evil = replace(event(-2 * DAY_MIN), monitor=EVIL.replace("/", "|"), monitor_directory="9")
    every = (
        (event(0), 3, "person", "Anna"),
        (event(10, "Yard"), 2, "cat", None),
        (event(20), 1, "person", None),
        (event(-DAY_MIN, "Yard"), 4, "person", "Ben"),
        (evil, 1, "person", EVIL),
    )
    with open_database(made.folder / "annotator.sqlite", forbidden_root=None) as database:
        store = SqlStore(database, SystemClock())
        for of, frames, label, name in every:
            annotations = list(recorded(of, frames, label, name))
            store.record(annotations, [])
            for one in annotations:
                path = made.store / one.capture.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(jpeg("darkgreen"))
    (made.store / event(10, "Yard").directory / "00001-capture.jpg").write_bytes(b"broken")
    return made


@pytest.fixture(scope="module")
def gallery(house: House) -> Path:
    done = house.run("gallery", "-o", "out", code=3)
    assert done.stdout.strip() == "out/index.html"
    assert "5 events; 15 pictures drawn\n" in done.stderr
    assert "00001-capture.jpg: it does not begin as a JPEG does" in done.stderr
    assert "1 capture could not be shown" in done.stderr
    return house.folder / "out" / "index.html"


@pytest.fixture(params=["desktop", "phone"])
def page(browser: Browser, gallery: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, opened; at the end nothing was complained of, and nothing left the file system."""
    if request.param == "phone":
        context = browser.new_context(
            viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True
        )
    else:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints, requests = list[str](), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto(gallery.as_uri())
    yield page
    hacked = page.evaluate("window.hacked")
    context.close()
    assert hacked is None
    assert complaints == []
    assert all(url.startswith(("file://", "data:")) for url in requests), requests


def shown(page: Page) -> list[str]:
    """The monitor of each event that is to be seen, in their order."""
    cards = page.locator(".card:visible")
    return [cards.nth(n).locator(".when span").first.inner_text() for n in range(cards.count())]


def test_events_are_there_newest_first_with_their_pictures(page: Page) -> None:
    assert shown(page)[:4] == ["Door", "Yard", "Door", "Yard"]
    assert page.locator("section:visible").count() == 3
    page.locator(".card img").last.scroll_into_view_if_needed()
    comes_true(
        page, "[...document.querySelectorAll('.card img')].every(i => i.complete && i.naturalWidth)"
    )
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0


def test_filters_are_instant_and_esc_takes_them_back(page: Page) -> None:
    page.select_option("#who", "Anna")
    assert shown(page) == ["Door"]
    page.select_option("#who", "unknown")
    assert shown(page) == ["Door"]
    page.select_option("#who", "")
    page.select_option("#monitor", "Yard")
    assert shown(page) == ["Yard", "Yard"]
    page.select_option("#label", "cat")
    assert page.locator("#count").inner_text() == "1 of 5 events"
    page.select_option("#day", "2024-04-30")
    assert shown(page) == []
    assert page.locator("#nothing").is_visible()
    page.keyboard.press("Escape")
    comes_true(page, "document.querySelectorAll('.card:not([hidden])').length === 5")
    page.keyboard.press("/")
    page.keyboard.type("ben yard")
    assert shown(page) == ["Yard"]


def test_an_event_opens_and_turns_by_keys(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    viewer, words = page.locator("#viewer"), page.locator("#viewer figcaption")
    assert viewer.is_visible()
    # The best capture first: the last of three, by its score.
    assert "3 of 3: person 0.53 (Anna 0.90)" in words.inner_text()
    page.keyboard.press("ArrowLeft")
    assert "2 of 3" in words.inner_text()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert "1 of 3" in words.inner_text()
    comes_true(page, "document.querySelector('#viewer img').naturalWidth === 640")
    page.keyboard.press("j")
    assert page.locator("#viewer-title").inner_text().startswith("Yard, Tuesday, 30 April 2024")
    page.keyboard.press("Escape")
    assert not viewer.is_visible()
    # The one that was last looked at; the dialog says that it has closed a moment later.
    comes_true(page, "document.activeElement.closest('.card')?.dataset.at === '3'")


def test_an_event_opens_by_hand_and_closes_by_its_button(page: Page) -> None:
    page.locator(".card a").nth(2).click()
    page.locator("#viewer .previous").click()
    assert "2 of 3" in page.locator("#viewer figcaption").inner_text()
    page.locator("#viewer .strip button").first.click()
    assert "1 of 3" in page.locator("#viewer figcaption").inner_text()
    page.locator("#viewer .close").click()
    assert not page.locator("#viewer").is_visible()


def test_a_swipe_turns_to_the_next_picture(page: Page) -> None:
    page.locator(".card a").nth(2).click()
    swipe = """(dx) => {
      const figure = document.querySelector("#viewer figure");
      const at = (x) => new Touch({identifier: 1, target: figure, clientX: x, clientY: 300});
      figure.dispatchEvent(new TouchEvent("touchstart", {touches: [at(200)]}));
      figure.dispatchEvent(new TouchEvent("touchend", {changedTouches: [at(200 + dx)]}));
    }"""
    page.evaluate(swipe, 90)
    assert "2 of 3" in page.locator("#viewer figcaption").inner_text()
    page.evaluate(swipe, -90)
    assert "3 of 3" in page.locator("#viewer figcaption").inner_text()


def test_what_cannot_be_read_has_a_reason_in_its_place(page: Page) -> None:
    page.select_option("#label", "cat")
    page.locator(".card:visible a").click()
    page.keyboard.press("Home")
    assert "does not begin as a JPEG does" in page.locator("#viewer .none").inner_text()
    assert not page.locator("#viewer img").is_visible()


def test_names_are_text_and_can_be_chosen(page: Page) -> None:
    page.select_option("#who", EVIL)
    assert shown(page) == [EVIL.replace("/", "|")]
    page.locator(".card:visible a").click()
    assert EVIL in page.locator("#viewer figcaption").inner_text()


def test_the_keys_are_told(page: Page) -> None:
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_again_only_what_is_new_is_drawn(house: House, gallery: Path) -> None:
    pictures = gallery.parent / "pictures"
    before = {one.name: one.stat().st_mtime_ns for one in pictures.iterdir()}
    again = house.run("gallery", "-o", "out", code=3).stderr
    assert "0 pictures drawn, 15 were there already" in again
    assert {one.name: one.stat().st_mtime_ns for one in pictures.iterdir()} == before
    fewer = house.run("gallery", "--name", "Ben", "-o", "out").stderr
    assert "1 event; 0 pictures drawn, 5 were there already" in fewer
    assert len(list(pictures.iterdir())) == 5
    house.run("gallery", "-o", "out", code=3)


def test_one_file_has_everything_in_it(house: House, browser: Browser) -> None:
    house.run("gallery", "--single-file", "-o", "alone/page.html", code=3)
    assert [one.name for one in (house.folder / "alone").iterdir()] == ["page.html"]
    page = browser.new_page()
    page.goto((house.folder / "alone" / "page.html").as_uri())
    page.locator(".card a").first.click()
    comes_true(page, "document.querySelector('#viewer img').naturalWidth === 640")
    page.close()


def test_without_scripts_there_is_no_filter_and_a_click_shows_the_picture(
    browser: Browser, gallery: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(gallery.as_uri())
    assert not page.locator("form").is_visible()
    page.locator(".card a").first.click()
    assert page.url.endswith(".jpg")
    context.close()


def test_nothing_fits(house: House, browser: Browser) -> None:
    done = house.run("gallery", "--since", "2024-01-01", "--until", "2024-01-02", "-o", "empty")
    assert done.stderr.startswith("nothing was seen that fits; ")
    page = browser.new_page()
    page.goto((house.folder / "empty" / "index.html").as_uri())
    assert "Nothing was seen that fits" in page.inner_text("body")
    page.close()


def test_more_events_than_asked_for_are_said(house: House) -> None:
    done = house.run("gallery", "--limit", "1", "-o", "short")
    assert "more events fit: --limit says" in done.stderr
