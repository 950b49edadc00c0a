"""Measures -> Prometheus' text format; the only prometheus_client import.

Names and units by https://prometheus.io/docs/practices/naming/. Each look asks for the measures
anew, so nothing is kept up to date while nobody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from annotator import __version__
from annotator.domain import MountState, Origin
from annotator.measures import Durations, Measures
from annotator.notices import Outcome

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(look: Callable[[], Measures]) -> bytes:
    """All metrics in the text format 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(look))
    return generate_latest(registry)


class _Collector:
    """Asked for all metrics at each look; not described beforehand, which would be a look too."""

    def __init__(self, look: Callable[[], Measures]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        return _metrics(self._look())

    def describe(self) -> Iterable[Metric]:
        return ()


def _metrics(found: Measures) -> Iterator[Metric]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        StateSetMetricFamily,
    )

    yield InfoMetricFamily("annotator_build", "The program.", {"version": __version__})
    yield CounterMetricFamily(
        "annotator_captures_annotated", "Captures looked at since the start.", found.annotated
    )
    yield CounterMetricFamily(
        "annotator_detections", "Objects seen since the start.", found.detections
    )
    failed = CounterMetricFamily(
        "annotator_captures_failed",
        "Captures that could not be looked at since the start.",
        labels=["reason"],
    )
    for reason, count in found.failed.items():
        failed.add_metric([reason], count)
    yield failed
    yield HistogramMetricFamily(
        "annotator_capture_latency_seconds",
        "From the taking of a live capture to its annotation in the database.",
        buckets=_cumulative(found.latency),
        sum_value=found.latency.sum_s,
    )
    backlog = GaugeMetricFamily(
        "annotator_backlog_captures", "Captures that wait.", labels=["origin"]
    )
    for origin in Origin:
        backlog.add_metric([origin], found.waiting.get(origin, 0))
    yield backlog
    yield CounterMetricFamily(
        "annotator_worker_restarts", "Workers replaced since the start.", found.restarts
    )
    stations = GaugeMetricFamily(
        "annotator_stations",
        "What runs the networks; fallback: the CPU in an Edge TPU's place.",
        labels=["delegate", "device", "fallback"],
    )
    for station in dict.fromkeys(found.stations):
        stations.add_metric(
            [station.delegate, station.device, str(station.fallback).lower()],
            found.stations.count(station),
        )
    yield stations
    yield GaugeMetricFamily(
        "annotator_mount_online",
        "1 while the event store answers and is the right one.",
        found.mount is MountState.ONLINE,
    )
    yield StateSetMetricFamily(
        "annotator_mount_state",
        "How the event store stands.",
        {str(state): state is found.mount for state in MountState},
    )
    yield GaugeMetricFamily(
        "annotator_database_writable", "0 while results cannot be written.", not found.stuck
    )
    yield GaugeMetricFamily(
        "annotator_database_bytes", "The database and its log.", found.database_bytes
    )
    yield from _of_totals(found)
    yield from _of_notices(found)


def _of_totals(found: Measures) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    if found.totals is None:
        return
    newest = GaugeMetricFamily(
        "annotator_last_annotated_timestamp_seconds",
        "When the newest annotated capture was taken.",
        labels=["monitor"],
    )
    for monitor, moment in found.totals.newest_by_monitor.items():
        newest.add_metric([monitor], moment.timestamp())
    yield newest
    oldest = GaugeMetricFamily(
        "annotator_backlog_oldest_timestamp_seconds",
        "Since when the longest waiting capture has waited.",
        labels=["origin"],
    )
    for origin, moment in found.totals.oldest_waiting.items():
        oldest.add_metric([origin], moment.timestamp())
    yield oldest
    kept = GaugeMetricFamily("annotator_database_rows", "What is in the database.", labels=["kind"])
    for kind in ("annotated", "failed", "detections", "faces"):
        kept.add_metric([kind], getattr(found.totals, kind))
    yield kept


def _of_notices(found: Measures) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    notices = CounterMetricFamily(
        "annotator_notices",
        "What became of notices since the start.",
        labels=["rule", "outcome"],
    )
    for (rule, outcome), count in found.notices.items():
        notices.add_metric([rule, outcome], count)
    yield notices
    undelivered = GaugeMetricFamily(
        "annotator_notices_undelivered", "Notices by target.", labels=["target", "state"]
    )
    for one in found.undelivered:
        undelivered.add_metric([one.target, "waiting"], one.waiting)
        undelivered.add_metric([one.target, str(Outcome.GIVEN_UP)], one.failed)
    yield undelivered


def _cumulative(durations: Durations) -> list[tuple[str, float]]:
    names = [*(str(bound) for bound in durations.bounds_s), "+Inf"]
    total, buckets = 0, []
    for name, count in zip(names, durations.counts, strict=True):
        total += count
        buckets.append((name, float(total)))
    return buckets
