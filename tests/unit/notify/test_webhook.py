"""POSTs to a real server that behaves in every bad way."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from annotator.config import WebhookSettings
from annotator.errors import DeliveryError
from annotator.notify.webhook import WebhookDeliverer
from tests.contracts.notices import notice

NOTICE = replace(notice(person="Anna"), id=5)
Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each POST by `behave`; `got` are (path, headers, body)."""

    def __init__(self, behave: Behaviour) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.over = threading.Event()
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, dict(self.headers), body))
                with suppress(OSError):
                    behave(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook?key=s3cret"


@contextmanager
def serving(behave: Behaviour) -> Iterator[Server]:
    server = Server(behave)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def answering(*statuses: int, headers: dict[str, str] | None = None) -> Behaviour:
    left = list(statuses)

    def behave(request: BaseHTTPRequestHandler) -> None:
        request.send_response(left.pop(0) if len(left) > 1 else left[0])
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(b"so it is\n" * 10)

    return behave


def webhook(url: str, **other: object) -> WebhookDeliverer:
    return WebhookDeliverer("phone", WebhookSettings.model_validate({"url": url, **other}))


def test_the_notice_is_posted_as_json_with_the_headers() -> None:
    with serving(answering(204)) as server:
        headers = {"Authorization": "Bearer abc", "X-Title": "Door"}
        webhook(server.url, headers=headers).deliver(NOTICE, b"\xff\xd8 jpeg")
    ((path, sent, body),) = server.got
    assert path == "/hook?key=s3cret"
    assert sent["Content-Type"] == "application/json"
    assert (sent["Authorization"], sent["X-Title"]) == ("Bearer abc", "Door")
    told = json.loads(body)
    assert (told["notice"], told["rule"], told["person"]) == (5, "door", "Anna")
    assert base64.b64decode(told["picture"]) == b"\xff\xd8 jpeg"


def test_without_a_picture_there_is_none() -> None:
    with serving(answering(200)) as server:
        webhook(server.url).deliver(NOTICE, None)
    assert "picture" not in json.loads(server.got[0][2])


@pytest.mark.parametrize(
    ("status", "final"),
    [
        *((500, False), (502, False), (503, False), (408, False), (429, False)),
        *((400, True), (401, True), (404, True), (410, True), (301, True), (307, True)),
    ],
)
def test_what_passes_is_tried_again_and_what_does_not_is_not(status: int, final: bool) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1/stolen"}
    with (
        serving(answering(status, headers=elsewhere)) as server,
        pytest.raises(DeliveryError, match=f"it answered {status}: so it is") as caught,
    ):
        webhook(server.url).deliver(NOTICE, None)
    assert caught.value.final is final
    assert caught.value.next_step
    assert len(server.got) == 1


def test_a_server_that_is_well_again_gets_it() -> None:
    with serving(answering(500, 200)) as server:
        deliverer = webhook(server.url)
        with pytest.raises(DeliveryError):
            deliverer.deliver(NOTICE, None)
        deliverer.deliver(NOTICE, None)
    assert len(server.got) == 2


def test_a_server_that_says_nothing_is_left() -> None:
    servers: list[Server] = []
    with serving(lambda _: bool(servers[0].over.wait(10)) and None) as server:
        servers.append(server)
        with pytest.raises(DeliveryError, match=r"no answer within 0\.1 s") as caught:
            webhook(server.url, timeout_s=0.1).deliver(NOTICE, None)
    assert not caught.value.final


def test_a_server_that_says_a_byte_now_and_then_is_left() -> None:
    servers: list[Server] = []

    def drip(request: BaseHTTPRequestHandler) -> None:
        while not servers[0].over.wait(0.02):
            request.wfile.write(b"H")
            request.wfile.flush()

    with serving(drip) as server:
        servers.append(server)
        with pytest.raises(DeliveryError, match=r"no answer within 0\.2 s"):
            webhook(server.url, timeout_s=0.2).deliver(NOTICE, None)


def test_a_huge_answer_is_not_read() -> None:
    def pour(request: BaseHTTPRequestHandler) -> None:
        request.send_response(500)
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 2**20)

    with serving(pour) as server, pytest.raises(DeliveryError) as caught:
        webhook(server.url).deliver(NOTICE, None)
    assert len(str(caught.value)) < 600


def test_nobody_there_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret"
        with pytest.raises(DeliveryError, match="refused") as caught:
            webhook(url).deliver(NOTICE, None)
    assert not caught.value.final


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://host/s3cret", {}),
        ("s3cret", {}),
        ("http://host:port/s3cret", {}),
        ("http:///s3cret", {}),
        ("http://me:s3cret@127.0.0.1:{port}/", {}),
        ("http://127.0.0.1/s3 cret\n", {}),
        ("http://127.0.0.1:{port}/", {"Authorization": "s3cret\r\nX: y"}),
        ("http://127.0.0.1:{port}/", {"Authorization": "s3cret 🔑"}),
    ],
)
def test_what_cannot_be_sent_is_said_without_telling_the_secret(
    url: str, headers: dict[str, str]
) -> None:
    with serving(answering(200)) as server:
        deliverer = webhook(url.format(port=server.http.server_port), headers=headers)
        with pytest.raises(DeliveryError) as caught:
            deliverer.deliver(NOTICE, None)
    assert not caught.value.final, "whoever mends the configuration gets it after all"
    assert "s3" not in str(caught.value) + caught.value.next_step


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 403 no\r\n\r\nno \x1b[2J\0 way", b"\x1b[2J\0 junk" * 99]
)
def test_what_a_server_says_is_harmless_to_a_terminal(answer: bytes) -> None:
    with (
        serving(lambda request: bool(request.wfile.write(answer)) and None) as server,
        pytest.raises(DeliveryError) as caught,
    ):
        webhook(server.url).deliver(NOTICE, None)
    assert str(caught.value).isprintable()


def test_what_cannot_be_used_is_known_without_asking_anybody(tmp_path: Path) -> None:
    url = "https://127.0.0.1:1/hook"
    webhook(url).check()
    for other in (
        webhook(url, ca_file=tmp_path / "none.pem"),
        webhook("ftp://host/hook"),
        webhook(url, headers={"Authorization": f"file:{tmp_path}/none"}),
    ):
        with pytest.raises(DeliveryError):
            other.check()


def test_tls_is_verified() -> None:
    with serving(answering(200)) as server:
        https = server.url.replace("http:", "https:")
        with pytest.raises(DeliveryError, match="SSL"):
            webhook(https).deliver(NOTICE, None)
    assert server.got == []


def test_a_secret_that_cannot_be_read_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(200)) as server:
        deliverer = webhook("env:HOOK_OF_A_TEST")
        with pytest.raises(DeliveryError, match="the environment has no HOOK_OF_A_TEST") as caught:
            deliverer.deliver(NOTICE, None)
        assert not caught.value.final
        monkeypatch.setenv("HOOK_OF_A_TEST", server.url)
        deliverer.deliver(NOTICE, None)
    assert len(server.got) == 1


def test_closing_wakes_whoever_waits() -> None:
    servers: list[Server] = []
    asked = threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        servers[0].over.wait(10)

    with serving(hang) as server:
        servers.append(server)
        deliverer = webhook(server.url, timeout_s=60)
        closer = threading.Thread(target=lambda: asked.wait(10) and deliverer.close())
        closer.start()
        with pytest.raises(DeliveryError):
            deliverer.deliver(NOTICE, None)
        closer.join()
