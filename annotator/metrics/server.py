"""Answers Prometheus: few clients at a time, each for a few seconds at most."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from time import monotonic
from typing import Any

from annotator.errors import ConfigError

CLIENTS = 8
CLIENT_S = 5.0
LOOK_S = 0.5
GOODBYE_S = 1.0

log = logging.getLogger(__name__)

Page = Callable[[], bytes]


class MetricsServer:
    """Serves `page` at /metrics until `close`; `port` is where."""

    def __init__(
        self, listen: str, page: Page, content_type: str, *, client_s: float = CLIENT_S
    ) -> None:
        """`listen` is like "127.0.0.1:9105". Raises ConfigError where nothing can listen there."""
        host, _, port = listen.rpartition(":")
        try:
            found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            self._server = _Server(found[0][0], found[0][4], page, content_type, client_s)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"metrics cannot listen on {listen}: {error}", "set another `listen` in [metrics]"
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(min(LOOK_S, client_s / 2),), name="metrics"
        )
        self._thread.start()

    def close(self) -> None:
        """Returns within about a second, and with no thread left unless the database hangs."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        self._server.join(GOODBYE_S)


@dataclass(frozen=True, slots=True)
class _Client:
    connection: socket.socket
    thread: threading.Thread
    since_s: float


class _Server(TCPServer):
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(
        self, family: int, address: Any, page: Page, content_type: str, client_s: float
    ) -> None:
        self.address_family = family
        self.page = page
        self.content_type = content_type
        self._client_s = client_s
        self._clients: list[_Client] = []  # of the serving thread, until that has ended
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self._clients = [client for client in self._clients if client.thread.is_alive()]
        return len(self._clients) < CLIENTS

    def process_request(self, request: Any, client_address: Any) -> None:
        # Daemons: one that waits for a disk that hangs must not keep the process from ending.
        thread = threading.Thread(
            target=self._attend, args=(request, client_address), name="metrics client", daemon=True
        )
        self._clients.append(_Client(request, thread, monotonic()))
        thread.start()

    def service_actions(self) -> None:
        self.hang_up(older_than_s=self._client_s)

    def hang_up(self, older_than_s: float = 0.0) -> None:
        """Wake the threads whose clients take too long; they end by themselves."""
        now_s = monotonic()
        for client in self._clients:
            if now_s - client.since_s >= older_than_s:
                with suppress(OSError):  # it has gone
                    client.connection.shutdown(socket.SHUT_RDWR)

    def join(self, limit_s: float) -> None:
        deadline_s = monotonic() + limit_s
        for client in self._clients:
            client.thread.join(max(0.0, deadline_s - monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of the metrics has gone", exc_info=True)

    def _attend(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "annotator"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, explain="there is /metrics")
            return
        page = self.server.page()
        self.send_response(200)
        self.send_header("Content-Type", self.server.content_type)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *said: Any) -> None:
        """A line per scrape would drown the rest."""
