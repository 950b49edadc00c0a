"""Where it is asked for: captures in which nothing moved inherit what was seen a moment before."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime

from annotator.config import SimilarSettings
from annotator.domain import Annotation, Capture, Event
from annotator.pipeline import captured_at
from annotator.ports import Glance

MAX_EVENTS = 64
"""Of so many events the last annotation is remembered: more than ever run at once."""


@dataclass(frozen=True, slots=True)
class _Looked:
    annotation: Annotation
    glance: Glance


class Similar:
    """The last capture of each event that was really looked at, by this process.

    It is always that one a capture is compared with, never one that itself inherited: so slow
    changes add up until they show.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[Event, _Looked] = OrderedDict()

    def inherited(
        self, capture: Capture, modified_at: datetime, glance: Glance, settings: SimilarSettings
    ) -> Annotation | None:
        """The capture's annotation without looking at it; None where it has to be looked at."""
        last = self._last.get(capture.event)
        if last is None or last.annotation.capture == capture:
            return None
        now = captured_at(capture.event, modified_at)
        apart_s = abs((now - last.annotation.captured_at).total_seconds())
        if apart_s > settings.refresh_s or glance.changed(last.glance) > settings.max_changed:
            return None
        return replace(
            last.annotation,
            capture=capture,
            captured_at=now,
            inherited_from=last.annotation.capture,
        )

    def keep(self, annotation: Annotation, glance: Glance) -> None:
        """Remember what looking at a capture gave, before its faces are known."""
        event = annotation.capture.event
        self._last[event] = _Looked(annotation, glance)
        self._last.move_to_end(event)
        while len(self._last) > MAX_EVENTS:
            self._last.popitem(last=False)
