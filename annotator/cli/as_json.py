"""Answers as JSON; docs/cli.md describes the shapes and a test holds them. Times are UTC.

Put together by hand, since there may be millions of rows: as dictionaries that `json` encodes each
takes more than twice as long.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from annotator.cli.output import utc_time
from annotator.names import stranger_name

if TYPE_CHECKING:
    from annotator.domain import BoundingBox, EventSummary, PersonSummary, Sighting

quoted = json.JSONEncoder(ensure_ascii=False).encode


def sighting_json(one: Sighting) -> str:
    """One row of `query`."""
    return (
        f'{{"captured_at": "{utc_time(one.captured_at)}", "monitor": {quoted(one.monitor)}, '
        f'"event": {quoted(one.event)}, "frame": {one.frame}, "label": {quoted(one.label)}, '
        f'"id": {one.class_id}, "score": {one.score!r}, "box": {_box(one.box)}, '
        f'"face": {_text(one.name)}, "faceProba": {_number(one.probability)}, '
        f'"faceBox": {_box(one.face_box)}, "verdict": {_text(one.verdict)}, '
        f'"path": {quoted(one.path)}, "stay": {_text(one.stay)}, '
        f'"stranger": {_stranger(one.stranger)}, "face_id": {_number(one.face_id)}}}'
    )


def event_json(one: EventSummary) -> str:
    """One row of `events` and `empty-events`."""
    labels = ", ".join(
        f'{{"label": {quoted(seen.label)}, "detections": {seen.detections}, '
        f'"best_score": {seen.best_score!r}}}'
        for seen in one.labels
    )
    people = ", ".join(
        f'{{"name": {quoted(seen.name)}, "share": {seen.share!r}, "faces": {seen.faces}}}'
        for seen in one.people
    )
    return (
        f'{{"monitor": {quoted(one.event.monitor)}, "event": {quoted(one.event.path)}, '
        f'"directory": {quoted(one.event.directory)}, "began_at": "{utc_time(one.began_at)}", '
        f'"ended_at": "{utc_time(one.ended_at)}", "duration_s": {one.duration.total_seconds()!r}, '
        f'"captures": {one.captures}, "unseen": {one.unseen}, "labels": [{labels}], '
        f'"people": [{people}], "best": {sighting_json(one.best) if one.best else "null"}, '
        f'"gone": {"true" if one.gone else "false"}}}'
    )


def person_json(one: PersonSummary) -> str:
    """One row of `people`."""
    monitors = ", ".join(
        f'{{"monitor": {quoted(seen.monitor)}, "events": {seen.events}, "faces": {seen.faces}, '
        f'"last_at": "{utc_time(seen.last_at)}"}}'
        for seen in one.monitors
    )
    return (
        f'{{"name": {quoted(one.name)}, "events": {one.events}, "faces": {one.faces}, '
        f'"first": {sighting_json(one.first)}, "last": {sighting_json(one.last)}, '
        f'"monitors": [{monitors}]}}'
    )


def _box(box: BoundingBox | None) -> str:
    if box is None:
        return "null"
    return f'{{"xmin": {box.xmin}, "ymin": {box.ymin}, "xmax": {box.xmax}, "ymax": {box.ymax}}}'


def _text(text: str | None) -> str:
    return "null" if text is None else quoted(text)


def _stranger(number: int | None) -> str:
    return "null" if number is None else quoted(stranger_name(number))


def _number(number: float | None) -> str:
    return "null" if number is None else repr(number)
