"""`prune`, `backup` and `vacuum`: what keeps a database small, and safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import existing_database
from annotator.app.signals import stop_signals
from annotator.clock import SystemClock
from annotator.errors import StoreUnavailable

if TYPE_CHECKING:
    from annotator.app.gone import Gone
    from annotator.app.misnamed import Misnamed
    from annotator.config import Config
    from annotator.ports import Clock
    from db.rules import Pruned, Turn
    from db.vacuum import Vacuumed

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.2
"""After each transaction others have the database for as long as that took."""

Tell = Callable[[str, int, int], None]
"""What is done, how far that is, and how far it goes."""


@dataclass(slots=True)
class Pruning:
    """What came of it.

    `store_trouble` is why the store could not tell what the recorder has deleted, and
    `store_unknown` that nobody has said yet which store is the right one. `misnamed`: what
    [retention] calls so is not here, and something else nearly is.
    """

    gone: tuple[Gone, ...] = ()
    pruned: tuple[Pruned, ...] = ()
    store_trouble: StoreUnavailable | None = None
    store_unknown: bool = False
    misnamed: tuple[Misnamed, ...] = ()
    interrupted: bool = False


def prune(config: Config, *, dry_run: bool, look: bool, yes: bool, tell: Tell) -> Pruning:
    """Mark what the recorder has deleted (`look`), and take away what is kept no longer.

    A daemon goes on meanwhile. With `yes` events are marked however many they are. Raises
    AnnotatorError; a store that is away is none.
    """
    from annotator.app.census import Census
    from annotator.app.children import start_census
    from annotator.app.gone import mark_gone
    from annotator.app.misnamed import Known, misnamed_in_retention
    from annotator.child import Graveyard
    from db.gone import SqlEventRoll
    from db.lookup import SqlLookup
    from db.prune import SqlPruning
    from db.store import SqlStore

    if look:
        config = config.with_places(store=config.store_root.absolute())
    done, clock = Pruning(), SystemClock()
    with stop_signals() as signalled, existing_database(config) as database:
        identity = SqlStore(database, clock).store_identity()
        done.store_unknown = look and identity is None
        seen = SqlLookup(database)
        known = Known(seen.monitors(), seen.labels())
        done.misnamed = tuple(misnamed_in_retention(config, known))
        if look and identity is not None:
            try:
                done.gone = mark_gone(
                    SqlEventRoll(database, clock),
                    Census(
                        start_census(config, identity, Graveyard()), clock, config.mount.stall_s
                    ),
                    dry_run=dry_run,
                    yes=yes,
                    stopped=lambda: bool(signalled),
                    tell=lambda done, total: tell("events of the store", done, total),
                )
            except StoreUnavailable as error:
                done.store_trouble = error
        pruning = SqlPruning(database, clock, lambda name: config.for_monitor(name).retention)
        turns = pruning.expected() if dry_run else pruning.turns()
        done.pruned = _added_up(turns, clock, signalled, tell, leave_room=not dry_run)
        done.interrupted = bool(signalled)
    return done


def _added_up(
    turns: Iterator[Turn],
    clock: Clock,
    signalled: Sequence[bool],
    tell: Tell,
    *,
    leave_room: bool,
) -> tuple[Pruned, ...]:
    """Take turns until it is to stop, for others with a pause after each; what went in them."""
    from db.rules import Pruned, What

    counts = Counter[tuple[What, str, str | None]]()
    while not signalled:
        began_s = clock.monotonic()
        turn = next(turns, None)
        if turn is None:
            break
        for one in turn.pruned:
            counts[one.what, one.monitor, one.label] += one.count
        tell(turn.what, turn.done, turn.total)
        if leave_room:
            took_s = clock.monotonic() - began_s
            clock.sleep(min(max(took_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S))
    return tuple(
        Pruned(what, monitor, count, label) for (what, monitor, label), count in counts.items()
    )


@dataclass(frozen=True, slots=True)
class BackedUp:
    """Where the copy is, how large, and which old ones went for it."""

    path: Path
    size_bytes: int
    dropped: tuple[Path, ...] = ()


def backup(
    config: Config, target: Path, *, overwrite: bool, keep: int | None, tell: Tell
) -> BackedUp | None:
    """Copy the database to a file, or with `keep` under a dated name into a folder in which only so
    many stay; None where it was interrupted. Raises DatabaseError."""
    from db.backup import back_up, dated_name, drop_old_backups

    place = target if keep is None else target / dated_name(SystemClock().now())
    with stop_signals() as signalled:
        whole = back_up(
            config.database_path,
            place,
            overwrite=overwrite,
            forbidden_root=config.store.root,
            tell=lambda done, total: tell("copying", done, total),
            stopped=lambda: bool(signalled),
        )
    if not whole:
        return None
    dropped = () if keep is None else drop_old_backups(place, keep)
    return BackedUp(place, place.stat().st_size, dropped)


def vacuum(config: Config) -> Vacuumed | None:
    """Rewrite the database file; None where it was interrupted. Raises BusyError, DatabaseError."""
    from db.vacuum import vacuum as rewrite

    with stop_signals() as signalled:
        return rewrite(
            config.database_path,
            forbidden_root=config.store.root,
            stopped=lambda: bool(signalled),
        )
