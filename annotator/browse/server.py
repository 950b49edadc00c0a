"""The server: a socket, Datasette with our plugin behind the guard, and a clean end."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from annotator.browse.gate import Gate, is_good_token, new_token
from annotator.browse.guard import Guard, host_names, is_loopback, is_wildcard
from annotator.browse.needs import Material
from annotator.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from datasette.app import Datasette

    from annotator.browse.plugin import Plugin

SETTINGS = {
    "allow_csv_stream": False,  # it asks for each page of a view again from its beginning
    "allow_download": False,  # the file holds the embeddings
    "default_cache_ttl": 0,  # the daemon writes on
    "default_page_size": 50,
    "facet_suggest_time_limit_ms": 20,
    "facet_time_limit_ms": 300,
    "max_csv_mb": 20,
    "max_returned_rows": 1000,
    "num_sql_threads": 3,
    "sql_time_limit_ms": 3000,
    "suggest_facets": False,  # it would count every column
}
FACETS_UP_TO = 200_000
"""So many detections can be counted by three columns while a page is made."""
MOST_CONNECTIONS = 100
GRACE_S = 3
"""At the end, for answers that are under way."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to serve. `names` are more names that the server is called by, as behind a proxy.

    Port 0 takes a free one. Without a token one is made up where others can reach the server.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    token: str | None = None
    names: tuple[str, ...] = ()


def serve(
    material: Material, database: Path, address: Address, on_ready: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is told the address to open, with a token that was
    made up: one that was given is known, and would come into a service's log.

    Raises ConfigError for a token that is too short, ServiceError where the address cannot be
    used or Datasette is not installed.
    """
    token = _token(address)
    _require_datasette()
    with _listening(address) as listening:
        _run(material, database, address, token, listening, on_ready)


def _token(address: Address) -> str | None:
    if address.token:
        if not is_good_token(address.token):
            raise ConfigError(
                "the token is too easy to guess, or has a character that no header may have",
                "give 16 or more letters and digits, or leave it out and one is made up",
            )
        return address.token
    return None if is_loopback(address.host) else new_token()


def _require_datasette() -> None:
    try:
        import datasette.app  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ServiceError(
            f"Datasette is not installed: {error}", "install it: `pip install datasette==0.65.*`"
        ) from error


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    host = address.host.removeprefix("[").removesuffix("]")
    try:
        family = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, address.port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ServiceError(
                f"port {address.port} of {address.host} is already used",
                "give another with --port, or 0 for any; perhaps `annotator browse` runs already",
            ) from error
        raise ServiceError(
            f"cannot serve at {address.host}, port {address.port}: {error}",
            "give an address of this computer with --host, and a port from 1024 to 65535",
        ) from error
    with listening:
        yield listening


def _url(host: str, port: int, token: str | None) -> str:
    # One that a browser on this computer can open.
    name = "localhost" if is_wildcard(host) else host.removeprefix("[").removesuffix("]")
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def _run(
    material: Material,
    database: Path,
    address: Address,
    token: str | None,
    listening: socket.socket,
    on_ready: Callable[[str], None],
) -> None:
    import time

    from uvicorn import Config, Server

    from annotator.browse.plugin import Plugin

    class Browsing(Server):
        """Ends with the signal that asks for it, and does not let it go on to end the process."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            before = {
                number: signal.signal(number, self.handle_exit)
                for number in (signal.SIGINT, signal.SIGTERM)
            }
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready(_url(address.host, port, None if address.token else token))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            material.pictures.close()
            await super().shutdown(sockets)

    port: int = listening.getsockname()[1]
    gate = Gate(token, port, time.monotonic) if token else None
    hosts = host_names(address.host, address.names, socket.gethostname())
    with_facets = material.questions.totals().detections <= FACETS_UP_TO
    plugin = Plugin(material, with_facets=with_facets)
    try:
        with _registered(plugin), _datasette(material, database) as datasette:
            config = Config(
                Guard(datasette.app(), hosts, gate),
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_S,
            )
            Browsing(config).run([listening])
    finally:
        plugin.close()


@contextmanager
def _registered(plugin: Plugin) -> Iterator[None]:
    """Datasette knows its plugins by process; nothing of ours stays behind."""
    from datasette.plugins import pm

    from annotator.browse.plugin import NAME

    default = pm.unregister(name="datasette.handle_exception")
    pm.register(plugin, NAME)
    try:
        yield
    finally:
        pm.unregister(plugin)
        pm.register(default, "datasette.handle_exception")


@contextmanager
def _datasette(material: Material, database: Path) -> Iterator[Datasette]:
    from datasette.app import Datasette

    from annotator.browse.about import DATABASE
    from annotator.browse.database import ReadDatabase

    made = Datasette(files=[], settings=SETTINGS)
    made.remove_database("_memory")
    ours = ReadDatabase(made, database, material.lookup.connect)
    made.add_database(ours, name=DATABASE)
    try:
        yield made
    finally:
        made.executor.shutdown(wait=True, cancel_futures=True)
        ours.close()
