"""The gallery's page as text; tests/system/test_gallery.py opens it in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from annotator.domain import Identity
from annotator.view.gallery import Card, GalleryPage, Shot, gallery_html
from tests.fakes.pages import Page
from tests.fakes.seen import event, frame, sighting, summary

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028"


def card(
    minute: int, monitor: str = "Door", name: str | None = "anna", src: str = "p/a.jpg"
) -> Card:
    of = event(minute, monitor)
    verdict = None if name else str(Identity.UNKNOWN)
    frames = [frame(of, n, sighting(of, n, name=name, verdict=verdict)) for n in (1, 2, 3)]
    shots = tuple(Shot(one, src, "" if src else "it is no longer there") for one in frames)
    return Card(summary(of, frames), src, shots, best=1)


def page(*cards: Card) -> str:
    return gallery_html(GalleryPage("What was seen", "person · Door", cards))


def data_of(html: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    told: list[dict[str, object]] = json.loads(found[1])
    return told


def test_a_page_is_sound_and_complete() -> None:
    html = page(card(0), card(-60 * 24, "Yard", None))
    parsed = Page(html)
    parsed.check()
    assert [text.split("\n")[0].strip() for text in parsed.texts["h2"]][:2] == [
        "Wednesday, 1 May 2024",
        "Tuesday, 30 April 2024",
    ]
    assert sum("data-at" in attributes for attributes in parsed.all("li")) == 2
    assert [one["loading"] for one in parsed.all("img") if "loading" in one] == ["lazy", "lazy"]
    told = data_of(html)
    assert [one["people"] for one in told] == [["anna"], ["unknown"]]
    assert told[0]["best"] == 1
    assert len(told[0]["shots"]) == 3  # type: ignore[arg-type]


def test_nothing_is_said_to_be_nothing() -> None:
    parsed = Page(page())
    parsed.check()
    assert "Nothing was seen that fits: person · Door" in " ".join(parsed.texts["p"])
    assert not parsed.all("form")


def test_what_cannot_be_read_has_a_place_and_a_reason() -> None:
    parsed = Page(page(card(0, src="")))
    assert "no picture: it is no longer there" in parsed.texts["span"]


def test_what_the_recorder_deleted_says_so() -> None:
    one = card(0)
    html = page(replace(one, summary=replace(one.summary, gone=True)))
    assert "deleted by the recorder" in html


def test_names_are_text_whatever_they_are() -> None:
    html = page(card(0, HOSTILE.replace("/", "\u2215"), HOSTILE), card(1, "Door", HOSTILE))
    parsed = Page(html)
    parsed.check()
    assert len(parsed.all("script")) == 2, "the page's data and the page's script"
    assert HOSTILE in parsed.texts["option"]
    assert data_of(html)[1]["people"] == [HOSTILE]


def test_the_policy_lets_only_the_pages_own_script_run() -> None:
    html = page(card(0))
    parsed = Page(html)
    (policy,) = (
        one["content"]
        for one in parsed.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )
    for tag in ("style", "script"):
        text = parsed.texts[tag][-1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


@pytest.mark.parametrize("stranger", [None, 17])
def test_strangers_are_unknown_people_too(stranger: int | None) -> None:
    of = event()
    one = sighting(of, verdict=str(Identity.UNKNOWN), stranger=stranger)
    frames = [frame(of, 1, one)]
    html = page(Card(summary(of, frames), "a.jpg", (Shot(frames[0], "a.jpg"),)))
    people = data_of(html)[0]["people"]
    assert people == (["unknown"] if stranger is None else ["stranger-017", "unknown"])
    assert Page(html).texts["option"][1] == "unknown"
