"""An HTML page, taken apart."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Its elements in order, as (tag, attributes); the text of each kind of element.

    An element that is not closed, or closed twice, is an error.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag in self._open[-1:]:
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def check(self) -> None:
        """What every page of ours keeps to."""
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert self.all("html")[0]["lang"] == "en"
        assert [one for one in self.all("meta") if one.get("charset") == "utf-8"]
        assert [one for one in self.all("meta") if one.get("name") == "viewport"]
        assert self.texts["title"][0].strip()
        assert all("alt" in picture for picture in self.all("img"))
        for tag, attributes in self.elements:
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            for name in ("src", "href"):
                link = attributes.get(name, "")
                assert link.startswith("data:") or ":" not in link, f"{tag} leads out: {link[:80]}"
