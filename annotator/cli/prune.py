from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, ConfigError

if TYPE_CHECKING:
    from annotator.app.keeping import Pruning


@click.command()
@common_options
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option(
    "--gone/--no-gone",
    default=None,
    help="Ask the store which events the recorder has deleted; done where a store is named.",
)
@click.option("--yes", is_flag=True, help="Mark events as gone even where most of a monitor's are.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def prune(dry_run: bool, gone: bool | None, yes: bool, form: str) -> int:
    """Take away what is kept no longer, and mark what the recorder has deleted.

    What is kept how long, [retention] says; without it nothing goes. Faces that people named stay.
    What was seen in a deleted event is marked as gone and not lost. Runs beside the daemon, may be
    stopped at any time, and gives no room on the disk back: new captures take it, or `annotator
    vacuum` returns it.

    \b
    Example:
      annotator prune --dry-run
    """
    from annotator.app import keeping

    config = load_config()
    if gone and config.store.root is None:
        raise ConfigError("no event store is named", "pass --store DIR, or leave --gone away")
    look = config.store.root is not None if gone is None else gone
    with output.bars() as tell:
        done = keeping.prune(config, dry_run=dry_run, look=look, yes=yes, tell=tell)
    rows = _rows(done)
    if form == "json":
        output.json_lines([{"dry_run": dry_run, "counts": rows}])
    elif rows:
        columns = ("what", "monitor", "label", "count")
        cells = ([str(row[column] or "") for column in columns] for row in rows)
        output.table(columns, cells, numbers=("count",), folding=("what",))
    return _report(done, dry_run=dry_run, is_any=bool(rows))


def _rows(done: Pruning) -> list[dict[str, Any]]:
    marked = [
        {"what": what, "monitor": one.monitor, "label": None, "count": count}
        for one in done.gone
        for what, count in (
            ("events marked as gone", 0 if one.refused else one.missing),
            ("events that are there again", one.back),
        )
        if count
    ]
    pruned = [
        {"what": str(one.what), "monitor": one.monitor, "label": one.label, "count": one.count}
        for one in done.pruned
    ]
    return [*marked, *pruned]


def _report(done: Pruning, *, dry_run: bool, is_any: bool) -> int:
    code = EXIT_OK
    for name in done.misnamed:
        output.warn(str(name))
    if done.store_unknown:
        output.note(
            "not compared with the store, since nobody has said yet which one is right: "
            "`annotator watch` remembers it, or run `annotator accept-store`"
        )
    if done.store_trouble is not None:
        code = EXIT_PARTIAL
        output.warn(f"no event is marked as gone: {done.store_trouble}")
        output.note(f"  next: {done.store_trouble.next_step}")
    for one in done.gone:
        if one.unlistable:
            code = EXIT_PARTIAL
            output.warn(f"{one.monitor}: {one.unlistable} events could not be looked at")
        if one.refused:
            code = EXIT_PARTIAL
            output.warn(
                f"{one.monitor}: {one.missing} of {one.events} events are not in the store; "
                "none is marked as gone, for the store may not be whole"
            )
            output.note("  next: look whether it is; if they are really deleted, give --yes")
    if done.interrupted:
        output.note("stopped; start it again to go on")
        return EXIT_INTERRUPTED
    if not done.pruned:
        output.note("nothing is kept too long")
    if dry_run and is_any:
        output.note("nothing was changed; without --dry-run it is done")
    return code
