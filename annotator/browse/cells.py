"""How values look in Datasette's tables: pictures where a path is, links where an event is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from annotator.browse.filters import EventFilter
from annotator.browse.links import (
    capture_url,
    directory_of,
    event_url,
    look_url,
    numbered_event_url,
)
from annotator.names import stranger_name

if TYPE_CHECKING:
    from markupsafe import Markup

THUMBNAIL_PX = 160
PATH_COLUMNS = ("path", "best_path")
SHARE_COLUMNS = ("score", "probability", "share", "best_score")
"""Of 1; more than two digits only make it harder to compare."""
_PICTURES = (".jpg", ".jpeg")


def cell(column: str, value: object, row: Mapping[str, Any]) -> Markup | None:
    """A value as HTML; None where Datasette shows it as it is. `row` is the whole row."""
    if column in PATH_COLUMNS and isinstance(value, str) and value.lower().endswith(_PICTURES):
        return _picture(value)
    if column == "event" and isinstance(value, str):
        path = next((row[one] for one in PATH_COLUMNS if row.get(one)), None)
        if isinstance(path, str) and directory_of(path).endswith(value):
            return _link(event_url(directory_of(path)), value or "(all)")
        if path is None and isinstance(row.get("event_id"), int):
            return _link(numbered_event_url(row["event_id"]), value or "(all)")
    if column == "name" and isinstance(value, str) and "path" in row:
        return _link(EventFilter(name=value).url(), value)
    if column == "stranger" and isinstance(value, int) and value > 0:
        name = stranger_name(value)
        return _link(EventFilter(name=name).url(), name)
    if column in SHARE_COLUMNS and isinstance(value, float):
        return _rounded(value)
    return None


def _picture(path: str) -> Markup:
    from markupsafe import Markup

    return Markup(
        '<a class="thumb" href="{page}" title="{path}">'
        '<img src="{picture}" alt="{path}" loading="lazy" decoding="async"></a>'
    ).format(page=look_url(path), path=path, picture=capture_url(path, THUMBNAIL_PX))


def _rounded(value: float) -> Markup:
    from markupsafe import Markup

    return Markup('<span title="{exact}">{rounded}</span>').format(
        exact=repr(value), rounded=f"{value:.2f}"
    )


def _link(url: str, text: str) -> Markup:
    from markupsafe import Markup

    return Markup('<a href="{url}">{text}</a>').format(url=url, text=text)
