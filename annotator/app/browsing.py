"""The past in a browser: puts the pages, the database and the store together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from annotator.config import Config

if TYPE_CHECKING:
    from annotator.browse.server import Address


def browse(config: Config, address: Address, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is told the address to open.

    Raises ConfigError, DatabaseError, and ServiceError where it cannot be served.
    """
    from annotator.app.benches import Benches
    from annotator.app.children import start_pictures
    from annotator.browse.needs import Material
    from annotator.browse.server import serve
    from annotator.clock import SystemClock
    from db.engine import open_read_only
    from db.lookup import SqlLookup
    from db.queries import SqlQueries

    config.store_root  # noqa: B018 - raises ConfigError where there is none
    with open_read_only(config.database_path) as database:
        pictures = Benches(
            lambda graveyard: start_pictures(config, graveyard),
            SystemClock(),
            patience_s=config.mount.stall_s,
        )
        material = Material(SqlQueries(database), SqlLookup(database), pictures)
        try:
            serve(material, database.path, address, on_ready)
        finally:
            pictures.close()
