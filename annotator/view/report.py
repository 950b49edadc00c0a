"""A digest of a day or a week, as a page, and as a mail.

The markup is what mail programs show: tables and inline styles, no script, no SVG. A page carries
its pictures as data URIs; a mail as parts of its own, since many mail programs drop data URIs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from annotator.domain import Failure
from annotator.view.page import data_uri, template
from annotator.view.words import clock, many, minute, short_day

HIGHEST_BAR_PX = 78
CONTENT_DOMAIN = "annotator.invalid"

Source = Callable[[bytes], str]
"""Makes the URL of a JPEG."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person, a stranger or somebody unknown, and a JPEG of the face, b"" where there is none."""

    name: str
    known: bool
    events: int
    first_at: datetime
    last_at: datetime
    monitors: tuple[str, ...]
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class Tally:
    """In how many events: of a label, an hour or a day, as `what` has it."""

    what: str
    events: int


@dataclass(frozen=True, slots=True)
class Place:
    """A monitor, what it saw most, and a JPEG of its best capture, with what is on it."""

    monitor: str
    events: int
    labels: tuple[Tally, ...]
    picture: bytes = b""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the program's state."""

    what: str
    found: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a digest says.

    `events` are those in which something was seen, `empty` the others; `unseen` captures wait or
    could not be looked at, of which `failures` are some and `more_failures` are not listed.
    `compared` says what `unusual` was held against, "" where there was too little.
    """

    title: str
    days: int
    made_at: datetime
    events: int
    empty: int
    visitors: tuple[Visitor, ...]
    more_unknown: int
    places: tuple[Place, ...]
    bars: tuple[Tally, ...]
    bars_are: str
    unusual: tuple[str, ...]
    compared: str
    unseen: int
    failures: tuple[Failure, ...]
    more_failures: int
    state: tuple[Fact, ...]


def report_html(report: Report, source: Source = data_uri) -> str:
    """The page; self-contained unless `source` says otherwise."""
    highest = max((bar.events for bar in report.bars), default=0)
    return template("report.html").render(
        report=report,
        summary=summary(report),
        people=[
            {
                "name": one.name,
                "unknown": not one.known,
                "picture": source(one.picture) if one.picture else "",
                "when": _when(one, report),
                "where": ", ".join(one.monitors),
            }
            for one in report.visitors
        ],
        monitors=[
            {
                "name": one.monitor,
                "picture": source(one.picture) if one.picture else "",
                "told": one.told,
                "events": many(one.events, "event"),
                "labels": _labels(one.labels),
            }
            for one in report.places
        ],
        bars=[
            {
                "label": bar.what,
                "count": bar.events,
                "px": max(2, round(HIGHEST_BAR_PX * bar.events / highest)),
            }
            for bar in report.bars
        ]
        if highest
        else [],
        spoken=", ".join(f"{bar.what}: {bar.events}" for bar in report.bars if bar.events),
        unseen=_unseen(report),
        made=minute(report.made_at),
    )


def report_mail(report: Report) -> bytes:
    """The same as a message, with the pictures attached and a plain text beside; who it is from and
    to is for whoever sends it."""
    pictures: dict[bytes, str] = {}

    def source(jpeg: bytes) -> str:
        number = pictures.setdefault(jpeg, f"{len(pictures) + 1}@{CONTENT_DOMAIN}")
        return f"cid:{number}"

    message = EmailMessage(policy=SMTP)
    message["Subject"] = report.title
    message["Date"] = format_datetime(report.made_at)
    message.set_content(report_text(report))
    message.add_alternative(report_html(report, source), subtype="html")
    _, page = message.iter_parts()
    assert isinstance(page, EmailMessage)
    for jpeg, number in pictures.items():
        page.add_related(jpeg, "image", "jpeg", cid=f"<{number}>", disposition="inline")
    return message.as_bytes()


def report_text(report: Report) -> str:
    """The same in words alone."""
    lines = [report.title, summary(report), ""]
    lines += [f"Unusual: {one}" for one in report.unusual]
    lines += [
        f"{one.name}: {_when(one, report)}, {', '.join(one.monitors)}" for one in report.visitors
    ]
    lines += [
        f"{one.monitor}: {many(one.events, 'event')}, {_labels(one.labels)}"
        for one in report.places
    ]
    lines += [_unseen(report), *(f"{one.what}: {one.found}" for one in report.state)]
    return "\n".join(lines) + "\n"


def summary(report: Report) -> str:
    """How many events there were."""
    if not report.events and not report.empty:
        return "There were no events."
    words = f"{many(report.events, 'event')} in which something was seen"
    return f"{words}, {report.empty} in which nothing was" if report.empty else words


def _when(one: Visitor, report: Report) -> str:
    def moment(when: datetime) -> str:
        return clock(when) if report.days == 1 else f"{short_day(when)} {clock(when)}"

    if one.events == 1:
        return f"once, {moment(one.first_at)}"
    return f"{one.events} times, from {moment(one.first_at)} to {moment(one.last_at)}"


def _labels(labels: Sequence[Tally]) -> str:
    return ", ".join(f"{one.what} in {one.events}" for one in labels)


def _unseen(report: Report) -> str:
    failed = len(report.failures) + report.more_failures
    if not report.unseen and not failed:
        return "Everything was looked at."
    waiting = max(0, report.unseen - failed)
    parts = []
    if failed:
        parts.append(f"{many(failed, 'capture')} could not be looked at")
    if waiting:
        parts.append(f"{many(waiting, 'capture')} still {'waits' if waiting == 1 else 'wait'}")
    return " and ".join(parts) + "."
