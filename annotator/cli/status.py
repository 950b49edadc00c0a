from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config

if TYPE_CHECKING:
    from annotator.app.asking import Status

FOLLOW_S = 2.0
STALE_S = 180.0
"""A daemon writes its health every minute; one that has not for so long is in trouble."""


@click.command()
@common_options
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--failures", default=5, show_default=True, help="Show so many of the newest.")
@click.option("--follow", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
def status(as_json: bool, failures: int, follow: bool) -> None:
    """Tell what runs, waits, is done and failed.

    \b
    Example:
      annotator status --json
    """
    import time

    from annotator.app import asking

    config = load_config()
    while True:
        state = asking.status(config, failures)
        if follow and not as_json:
            click.clear()
        if as_json:
            output.json_lines([_object(state)])
        else:
            _print(state)
        if not follow:
            return
        time.sleep(FOLLOW_S)


def _object(state: Status) -> dict[str, Any]:
    totals, running, health = state.totals, state.running, state.health
    return {
        "database": str(state.database),
        "store": str(state.store) if state.store else None,
        "running": {"role": running.role, "pid": running.pid} if running else None,
        "mount": {
            "state": str(health.mount.state),
            "since": output.utc_time(health.mount.since),
            "detail": health.mount.detail,
        }
        if health and running
        else None,
        "health_at": output.utc_time(health.written_at) if health else None,
        "workers": list(health.workers) if health and running else [],
        "worker_restarts": health.worker_restarts if health else None,
        "delegates": list(health.delegates) if health else [],
        "stood_in_for": list(health.stood_in_for) if health and running else [],
        "annotated_per_minute": health.annotated_per_minute if health and running else None,
        "database_stuck": bool(health and running and health.database_stuck),
        "annotated": totals.annotated,
        "pruned": totals.pruned,
        "failed": totals.failed,
        "detections": totals.detections,
        "faces": totals.faces,
        "waiting": {str(origin): count for origin, count in totals.waiting.items()},
        "oldest_waiting": {
            str(origin): output.utc_time(since) for origin, since in totals.oldest_waiting.items()
        },
        "skipped": {str(reason): count for reason, count in totals.skipped.items()},
        "failures": {str(reason): count for reason, count in totals.failures.items()},
        "notices": {
            "waiting": sum(one.waiting for one in state.undelivered),
            "failed": sum(one.failed for one in state.undelivered),
        },
        "newest": output.utc_time(totals.newest_captured_at) if totals.newest_captured_at else None,
        "newest_by_monitor": {
            monitor: output.utc_time(when) for monitor, when in totals.newest_by_monitor.items()
        },
    }


def _print(state: Status) -> None:
    totals, running, health = state.totals, state.running, state.health
    rows = [("running", f"{running.role}, process {running.pid}" if running else "nothing")]
    rows.append(("store", str(state.store) if state.store else "not configured"))
    if health and running and running.role == "watch":
        rows.append(("", f"{health.mount.state} since {output.local_time(health.mount.since)}"))
        rows.append(("", health.mount.detail))
        rows.append(("workers", _workers(state)))
        if health.stood_in_for:
            rows.append(("", f"the CPU stands in for the {', '.join(health.stood_in_for)}"))
        silent_s = (datetime.now(UTC) - health.written_at).total_seconds()
        if silent_s > STALE_S:
            rows.append(("", f"the daemon has said nothing for {silent_s:.0f} s"))
    rows.append(("database", str(state.database)))
    if health and running and health.database_stuck:
        rows.append(("", "cannot be written; see the daemon's log"))
    rows.append(("waiting", _waiting(state)))
    pruned = f", and {totals.pruned} of which the detections were pruned" if totals.pruned else ""
    rows.append(("annotated", f"{totals.annotated} captures{pruned}"))
    rows.append(("seen", f"{totals.detections} objects, {totals.faces} faces"))
    if totals.skipped:
        rows.append(("skipped", _kinds(totals.skipped)))
    rows.append(("failed", _kinds(totals.failures) if totals.failures else "none"))
    for target in state.undelivered:
        why = f": {target.why}" if target.why else ""
        rows.append(
            ("notices", f"{target.waiting} wait for {target.target}, {target.failed} failed{why}")
        )
    for monitor, when in sorted(totals.newest_by_monitor.items()):
        first = not any(name == "newest" for name, _ in rows)
        rows.append(("newest" if first else "", f"{output.local_time(when)}  {monitor}"))
    for name, value in rows:
        if value:
            click.echo(f"{name:>10}  {value}")
    for failure in state.failures:
        output.say(f"{'':>10}  {failure.path}: {failure.message}")


def _workers(state: Status) -> str:
    health = state.health
    assert health is not None
    said = [f"{len(health.workers)} running", f"{health.annotated_per_minute:.0f} captures/min"]
    if health.delegates:
        said.append(f"on {' and '.join(health.delegates)}")
    if health.worker_restarts:
        said.append(f"{health.worker_restarts} restarts")
    return ", ".join(said)


def _waiting(state: Status) -> str:
    oldest = state.totals.oldest_waiting
    said = [
        f"{count} {origin}"
        + (f" since {output.local_time(oldest[origin])}" if origin in oldest else "")
        for origin, count in state.totals.waiting.items()
        if count
    ]
    return ", ".join(said) or "nothing"


def _kinds(counts: dict[Any, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())
