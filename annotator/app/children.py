"""Child processes: how they are started, and what they run.

`python -m annotator.app.children ROLE DESCRIPTOR`, the roles are in `main`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import IO, TYPE_CHECKING

from annotator.config import Config
from annotator.domain import Station
from annotator.journal import stderr_handler

if TYPE_CHECKING:
    from annotator.app.census import Reply
    from annotator.app.clerk import Said
    from annotator.app.darkroom import Answer as PictureAnswer
    from annotator.app.stations import Inventory
    from annotator.child import Child, Graveyard
    from annotator.outposts import StartScout
    from annotator.scout import Probe
    from annotator.wire import Answer, FaceAnswer, Report, Walking, Watching

COMMAND = (sys.executable, "-m", "annotator.app.children")


def start_worker(config: Config, station: Station, graveyard: Graveyard) -> Child[Answer]:
    return _start("worker", config, station, graveyard)


def start_probe(
    config: Config, station: Station, graveyard: Graveyard, stderr: IO[bytes] | None = None
) -> Child[Answer]:
    """Ask whether a station works: answers Ready, Broken or Unplugged, once."""
    return _start("probe", config, station, graveyard, stderr)


def start_inventory(library: str, graveyard: Graveyard) -> Child[Inventory]:
    """Ask libedgetpu what is plugged in; answers once."""
    from annotator.app.stations import decode_inventory
    from annotator.child import Child

    return Child([*COMMAND, "inventory"], library.encode(), decode_inventory, graveyard)


def start_faces(
    config: Config, graveyard: Graveyard, stderr: IO[bytes] | None = None
) -> Child[FaceAnswer]:
    from annotator.child import Child
    from annotator.wire import decode_face_answer

    greeting = config.model_dump_json().encode()
    return Child([*COMMAND, "faces"], greeting, decode_face_answer, graveyard, stderr=stderr)


def start_pictures(config: Config, graveyard: Graveyard) -> Child[PictureAnswer]:
    from annotator.app.darkroom import decode_answer
    from annotator.child import Child

    greeting = config.model_dump_json().encode()
    return Child([*COMMAND, "pictures"], greeting, decode_answer, graveyard, stop_grace_s=1.0)


def start_census(config: Config, identity: str, graveyard: Graveyard) -> Child[Reply]:
    """Ask the store of this identity which directories are there."""
    from annotator.app.census import CensusOrder, decode_reply, encode_order
    from annotator.child import Child

    greeting = encode_order(CensusOrder(config.model_dump_json(), identity))
    return Child([*COMMAND, "census"], greeting, decode_reply, graveyard)


def start_clerk(config: Config, graveyard: Graveyard) -> Child[Said]:
    """Ask the store small things."""
    from annotator.app.clerk import decode_said
    from annotator.child import Child

    greeting = config.model_dump_json().encode()
    return Child([*COMMAND, "clerk"], greeting, decode_said, graveyard)


def _start(
    role: str,
    config: Config,
    station: Station,
    graveyard: Graveyard,
    stderr: IO[bytes] | None = None,
) -> Child[Answer]:
    from annotator.child import Child
    from annotator.wire import WorkerOrder, decode_answer, encode_worker_order

    greeting = encode_worker_order(WorkerOrder(config.model_dump_json(), station))
    return Child([*COMMAND, role], greeting, decode_answer, graveyard, stderr=stderr)


def scout_starter(config: Config, graveyard: Graveyard) -> StartScout:
    from annotator.child import Child
    from annotator.wire import Greeting, decode_report, encode_greeting

    def start(order: Watching | Walking) -> Child[Report]:
        greeting = encode_greeting(Greeting(config.model_dump_json(), order))
        return Child([*COMMAND, "scout"], greeting, decode_report, graveyard)

    return start


def run_worker(connection: Connection) -> None:
    """The whole life of a worker, at its end of the pipe."""
    from annotator.child import Graveyard
    from annotator.inference.vision import build_vision
    from annotator.nvr.tree import open_tree
    from annotator.worker import serve

    config, station = _order(connection)
    graveyard = Graveyard()
    serve(
        connection,
        open_tree(config.store),
        lambda: build_vision(config, station),
        config,
        lambda: start_faces(config, graveyard),
    )


def run_probe(connection: Connection) -> None:
    """Load what a worker at this station would, and use it once."""
    from annotator.inference.vision import build_vision
    from annotator.worker import try_out

    config, station = _order(connection)
    try_out(connection, lambda: build_vision(config, station), config)


def _order(connection: Connection) -> tuple[Config, Station]:
    from annotator.wire import MAX_MESSAGE_BYTES, decode_worker_order

    order = decode_worker_order(connection.recv_bytes(MAX_MESSAGE_BYTES))
    return Config.model_validate_json(order.config), order.station


def run_faces(connection: Connection) -> None:
    """The whole life of a face process, a worker's child."""
    from annotator.inference.vision import build_vision
    from annotator.wire import MAX_MESSAGE_BYTES
    from annotator.worker import serve_faces

    config = Config.model_validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))
    serve_faces(connection, lambda: build_vision(config), config)


def run_scout(connection: Connection) -> None:
    """The whole life of a scout, at its end of the pipe."""
    from annotator.nvr.tree import open_tree
    from annotator.scout import walk_for, watch_for
    from annotator.wire import MAX_MESSAGE_BYTES, Walking, decode_greeting

    greeting = decode_greeting(connection.recv_bytes(MAX_MESSAGE_BYTES))
    config = Config.model_validate_json(greeting.config)
    order = greeting.order
    if isinstance(order, Walking):
        tree = open_tree(config.store, listings_per_s=order.listings_per_s)
        walk_for(connection, order, probe_of(config), tree, tree.stamp)
    else:
        from annotator.nvr.watch import TreeWatch

        tree = open_tree(config.store)
        poll_s = config.watch.poll_interval_s
        watch_for(
            connection, order, probe_of(config), lambda: TreeWatch(tree, poll_interval_s=poll_s)
        )


def probe_of(config: Config) -> Probe:
    """Asks the configured store; see `annotator.scout.Probe`."""
    from annotator.errors import StoreUnavailable
    from annotator.nvr.mount import ask, identify, is_network
    from annotator.scout import OtherStore

    root = config.store_root

    def probe(expected: str | None) -> str:
        ask(root)
        found = identify(root)
        if found.startswith("autofs"):
            raise StoreUnavailable(f"{root} is not mounted yet", f"see `systemctl status {root}`")
        if expected is None or found == expected:
            return found
        if is_network(expected) and not is_network(found):
            raise StoreUnavailable(
                f"{root} is not mounted: it should be {expected}", f"mount it: `mount {root}`"
            )
        raise OtherStore(
            f"{root} is {found}, but captures were taken from {expected}",
            "mount the right store, or run `annotator accept-store` if this is right",
        )

    return probe


def run_inventory(connection: Connection) -> None:
    from annotator.app import stations

    stations.run_inventory(connection)


def run_pictures(connection: Connection) -> None:
    """The whole life of a child of a darkroom."""
    from annotator.app.darkroom import serve
    from annotator.app.opening import store_identity
    from annotator.errors import DatabaseError
    from annotator.nvr.tree import open_tree
    from annotator.wire import MAX_MESSAGE_BYTES

    _say_all_through_the_pipe()
    config = Config.model_validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))

    def require_store() -> None:
        expected = None
        with suppress(DatabaseError):  # that is told by who asked it for the captures
            expected = store_identity(config)
        probe_of(config)(expected)

    serve(connection, open_tree(config.store), require_store, config.inference.max_megapixels)


def run_census(connection: Connection) -> None:
    """The whole life of a census, at its end of the pipe."""
    from annotator.app.census import count_for, decode_order
    from annotator.nvr.presence import presences, root_device
    from annotator.nvr.throttle import Throttle
    from annotator.wire import MAX_MESSAGE_BYTES

    _say_all_through_the_pipe()
    order = decode_order(connection.recv_bytes(MAX_MESSAGE_BYTES))
    config = Config.model_validate_json(order.config)
    probe, root = probe_of(config), config.store_root
    pause = Throttle(config.watch.reconcile_listings_per_s)
    count_for(
        connection,
        lambda: f"{probe(order.expected_identity)} {root_device(root)}",
        lambda directories: presences(root, directories, pause),
    )


def run_clerk(connection: Connection) -> None:
    """The whole life of a clerk, at its end of the pipe."""
    from annotator.app.clerk import serve
    from annotator.wire import MAX_MESSAGE_BYTES

    _say_all_through_the_pipe()
    config = Config.model_validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))
    serve(connection, config, probe_of(config))


def _say_all_through_the_pipe() -> None:
    """Stuck in a dead mount and holding stderr open, a command's child would keep whoever reads the
    command's messages waiting."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


def main(role: str, descriptor: int) -> None:
    from annotator.worker import HUNG_UP

    _die_with_parent()
    logging.basicConfig(level=logging.WARNING, handlers=[stderr_handler(f"{role}: ")])
    runs: dict[str, Callable[[Connection], None]] = {
        "worker": run_worker,
        "faces": run_faces,
        "scout": run_scout,
        "probe": run_probe,
        "inventory": run_inventory,
        "pictures": run_pictures,
        "census": run_census,
        "clerk": run_clerk,
    }
    status = 0
    try:
        runs[role](Connection(descriptor))
    except HUNG_UP:
        pass
    except Exception:
        logging.getLogger(__name__).exception("a bug in annotator, please report it")
        status = 1
    # Not sys.exit, which waits for threads: one may be blocked in a dead mount.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _die_with_parent() -> None:
    """A hung child does not notice that its pipe is closed, and would keep an accelerator for good.

    prctl(2), PR_SET_PDEATHSIG; where the parent has died already, there is nobody to work for.
    """
    import ctypes
    import signal

    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
