"""What every question has in common: which sightings are meant."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from annotator.cli.options import NumberRange
from annotator.cli.when import DAY, HOURS, WEEKDAYS, WHEN
from annotator.domain import UNKNOWN_NAME, CaptureQuery, Order
from annotator.names import stranger_number

if TYPE_CHECKING:
    from annotator.calendar import Span
    from annotator.domain import Hours

F = TypeVar("F", bound=Callable[..., Any])

_WHERE = (
    click.option("--monitor", "monitors", multiple=True, help="Only this monitor."),
    click.option(
        "--event", "events", multiple=True, help="Only this event, as `annotator query` names it."
    ),
)
_WHAT = (
    click.option("--label", "labels", multiple=True, help="Only this label, such as person."),
    click.option(
        "--name", "names", multiple=True, help="Only this person, `unknown`, or stranger-017."
    ),
    click.option("--unknown", is_flag=True, help="Only unknown people, as --name unknown."),
    click.option("--no-face", is_flag=True, help="Only what has no face at all."),
    click.option(
        "--stationary", is_flag=True, help="What is only still there, like a parked car, as well."
    ),
    click.option("--min-score", type=NumberRange(0, 1), help="Detections at least this sure."),
    click.option("--min-probability", type=NumberRange(0, 1), help="Names at least this probable."),
    click.option(
        "--min-box",
        "min_box_px",
        type=click.IntRange(min=1),
        help="Boxes whose shorter side has at least so many pixels.",
    ),
    click.option(
        "--max-box",
        "max_box_px",
        type=click.IntRange(min=1),
        help="Boxes whose shorter side has at most so many pixels.",
    ),
)
_WHEN = (
    click.option("--since", type=WHEN, help="From then on: 2024-05-01, 3d, 'yesterday 18:00'."),
    click.option("--until", type=WHEN, help="Before then."),
    click.option("--on", type=DAY, help="All of it: yesterday, 'last night', may, '1-14 august'."),
    click.option("--between", "hours", type=HOURS, help="Those hours: 22:00-06:00."),
    click.option(
        "--weekday", "weekdays", multiple=True, type=WEEKDAYS, help="friday, mon-thu, weekend."
    ),
)
_HOW_MANY = (
    click.option(
        "--order",
        type=click.Choice([str(one) for one in Order]),
        default=str(Order.NEWEST),
        help="What comes first.",
    ),
    click.option("--limit", type=click.IntRange(min=1), help="At most so many."),
)


def filter_options(
    *, what: bool = True, when: bool = True, order: bool = True, limit: int | None = None
) -> Callable[[F], F]:
    """Add the filters; the command gets them as one CaptureQuery named `question`.

    `what` leaves out what is about sightings and not about events, `when` what is about times,
    `order` what is about their order and number; `limit` is how many there are where nobody says.
    """
    options = (
        *_WHERE,
        *(_WHAT if what else ()),
        *(_WHEN if when else ()),
        *(_HOW_MANY if order else ()),
    )

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def with_question(**given: Any) -> Any:
            taken = {name: given.pop(name) for name in FILTERS & given.keys()}
            taken["limit"] = taken.get("limit") or limit
            return command(question=query_from(**taken), **given)

        decorated: Any = with_question
        for option in reversed(options):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def query_from(
    *,
    names: Sequence[str] = (),
    unknown: bool = False,
    no_face: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    on: Span | None = None,
    weekdays: Sequence[tuple[int, ...]] = (),
    order: str = Order.NEWEST,
    **rest: Any,
) -> CaptureQuery:
    """Raises click.UsageError where nothing can fit."""
    if on is not None:
        if since is not None or until is not None:
            raise click.UsageError("--on is a time of its own: leave out --since and --until")
        on = _with_nights(on, rest.get("hours"))
        since, until = on.since, on.until
    _refuse_empty_time(since, until)
    if unknown:
        names = (*names, UNKNOWN_NAME)
    if no_face and (names or rest.get("min_probability") is not None):
        raise click.UsageError("what has no face has no name: leave out --no-face or the name")
    smallest, largest = rest.get("min_box_px"), rest.get("max_box_px")
    if smallest is not None and largest is not None and smallest > largest:
        raise click.UsageError("no box fits: --min-box is larger than --max-box")
    strangers = {name: number for name in names if (number := stranger_number(name)) is not None}
    return CaptureQuery(
        names=tuple(dict.fromkeys(name for name in names if name not in strangers)),
        strangers=tuple(dict.fromkeys(strangers.values())),
        no_face=no_face,
        since=since,
        until=until,
        weekdays=tuple(sorted({day for days in weekdays for day in days})),
        order=Order(order),
        **rest,
    )


def _with_nights(on: Span, hours: Hours | None) -> Span:
    """Of whole days all nights that begin on them, and none that began before, as with weekdays."""
    from annotator.calendar import Span, local_days, local_hours

    first = on.since.astimezone().date()
    last = (on.until - timedelta.resolution).astimezone().date()
    if hours is None or hours.since < hours.until or on != local_days(first, last):
        return on
    return Span(local_hours(first, hours).since, local_hours(last, hours).until)


def _refuse_empty_time(since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None and since >= until:
        raise click.UsageError(
            f"no time is between --since {_local(since)} and --until {_local(until)}"
        )
    if since is not None and since > datetime.now(UTC) + timedelta(days=1):
        raise click.UsageError(f"nothing was seen yet: {_local(since)} is in the future")


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


FILTERS = frozenset(
    {
        *("monitors", "events", "labels", "names", "unknown", "no_face", "stationary"),
        *("min_score", "min_probability", "min_box_px", "max_box_px"),
        *("since", "until", "on", "hours", "weekdays", "order", "limit"),
    }
)
