"""What a page of events shows, as its address says it; pure but for the local time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from annotator.calendar import local_days
from annotator.domain import UNKNOWN_NAME, CaptureQuery
from annotator.errors import QueryError
from annotator.names import stranger_number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Everything is "" where it filters nothing.

    `name` is a person, "unknown" or stranger-017; `day` an ISO date, local; `before` milliseconds
    since 1970, where the page before this one ended.
    """

    monitor: str = ""
    label: str = ""
    name: str = ""
    day: str = ""
    before: str = ""

    @classmethod
    def from_address(cls, asked: Mapping[str, str]) -> EventFilter:
        """Raises QueryError for what cannot be a filter."""
        given = {name: asked.get(name, "").strip() for name in cls.__slots__}
        if any(len(value) > _LONGEST for value in given.values()):
            raise QueryError("this filter is too long", "go back and choose another")
        found = cls(**given)
        found.query(1)
        return found

    def query(self, limit: int) -> CaptureQuery:
        since, until = None, None
        if self.day:
            try:
                day = date.fromisoformat(self.day)
                span = local_days(day, day)
            except (ValueError, OverflowError):
                raise QueryError(f"{self.day!r} is no day", "give one as 2024-05-01") from None
            since, until = span.since, span.until
        if self.before:
            before = _moment(self.before)
            until = before if until is None else min(before, until)
        stranger = stranger_number(self.name)
        return CaptureQuery(
            monitors=(self.monitor,) if self.monitor else (),
            labels=(self.label,) if self.label else (),
            names=(self.name,) if self.name and stranger is None else (),
            strangers=() if stranger is None else (stranger,),
            since=since,
            until=until,
            limit=limit,
        )

    def url(self, **changes: str) -> str:
        """The address of the page with other filters; it begins with the newest again, unless
        `before` is among them."""
        changed = replace(self, **{"before": "", **changes})
        given = {name: value for name in self.__slots__ if (value := getattr(changed, name))}
        return f"/-/events?{urlencode(given)}" if given else "/"

    def older(self, until: datetime) -> str:
        """The address of the page after this one."""
        return self.url(before=str((until - EPOCH) // timedelta(milliseconds=1)))

    @property
    def title(self) -> str:
        """In few words; "" where nothing is filtered."""
        who = "unknown people" if self.name == UNKNOWN_NAME else self.name
        return " · ".join(word for word in (who, self.label, self.monitor, self.day) if word)


def _moment(text: str) -> datetime:
    try:
        if not text.isascii() or not text.isdecimal() or len(text) > 15:
            raise ValueError
        return EPOCH + timedelta(milliseconds=int(text))
    except (ValueError, OverflowError):
        raise QueryError(f"{text!r} is no time", "go back to the first page") from None
