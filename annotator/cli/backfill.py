from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config, start_logging
from annotator.cli.when import WHEN
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.app.running import BackfillState


@click.command()
@common_options
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--monitor", "monitors", multiple=True, help="Only this monitor; may be repeated.")
@click.option("--since", type=WHEN, help="Only events from this time on: 2024-05-01, 7d.")
@click.option("--until", type=WHEN, help="Only events before this time.")
@click.option(
    "--redo-fallback",
    is_flag=True,
    help="Instead, do anew what the CPU did while an Edge TPU was away.",
)
def backfill(
    paths: tuple[Path, ...],
    monitors: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    redo_fallback: bool,
) -> int:
    """Label what is already in the store.

    All of it, or only what lies below PATHS; newest first. It may be stopped and started again at
    any time: nothing is lost and nothing is done twice. With `annotator watch` running, the daemon
    does the work and this command shows how far it is.

    \b
    Example:
      annotator backfill --monitor FrontDoor --since 30d
    """
    from annotator.app import running
    from annotator.domain import Window

    start_logging()
    config = load_config()
    window = Window(monitors=monitors, since=since, until=until)
    with _Bar() as bar:
        run = running.redo_fallback if redo_fallback else running.backfill
        state = run(config, window, paths, bar.tell)
    if redo_fallback:
        output.note(f"{state.added} captures were annotated on the CPU in an Edge TPU's place")
    else:
        found = f"{state.captures} captures in {state.events} events"
        output.note(f"{found}, {state.added} of them new")
    return _report(state)


def _report(state: BackfillState) -> int:
    failed = 0
    if state.progress is not None:
        failed = state.progress.failed
        seen = f"{state.progress.detections} detections"
        output.note(f"{state.progress.annotated} annotated ({seen}), {failed} failed")
        for reason, count in sorted(state.progress.reasons.items()):
            output.warn(f"  {count} x {reason}")
    if state.unlistable:
        output.warn(f"{state.unlistable} folders or paths could not be read")
    if state.interrupted:
        where = "the daemon goes on" if state.handed_over_to else "start it again to go on"
        output.note(f"stopped; {state.waiting} captures wait: {where}")
        return EXIT_INTERRUPTED
    if failed or state.unlistable:
        output.note("`annotator status --failures 20` names them")
        return EXIT_PARTIAL
    return EXIT_OK


class _Bar:
    """Progress with rate and time left, on stderr; silent where stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.logging import RichHandler
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        if console.is_terminal:
            import logging

            handler = RichHandler(console=console, show_path=False, show_level=False)
            logging.getLogger().handlers = [handler]
        self._task = self._progress.add_task("looking", total=None, rate="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, state: BackfillState) -> None:
        word = "walking" if state.walking else "annotating"
        if state.handed_over_to:
            word = "the daemon works"
        speed = self._progress.tasks[0].speed
        self._progress.update(
            self._task,
            description=word,
            completed=state.done,
            total=state.done + state.waiting or None,
            rate=f"{speed:.1f}/s" if speed else "",
        )
