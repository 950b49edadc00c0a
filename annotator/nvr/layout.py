"""What the names in an event tree say. Pure: nothing here touches a disk.

A store is a root with a directory per monitor. Below it ZoneMinder arranges events in one of three
ways (its `Event::SetPath`), and a plain folder of pictures needs no arrangement at all:

    deep      <monitor>/YY/MM/DD/HH/MM/SS/NNNNN-capture.jpg
    medium    <monitor>/YYYY-MM-DD/<event id>/NNNNN-capture.jpg
    shallow   <monitor>/<event id>/NNNNN-capture.jpg
    plain     [<monitor>/[any/directories/]]any-name.jpg
    auto      deep and medium where the names have that shape; elsewhere, shallow included, as
              plain, without the pictures that ZoneMinder puts beside its captures

"auto" asks nothing but the path itself, so the same path always gets the same answer. Its one
doubt is a name of two digits just below a monitor: a year (deep) or an event's number (shallow)?
It orders as a year but is never left out for its date. Use "plain" where every JPEG counts, and
"shallow" for a large shallow store, which can then be searched by date.

Names that begin with a dot are never looked at: ZoneMinder's own links and markers, `.` and `..`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from annotator.domain import Capture, Event

_TWO_DIGITS = re.compile(r"[0-9]{2}")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_NUMBER = re.compile(r"[0-9]+")
_RUNS = re.compile(r"([0-9]+)|([^0-9]+)")
_CAPTURE = re.compile(r"([0-9]+)-capture\.jpg")
_BYPRODUCT = re.compile(r"(?:[0-9]+-analyse|snapshot|alarm|objdetect)\.jpg")

_LONGEST_NAME = 255
_LARGEST_FRAME = 2**63 - 1
_LONGEST_ID = 18  # digits

# Just under an hour, since the last moment of a directory's hour is 59:59.999999.
_LONG = timedelta(minutes=59)

IDS_AHEAD = 3
"""How many event ids beyond the last one are expected: those of monitors that record at once."""

DEFAULT_DIGITS = 5
"""The digits of a frame number that ZoneMinder is set to write (ZM_EVENT_IMAGE_DIGITS)."""

Parts = tuple[str, ...]
"""The names of the directories from a monitor's directory down; () is that directory itself."""

NaturalKey = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor's name for people and its real directory below the root ("" for the root)."""

    name: str
    directory: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A directory of the tree: a monitor's, or one below it."""

    monitor: Monitor
    parts: Parts = ()

    @property
    def path(self) -> str:
        """Relative to the root; "" is the root."""
        return "/".join(name for name in (self.monitor.directory, *self.parts) if name)

    @property
    def above(self) -> Branch:
        """The directory that this one is in; a monitor's is in itself."""
        return Branch(self.monitor, self.parts[:-1])

    def is_within(self, other: Branch) -> bool:
        """Whether it is `other` or lies somewhere below it."""
        return self.monitor == other.monitor and self.parts[: len(other.parts)] == other.parts


@dataclass(frozen=True, slots=True, order=True)
class NewestKey:
    """A directory's rank: by the latest local time its names let an event begin, then by them."""

    is_undated: bool
    last: datetime | None
    names: tuple[NaturalKey, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What the names of one directory tell.

    `frame` gives the frame number of a file that is a capture, None for any other; it is itself
    None where no captures lie. `leads` says whether directories below may hold captures. Events
    here or below began from `first` to `last`, both included, in the recorder's local time; None
    where the names tell no date, and no more than a guess, for ordering, where not `certain`.
    """

    frame: Callable[[str], int | None] | None = None
    leads: bool = False
    first: datetime | None = None
    last: datetime | None = None
    certain: bool = True

    @property
    def is_dated(self) -> bool:
        return self.first is not None and self.certain

    @property
    def is_long(self) -> bool:
        """Whether it only leads on to events of an hour or longer, so that few such are made."""
        if self.first is None or self.last is None:
            return False
        return self.leads and self.last - self.first > _LONG


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of arranging events, with the time zone in which its names are written.

    `zone` None is this computer's local time.
    """

    name: str
    zone: ZoneInfo | None = None

    @property
    def has_captures_in_root(self) -> bool:
        """Whether captures may lie in the root itself, below no monitor's directory."""
        return self.name in ("auto", "plain")

    def place(self, branch: Branch) -> Place | None:
        """What a directory is by its names; None where the layout knows no such directory."""
        place = _place(self.name, branch.parts)
        if branch.monitor.directory or place is None:
            return place
        # The directories in the root are the monitors, no part of the root's own event.
        return replace(place, leads=False) if self.has_captures_in_root else None

    def event(self, branch: Branch) -> Event:
        """The event of a directory; it has a start where it is named as ZoneMinder names one.

        In an hour that comes twice the earlier one is meant.
        """
        place = self.place(branch)
        started_at = None
        if place and place.first and place.frame is _zoneminder_frame:
            started_at = self._to_utc(place.first)
        monitor = branch.monitor
        return Event(monitor.name, monitor.directory, "/".join(branch.parts), started_at)

    def branch(self, path: str, monitors: Mapping[str, Monitor] | None = None) -> Branch | None:
        """The directory that a path relative to the root names; None where it can be none.

        `monitors` tells the monitor of a first directory, and for "" that of the root itself,
        where its name or its real directory differ. Never raises, whatever the path.
        """
        names = path.split("/") if path else []
        if not all(_is_usable(name) for name in names):
            return None
        top, parts = names[0] if names else "", tuple(names[1:])
        branch = Branch((monitors or {}).get(top) or Monitor(top or ".", top), parts)
        return branch if self.place(branch) else None

    def parse(self, path: str, monitors: Mapping[str, Monitor] | None = None) -> Capture | None:
        """The capture that a path relative to the root names; None where it can be none.

        `monitors` as for `branch`. Never raises, whatever the path.
        """
        directory, slash, file_name = path.rpartition("/")
        if not _is_usable(file_name) or (slash and not directory):
            return None
        branch = self.branch(directory, monitors)
        place = self.place(branch) if branch else None
        frame = place.frame(file_name) if place and place.frame else None
        if branch is None or frame is None:
            return None
        return Capture(self.event(branch), file_name, frame)

    def may_start_in(self, branch: Branch, since: datetime | None, until: datetime | None) -> bool:
        """False where names rule out that an event in or below `branch` began in the window."""
        place = self.place(branch)
        if place is None or (since is None and until is None):
            return place is not None
        if place.first is None or place.last is None or not place.certain:
            return True
        first = self._to_utc(place.first)
        # In an hour that comes twice an event can have begun in either.
        last = max(first, self._to_utc(place.last.replace(fold=1)))
        return (since is None or last >= since) and (until is None or first < until)

    def newest_key(self, branch: Branch) -> NewestKey:
        """Sorts directories by when their newest event can have begun; undated ones come last."""
        place = self.place(branch)
        last = place.last if place else None
        return NewestKey(last is None, last, tuple(natural_key(name) for name in branch.parts))

    def is_event_id(self, branch: Branch) -> bool:
        """Whether a directory is named by a number that tells no more of the time than above."""
        if not branch.parts or not _NUMBER.fullmatch(branch.parts[-1]):
            return False
        place, above = self.place(branch), self.place(branch.above)
        return bool(place and above) and _span(place) == _span(above)

    def successors(self, branch: Branch, last_id: int) -> tuple[Branch, ...]:
        """The directories beside `branch` that a recorder is expected to make next.

        The next date or number; of event ids, which all monitors share, those beyond `last_id`,
        the highest known. None where names cannot tell, as that of the second an event begins in.
        """
        name, place = branch.parts[-1] if branch.parts else "", self.place(branch)
        following: list[str] = []
        if place is None or len(name) > _LONGEST_ID:
            pass
        elif day := _date(name):
            following = [f"{day + timedelta(days=1):%Y-%m-%d}"] if day < date.max else []
        elif self.is_event_id(branch):
            beyond = range(last_id + 1, last_id + 1 + IDS_AHEAD)
            following = [str(number) for number in sorted({int(name) + 1, *beyond})]
        elif place.leads and _NUMBER.fullmatch(name):
            following = [f"{int(name) + 1:0{len(name)}d}"]
        beside = (Branch(branch.monitor, (*branch.parts[:-1], name)) for name in following)
        return tuple(branch for branch in beside if self.place(branch))

    def is_event(self, branch: Branch) -> bool:
        """Whether a directory is one in which ZoneMinder's captures are expected."""
        place = self.place(branch)
        if place is None or place.frame is None:
            return False
        return place.frame is _zoneminder_frame or self.is_event_id(branch)

    def _to_utc(self, local: datetime) -> datetime:
        return (local if self.zone is None else local.replace(tzinfo=self.zone)).astimezone(UTC)


def layout_named(name: str, timezone: str = "local") -> Layout:
    """The layout of that name, its times in the zone of that name or this computer's ("local")."""
    return Layout(name, None if timezone == "local" else ZoneInfo(timezone))


def natural_key(name: str) -> NaturalKey:
    """Sorts names so that numbers in them count as numbers: 9 before 10."""
    return tuple(
        (int(digits), "") if digits else (-1, text) for digits, text in _RUNS.findall(name)
    )


def is_text(name: str) -> bool:
    """False for a name that is not UTF-8, which no database or JSON file can hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(path: str) -> str:
    """A path as valid text, whatever its names are made of."""
    return path.encode("utf-8", "backslashreplace").decode()


def frame_digits(file_name: str) -> int | None:
    """How many digits ZoneMinder gave the frame number of this file; None for any other name."""
    match = _CAPTURE.fullmatch(file_name)
    return len(match[1]) if match else None


def frame_name(frame: int, digits: int) -> str:
    """ZoneMinder's name for a capture."""
    return f"{frame:0{digits}d}-capture.jpg"


def _is_usable(name: str) -> bool:
    return (
        0 < len(name) <= _LONGEST_NAME
        and not name.startswith(".")
        and "\0" not in name
        and is_text(name)
    )


def _zoneminder_frame(file_name: str) -> int | None:
    match = _CAPTURE.fullmatch(file_name)
    frame = int(match[1]) if match else None
    return frame if frame is not None and frame <= _LARGEST_FRAME else None


def _any_frame(file_name: str) -> int | None:
    """ZoneMinder's number, else the digits at the end of the name, else 0; None for no JPEG."""
    stem, _, extension = file_name.rpartition(".")
    if not stem or extension.lower() not in ("jpg", "jpeg"):
        return None
    frame = _zoneminder_frame(file_name)
    if frame is None:
        digits = stem[len(stem.rstrip("0123456789")) :]
        frame = int(digits) if digits and int(digits) <= _LARGEST_FRAME else 0
    return frame


def _any_frame_but_byproducts(file_name: str) -> int | None:
    return None if _BYPRODUCT.fullmatch(file_name) else _any_frame(file_name)


def _deep(parts: Parts) -> Place | None:
    if len(parts) > 6 or not all(_TWO_DIGITS.fullmatch(name) for name in parts):
        return None
    if not parts:
        return Place(leads=True)
    year, *rest = (int(name) for name in parts)
    return _dated(2000 + year, rest, None if len(parts) < 6 else _zoneminder_frame)


def _medium(parts: Parts) -> Place | None:
    if not parts:
        return Place(leads=True)
    date = _DATE.fullmatch(parts[0])
    if date is None or len(parts) > 2 or not all(_NUMBER.fullmatch(name) for name in parts[1:]):
        return None
    year, *rest = (int(number) for number in date.groups())
    return _dated(year, rest, None if len(parts) < 2 else _zoneminder_frame)


def _shallow(parts: Parts) -> Place | None:
    if not parts:
        return Place(leads=True)
    if len(parts) == 1 and _NUMBER.fullmatch(parts[0]):
        return Place(_zoneminder_frame)
    return None


def _plain(parts: Parts) -> Place | None:
    return Place(_any_frame, leads=True)


def _auto(parts: Parts) -> Place | None:
    dated = _medium(parts) or _deep(parts) or Place()
    if dated.frame:
        return dated
    is_year_or_number = len(parts) == 1 and _TWO_DIGITS.fullmatch(parts[0]) is not None
    return replace(
        dated, frame=_any_frame_but_byproducts, leads=True, certain=not is_year_or_number
    )


# The ends of a tree are asked about at every look.
@lru_cache(maxsize=4096)
def _place(layout: str, parts: Parts) -> Place | None:
    return _RULES[layout](parts)


_RULES: dict[str, Callable[[Parts], Place | None]] = {
    "deep": _deep,
    "medium": _medium,
    "shallow": _shallow,
    "plain": _plain,
    "auto": _auto,
}


def _span(place: Place | None) -> tuple[datetime | None, datetime | None] | None:
    return (place.first, place.last) if place else None


def _date(name: str) -> date | None:
    try:
        return date.fromisoformat(name) if _DATE.fullmatch(name) else None
    except ValueError:
        return None


def _dated(year: int, rest: list[int], frame: Callable[[str], int | None] | None) -> Place | None:
    """From year, month, day … as far as they go; None where the calendar has no such moment."""
    if not 1970 <= year < 9999:  # no recorder's; and far from where conversion overflows
        return None
    try:
        first = _moment(year, rest, (1, 1, 0, 0, 0))
        days = calendar.monthrange(year, rest[0] if rest else 12)[1]
        last = _moment(year, rest, (12, days, 23, 59, 59)).replace(microsecond=999_999)
    except ValueError:
        return None
    return Place(frame, leads=frame is None, first=first, last=last)


def _moment(year: int, rest: list[int], fill: tuple[int, ...]) -> datetime:
    month, day, hour, minute, second = (*rest, *fill[len(rest) :])
    return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the recorder's time
