"""Which sightings a rule of [[notify]] means, and which of them ring.

Pure but for the machine's time zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from annotator.calendar import hours, spans, weekdays
from annotator.config import NotifyRule
from annotator.domain import UNKNOWN_NAME, Hours, Identity, Sighting, Stay
from annotator.notices import Key, Notice

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sorted:
    """What a number of sightings means: one notice for each key, and what is too old to ring."""

    notices: tuple[Notice, ...]
    too_old: frozenset[Key]


def means(rule: NotifyRule, seen: Sighting) -> bool:
    """Whether a sighting fits a rule, however old it is.

    What is only still there, or was a moment before it left, is no news.
    """
    return (
        seen.stay not in (Stay.STILL_THERE, Stay.LEFT)
        and (not rule.labels or seen.label in rule.labels)
        and (not rule.monitors or seen.monitor in rule.monitors)
        and (not rule.names or _name(seen) in rule.names)
        and seen.score >= rule.min_score
        and (not rule.min_probability or (seen.probability or 0.0) >= rule.min_probability)
        and rule.min_box_px <= min(seen.box.width, seen.box.height) <= rule.max_box_px
        and _is_time(rule, seen.captured_at)
    )


def sort(rules: Sequence[NotifyRule], seen: Iterable[Sighting], now: datetime) -> Sorted:
    """Hold sightings against rules. A notice has the best of the sightings that it is about."""
    best: dict[Key, Notice] = {}
    too_old: set[Key] = set()
    for one in seen:
        for rule in rules:
            if means(rule, one):
                person = (_name(one) or "") if rule.names else ""
                notice = Notice(rule.name, person, one, now)
                key = notice.key
                if (now - one.captured_at).total_seconds() > rule.max_age_s:
                    too_old.add(key)
                elif key not in best or _is_better(one, best[key].sighting):
                    best[key] = notice
    return Sorted(tuple(best.values()), frozenset(too_old - best.keys()))


def ringing(
    notices: Iterable[Notice],
    known: Collection[Key],
    last_rung: Mapping[tuple[str, str], datetime],
    quiet_s: Mapping[str, float],
) -> tuple[Notice, ...]:
    """Those that are to be told: not what has rung already, nor what comes while a rule is quiet.

    `last_rung` is by rule and person, `quiet_s` by rule.
    """
    last = dict(last_rung)
    rung = []
    for notice in sorted(notices, key=lambda one: one.sighting.captured_at):
        seen_at, whose = notice.sighting.captured_at, (notice.rule, notice.person)
        before = last.get(whose)
        is_quiet = before is not None and (
            abs((seen_at - before).total_seconds()) < quiet_s.get(notice.rule, 0.0)
        )
        if notice.key not in known and not is_quiet:
            rung.append(notice)
            last[whose] = seen_at
    return tuple(rung)


def stands(notice: Notice, people: Collection[str]) -> bool:
    """Whether it is still true, now that the event's faces say that these people were there."""
    return not notice.person or not people or notice.person in people


def _name(seen: Sighting) -> str | None:
    """Whose face it is, or `UNKNOWN_NAME`; None where nobody could tell."""
    return seen.name or (UNKNOWN_NAME if seen.verdict == Identity.UNKNOWN else None)


def _is_better(one: Sighting, other: Sighting) -> bool:
    return (one.probability or 0.0, one.score) > (other.probability or 0.0, other.score)


def _is_time(rule: NotifyRule, moment: datetime) -> bool:
    if not rule.hours and not rule.weekdays:
        return True
    asked, days = _read(rule.hours, rule.weekdays)
    return any(True for _ in spans(asked, days, moment, moment + _INSTANT))


@cache
def _read(text: str, days: tuple[str, ...]) -> tuple[Hours | None, tuple[int, ...]]:
    """A rule's times, read once and not for every sighting."""
    return hours(text) if text else None, weekdays(",".join(days)) if days else ()
