from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config

if TYPE_CHECKING:
    from annotator.app import Status


@click.command()
@common_options
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--failures", default=5, show_default=True, help="Show so many of the newest.")
def status(as_json: bool, failures: int) -> None:
    """Tell what runs, waits, is done and failed.

    \b
    Example:
      annotator status --json
    """
    from annotator import app

    state = app.status(load_config(), failures)
    if as_json:
        output.json_lines([_object(state)])
    else:
        _print(state)


def _object(state: Status) -> dict[str, Any]:
    totals, running = state.totals, state.running
    newest = totals.newest_captured_at
    return {
        "database": str(state.database),
        "store": str(state.store) if state.store else None,
        "running": {"role": running.role, "pid": running.pid} if running else None,
        "annotated": totals.annotated,
        "failed": totals.failed,
        "detections": totals.detections,
        "faces": totals.faces,
        "waiting": {str(origin): count for origin, count in totals.waiting.items()},
        "failures": {str(reason): count for reason, count in totals.failures.items()},
        "newest": newest.isoformat(timespec="milliseconds") if newest else None,
    }


def _print(state: Status) -> None:
    totals, running = state.totals, state.running
    waiting = ", ".join(f"{count} {origin}" for origin, count in totals.waiting.items() if count)
    newest = totals.newest_captured_at
    rows = [
        ("running", f"{running.role}, process {running.pid}" if running else "nothing"),
        ("store", str(state.store) if state.store else "not configured"),
        ("database", str(state.database)),
        ("waiting", waiting or "nothing"),
        ("annotated", f"{totals.annotated} captures"),
        ("seen", f"{totals.detections} objects, {totals.faces} faces"),
        ("newest", newest.astimezone().strftime("%Y-%m-%d %H:%M:%S") if newest else "-"),
        ("failed", _failed(state)),
    ]
    for name, value in rows:
        click.echo(f"{name:>10}  {value}")
    for failure in state.failures:
        click.echo(f"{'':>10}  {failure.path}: {failure.message}")


def _failed(state: Status) -> str:
    kinds = ", ".join(f"{count} {reason}" for reason, count in state.totals.failures.items())
    return f"{state.totals.failed} captures ({kinds})" if kinds else "none"
