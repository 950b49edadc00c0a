"""Which captures are meant: a window, or paths, as conditions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, Table, and_, func, or_, true

from annotator.domain import Window
from db.schema import event, monitor
from db.values import printable, to_ms


def in_window(table: Table, window: Window) -> ColumnElement[bool]:
    """Whether a table's capture, joined with its event and monitor, is one of the window.

    As for the tree, monitors go by their name or their directory, and an event that does not tell
    its start was begun with its first capture.
    """
    return and_(lies_below(table, window.paths), _of_events(window))


def event_in_window(window: Window) -> ColumnElement[bool]:
    """Whether an event, joined with its monitor, may have captures of the window."""
    return and_(event_meets(window.paths), _of_events(window))


def event_meets(paths: Sequence[str]) -> ColumnElement[bool]:
    """Whether an event, joined with its monitor, has one of these paths, or lies below or above
    one; no path means all."""
    directory = _below(monitor.c.directory).concat(_below(event.c.path))
    places = [f"{printable(path).rstrip('/')}/".lstrip("/") for path in paths]
    return (
        or_(
            *(
                or_(
                    func.substr(directory, 1, len(place)) == place,
                    func.substr(place, 1, func.length(directory)) == directory,
                )
                for place in places
            )
        )
        if places
        else true()
    )


def _of_events(window: Window) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if window.monitors:
        names = [printable(name) for name in window.monitors]
        conditions.append(or_(monitor.c.name.in_(names), monitor.c.directory.in_(names)))
    if window.since is not None:
        conditions.append(event.c.started_at >= to_ms(window.since))
    if window.until is not None:
        conditions.append(event.c.started_at < to_ms(window.until))
    return and_(*conditions)


def lies_below(table: Table, paths: Sequence[str]) -> ColumnElement[bool]:
    """Whether a table's capture has one of these paths or lies below one; no path means all."""
    return or_(*(_is_or_lies_below(table, path) for path in paths)) if paths else true()


def _is_or_lies_below(table: Table, path: str) -> ColumnElement[bool]:
    place = printable(path).rstrip("/")
    if not place:  # the store's root
        return true()
    below = f"{place}/"
    # Not LIKE, to which `_` and `%` mean something.
    itself = _path(table)
    return or_(itself == place, func.substr(itself, 1, len(below)) == below)


def _path(table: Table) -> ColumnElement[str]:
    usual = func.printf(event.c.frame_format, table.c.frame)
    name = func.iif(table.c.file_name == "", usual, table.c.file_name)
    return _below(monitor.c.directory).concat(_below(event.c.path)).concat(name)


def _below(directory: ColumnElement[str]) -> ColumnElement[str]:
    return func.iif(directory == "", "", directory.concat("/"), type_=String)
