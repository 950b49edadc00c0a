"""Notices as a POST to a web server.

With the standard library's client: httpx takes 140 ms and 4 MB to load, for one request now and
then.
"""

from __future__ import annotations

import ssl
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, InvalidURL
from socket import SHUT_RDWR
from time import monotonic
from urllib.parse import urlsplit

from annotator import __version__
from annotator.config import WebhookSettings
from annotator.errors import ConfigError, DeliveryError
from annotator.legible import one_line
from annotator.notices import Notice
from annotator.notify.message import body
from annotator.notify.secrets import revealed

TRY_AGAIN = {408, 425, 429}
"""Of all that a server says the client did wrong, what passes."""
ANSWER_BYTES = 500
"""So much of an answer is read; the rest is of no interest."""


class WebhookDeliverer:
    """The port `Deliverer`. Redirects are not followed: they might lead anywhere."""

    def __init__(self, name: str, settings: WebhookSettings) -> None:
        self._name = name
        self._settings = settings
        self._connection: HTTPConnection | None = None

    def check(self) -> None:
        """Raises DeliveryError where the settings cannot be used; nobody is asked."""
        self._prepared()

    def deliver(self, notice: Notice, picture: bytes | None) -> None:
        connection, target, headers = self._prepared()
        status, answer = self._post(connection, target, headers, body(notice, picture))
        if 200 <= status < 300:
            return
        is_final = 300 <= status < 500 and status not in TRY_AGAIN
        next_step = (
            "name the place it leads to: redirects are not followed"
            if 300 <= status < 400
            else f"check [webhooks.{self._name}]"
        )
        raise DeliveryError(f"it answered {status}: {answer}", next_step, final=is_final)

    def tend(self) -> None:
        """There is no connection to keep up."""

    def close(self) -> None:
        connection = self._connection
        if connection is not None:
            _hang_up(connection)

    def _prepared(self) -> tuple[HTTPConnection, str, dict[str, str]]:
        """A connection that is still to be made, what to ask it for, and the headers."""
        try:
            url = revealed(self._settings.url)
            headers = {name: revealed(value) for name, value in self._settings.headers.items()}
            return *_connection(url, self._settings), headers
        except ConfigError as error:
            raise DeliveryError(str(error), error.next_step) from error
        except (ValueError, OSError, InvalidURL) as error:
            raise DeliveryError(
                f"[webhooks.{self._name}] cannot be used: {type(error).__name__}",
                "`url` is like https://host/path (a password goes into a header), `ca_file` a "
                "file in PEM",
            ) from None

    def _post(
        self, connection: HTTPConnection, target: str, headers: dict[str, str], told: bytes
    ) -> tuple[int, str]:
        """The status and the beginning of the answer, on one line.

        No message here has the text of an error that may hold the URL or a header: they are secret.
        """
        timeout_s = self._settings.timeout_s
        next_step = f"check [webhooks.{self._name}]"
        self._connection = connection
        began_s = monotonic()
        # Each wait has a limit, but a server that sends a byte now and then could go on for ever.
        limit = threading.Timer(timeout_s, _hang_up, (connection,))
        with closing(connection):
            try:
                connection.connect()
                limit.start()
                connection.request("POST", target, told, _PLAIN_HEADERS | headers)
                response = connection.getresponse()
                return response.status, _beginning(response)
            except (ValueError, InvalidURL) as error:
                if isinstance(error, OSError):  # ssl's own, and those say what is wrong
                    raise DeliveryError(f"{connection.host}: {error}", next_step) from None
                raise DeliveryError(
                    "a header or the URL has what cannot be sent", next_step
                ) from None
            except (OSError, HTTPException) as error:
                said = one_line(str(error))[:ANSWER_BYTES] or type(error).__name__
                if monotonic() - began_s >= timeout_s:
                    said = f"no answer within {timeout_s:g} s"
                raise DeliveryError(f"{connection.host}: {said}", next_step) from None
            finally:
                limit.cancel()
                if limit.is_alive():
                    limit.join()
                self._connection = None


_PLAIN_HEADERS = {"Content-Type": "application/json", "User-Agent": f"annotator/{__version__}"}


def _connection(url: str, settings: WebhookSettings) -> tuple[HTTPConnection, str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("neither http nor https")
    if parts.username is not None:
        raise ValueError("who is there belongs into a header, and would not be sent")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname, parts.port, timeout=settings.timeout_s), target
    trusted = ssl.create_default_context(cafile=settings.ca_file)
    return (
        HTTPSConnection(parts.hostname, parts.port, timeout=settings.timeout_s, context=trusted),
        target,
    )


def _hang_up(connection: HTTPConnection) -> None:
    """Wakes whoever waits for it."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(SHUT_RDWR)


def _beginning(response: HTTPResponse) -> str:
    if 200 <= response.status < 300:
        return ""
    return one_line(response.read(ANSWER_BYTES).decode(errors="replace"))
