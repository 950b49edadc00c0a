"""The event tree: is it there, can it be read, how is it mounted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

from annotator.app.checks import Check, Patient, ok, problem, skipped, warning
from annotator.config import Config
from annotator.domain import Capture, Failure, Window
from annotator.errors import StoreUnavailable

PATIENCE_S = 30.0
CLOCKS_DIFFER_S = 3600.0
"""A recorder that names its folders in another time zone is an hour or more off."""


def store(patient: Patient) -> Iterator[Check]:
    root = patient.config.store_root.absolute()
    config = patient.config.with_places(store=root)
    newest, unlistable = _first_found(config, patient)
    yield ok("store", f"{root} answers")
    if newest is None and unlistable is not None:
        refused = StoreUnavailable(
            f"{unlistable.path or root}: {unlistable.message}", "let this user read it"
        )
        yield problem("captures", refused)
    elif newest is None:
        yield warning(
            "captures",
            f"none below {root}",
            "`root` in [store] is the folder with a folder per monitor; does the recorder keep "
            "JPEGs of its frames?",
        )
    else:
        yield _of_its_time(newest)


def mount(patient: Patient) -> Iterator[Check]:
    from annotator.nvr.mount import mount_holding
    from annotator.nvr.sshfs import shortcomings, sshfs_options

    root = patient.config.store.root
    if root is None:
        yield skipped("mount", "no event store is named")
        return
    found = mount_holding(root.absolute())
    if found is None:
        yield warning("mount", "the system does not tell its mounts", "see `findmnt`")
        return
    if found.kind != "fuse.sshfs":
        yield ok("mount", str(found))
        return
    options = sshfs_options(found)
    if options is None:
        yield warning(
            "mount", f"{found}: its options cannot be seen", "run `sudo annotator doctor`"
        )
        return
    lacking = shortcomings(options)
    if not lacking:
        yield ok("mount", f"{found}, with good options")
    for one in lacking:
        yield warning("mount", f"{found}: {one}", "see docs/operations.md for the options")


def _first_found(config: Config, patient: Patient) -> tuple[Capture | None, Failure | None]:
    """A capture of the newest event, else what could not be listed. In a process that a dead mount
    may block. Raises StoreUnavailable."""
    from annotator.app.children import scout_starter
    from annotator.child import ChildLost
    from annotator.wire import Met, StoreLost, Unlistable, Walked, Walking

    scout = scout_starter(config, patient.graveyard)(Walking(Window(), None))
    give_up_s = monotonic() + PATIENCE_S
    unlistable: Failure | None = None
    try:
        while scout.connection.poll(max(0.0, give_up_s - monotonic())):
            for report in scout.messages(most=1):
                match report:
                    case Met() if report.captures:
                        return report.captures[0], unlistable
                    case Unlistable():
                        unlistable = unlistable or report.failure
                    case StoreLost():
                        raise StoreUnavailable(report.message, report.next_step)
                    case Walked():
                        return None, unlistable
    except ChildLost as lost:
        raise StoreUnavailable(f"the process that looks at it {lost}", "look at `dmesg`") from lost
    finally:
        scout.kill()
    raise StoreUnavailable(
        f"{config.store_root} gave no capture within {PATIENCE_S:g} s",
        "is the recorder on, and the connection good? `ls` there waits as well",
    )


def _of_its_time(newest: Capture) -> Check:
    started = newest.event.started_at
    if started is None:
        return ok("captures", f"found, such as {newest.path}")
    described = f"the newest event is of {started.astimezone():%Y-%m-%d %H:%M} ({newest.path})"
    if started > datetime.now(UTC) + timedelta(seconds=CLOCKS_DIFFER_S):
        return warning(
            "captures",
            f"{described}: in the future",
            "set `timezone` in [store] to the recorder's, or set the clocks",
        )
    return ok("captures", described)
