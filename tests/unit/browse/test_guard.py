"""Who is let through to the pages, and what each answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from annotator.browse.gate import Gate
from annotator.browse.guard import NONCE, Guard, HostNames, host_names, is_loopback
from tests.fakes.clock import ManualClock

TOKEN = "correct-horse-battery"
LOCAL = host_names("127.0.0.1", (), "box")


@dataclass
class Inner:
    """The application behind the guard: says ok, and remembers what it was asked."""

    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"text/plain"),)
    asked: list[MutableMapping[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.asked.append(scope)
        start = {"type": "http.response.start", "status": 200, "headers": list(self.headers)}
        await send(start)
        await send({"type": "http.response.body", "body": b"ok"})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def ask(
    inner: Inner,
    path: str = "/",
    *,
    hosts: HostNames = LOCAL,
    gate: Gate | None = None,
    method: str = "GET",
    query: str = "",
    **headers: str,
) -> Answer:
    headers.setdefault("host", "127.0.0.1:8001")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode(),
        "scheme": "http",
        "client": ("10.0.0.1", 5),
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
    }
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    asyncio.run(Guard(inner, hosts, gate)(scope, receive, send))
    given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], given, sent[1]["body"].decode())


def test_what_is_asked_rightly_goes_through_with_headers_that_protect_it() -> None:
    inner = Inner()
    answer = ask(inner)
    assert (answer.status, answer.body) == (200, "ok")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"script-src 'self' 'nonce-{inner.asked[0][NONCE]}'" in policy
    assert "unsafe-eval" not in policy


def test_each_answer_has_a_nonce_of_its_own() -> None:
    inner = Inner()
    ask(inner)
    ask(inner)
    assert inner.asked[0][NONCE] != inner.asked[1][NONCE]


def test_what_an_answer_says_of_itself_stays() -> None:
    inner = Inner(headers=((b"cache-control", b"private, max-age=60"),))
    assert ask(inner).headers["cache-control"] == "private, max-age=60"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(method: str) -> None:
    inner = Inner()
    assert ask(inner, method=method).status == 405
    assert not inner.asked


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8001", 200),
        ("127.0.0.1", 200),
        ("localhost:9000", 200),
        ("LOCALHOST.", 200),
        ("[::1]:8001", 200),
        ("evil.example", 421),
        ("evil.example:8001", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("192.168.1.5", 421),
        ("", 421),
    ],
)
def test_only_our_own_names_are_answered_on_loopback(host: str, status: int) -> None:
    assert ask(Inner(), host=host).status == status


def test_a_given_host_and_further_names_are_answered_too() -> None:
    hosts = host_names("192.168.1.5", ("Cams.Example.ORG",), "box")
    assert ask(Inner(), hosts=hosts, host="192.168.1.5:8001").status == 200
    assert ask(Inner(), hosts=hosts, host="cams.example.org").status == 200
    assert ask(Inner(), hosts=hosts, host="192.168.1.6").status == 421


def test_on_every_address_any_address_is_answered_and_our_own_name() -> None:
    hosts = host_names("0.0.0.0", (), "Box")
    for host in ("192.168.1.5:8001", "[fe80::1]", "box:8001", "box.local"):
        assert ask(Inner(), hosts=hosts, host=host).status == 200
    assert ask(Inner(), hosts=hosts, host="evil.example").status == 421


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "box", "127.0.0.1.nip.io")))


def test_pages_of_other_sites_cannot_use_what_is_here_but_may_link_to_it() -> None:
    inner = Inner()
    embedded = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}
    assert ask(inner, "/-/capture/a.jpg", **embedded).status == 403
    assert ask(inner, **{**embedded, "sec_fetch_site": "same-site"}).status == 403
    assert not inner.asked
    assert ask(inner, sec_fetch_site="cross-site", sec_fetch_mode="navigate").status == 200
    assert ask(inner, sec_fetch_site="same-origin", sec_fetch_mode="no-cors").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/-/databases",
        "/-/metadata.json",
        "/-/threads",
        "/-/logout",
        "/-/auth-token",
        "//-/threads",
        "//evil.example/",
        "/" + "a" * 20_000,
        "/\xff",
    ],
)
def test_what_tells_about_this_computer_is_not_there(path: str) -> None:
    inner = Inner()
    assert ask(inner, path).status == 404
    assert not inner.asked


def test_a_gate_keeps_everything_out_pictures_and_styles_too() -> None:
    inner = Inner()
    gate = Gate(TOKEN, 8001, ManualClock().monotonic)
    for path in ("/", "/-/capture/a.jpg", "/-/static/app.css", "/annotator.json"):
        assert ask(inner, path, gate=gate).status == 401
    assert not inner.asked


def test_a_refused_person_gets_a_page_that_runs_nothing_and_a_program_gets_words() -> None:
    gate = Gate(TOKEN, 8001, ManualClock().monotonic)
    page = ask(Inner(), gate=gate, accept="text/html,*/*")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<input id="token" name="token" type="password"' in page.body
    assert "<script" not in page.body
    words = ask(Inner(), gate=gate, accept="application/json")
    assert words.headers["www-authenticate"] == "Bearer"
    assert words.body.startswith("This page asks for a token")


def test_the_token_leaves_the_address_and_never_reaches_the_pages() -> None:
    inner = Inner()
    gate = Gate(TOKEN, 8001, ManualClock().monotonic)
    entered = ask(inner, "/annotator", gate=gate, query=f"token={TOKEN}&sql=select+1")
    assert (entered.status, entered.headers["location"]) == (303, "/annotator?sql=select+1")
    cookie = entered.headers["set-cookie"].partition(";")[0]
    bearer = f"Bearer {TOKEN}"
    assert ask(inner, gate=gate, cookie=cookie, x_other="stays").status == 200
    assert ask(inner, gate=gate, authorization=bearer).status == 200
    names = [[name for name, _ in scope["headers"]] for scope in inner.asked]
    assert names == [[b"x-other", b"host"], [b"host"]]
    assert TOKEN not in repr(inner.asked)


def test_what_is_not_http_is_left_alone() -> None:
    inner = Inner()

    async def nothing(*_: object) -> None:
        raise AssertionError("nobody is spoken to")

    asyncio.run(Guard(inner, LOCAL, None)({"type": "websocket"}, nothing, nothing))  # type: ignore[arg-type]
    assert not inner.asked
