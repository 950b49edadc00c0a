"""Who may ask, and what every answer carries; an ASGI application around the real one.

It only lets GET and HEAD through: nothing here can change anything, so there is nothing that a
forged request (CSRF) could make it do. A page of a stranger that names our address by a name of its
own (DNS rebinding) is refused by the Host header, and its embedded requests by Sec-Fetch-Site.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from html import escape
from typing import Any

from annotator.browse.gate import Entered, Gate, Passed, Refused, Visit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

NONCE = "csp_nonce"
"""Where the scope of a request has the word that its scripts and styles must know."""

LONGEST_PATH_BYTES = 16_384

# Of Datasette's own pages below /-/ only the files; the others tell about this computer.
OPEN_TOOLS = (
    "/-/static/",
    "/-/static-plugins/",
    "/-/capture/",
    "/-/look/",
    "/-/event/",
    "/-/event-",
    "/-/events",
    "/-/people",
)

# What Datasette's editor for SQL (cm-resize 1.0.1) puts into a page, before and after it is filled.
_SCRIPTED_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-38xqj8N9cygggde3AvM+xVgS15DUXTOhM9fjk0hLOS0='",
)

_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


@dataclass(frozen=True, slots=True)
class HostNames:
    """By which names the server may be called; with `any_address` by any IP address too."""

    names: frozenset[str]
    any_address: bool = False

    def allow(self, host: str) -> bool:
        """Whether a Host header is one of them, with any port: it may have been forwarded."""
        name = host_name(host)
        return name in self.names or (self.any_address and _is_address(name))


LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(host: str) -> str:
    """The name in a Host header, without port, brackets and a dot at its end."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name = host.partition(":")[0] if host.count(":") == 1 else host
    return name.removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches a host."""
    name = host_name(host)
    if name == "localhost":
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def is_wildcard(host: str) -> bool:
    """Whether it stands for every address of this computer."""
    name = host_name(host)
    return _is_address(name) and ipaddress.ip_address(name).is_unspecified


def host_names(host: str, more: Iterable[str], own: str) -> HostNames:
    """What a server at `host` may be called, on a computer named `own`."""
    names = {*LOOPBACK_NAMES, host_name(host), *map(host_name, more)}
    if is_wildcard(host):
        names |= {own.lower(), f"{own.lower()}.local"}
    return HostNames(frozenset(names), any_address=is_wildcard(host))


def content_security_policy(nonce: str) -> str:
    """Scripts and styles from here only, inline only where the templates have them.

    Datasette's templates have style attributes; a script cannot hide in one.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}' {' '.join(_SCRIPTED_STYLES)}",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class Guard:
    """Without a `gate` whoever reaches the server may look."""

    def __init__(self, app: App, hosts: HostNames, gate: Gate | None) -> None:
        self._app = app
        self._hosts = hosts
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        secured = _securing(send, nonce)
        refusal = self._refusal(scope)
        if refusal is not None:
            await _say(secured, refusal, nonce, scope)
            return
        if self._gate is not None:
            verdict = self._gate.judge(_visit(scope))
            if isinstance(verdict, Entered):
                await _redirect(secured, verdict)
                return
            if isinstance(verdict, Refused):
                await _say(secured, _Plain.of(verdict), nonce, scope)
                return
            assert isinstance(verdict, Passed)
        # Nothing behind this sees a cookie or a token, or could log it.
        inner = dict(scope)
        inner[NONCE] = nonce
        inner["headers"] = [
            (name, value)
            for name, value in scope["headers"]
            if name not in (b"cookie", b"authorization")
        ]
        await self._app(inner, receive, secured)

    def _refusal(self, scope: Scope) -> _Plain | None:
        if scope["method"] not in ("GET", "HEAD"):
            return _Plain(405, "Only reading is possible here.", ((b"allow", b"GET, HEAD"),))
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        if len(raw) > LONGEST_PATH_BYTES:
            return _Plain(404, "There is no such page.")
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0]):
            return _Plain(
                421,
                "This server is not known by the name that it was called by. "
                "Start it with --name if that is right.",
            )
        site = _values(scope, b"sec-fetch-site")
        mode = _values(scope, b"sec-fetch-mode")
        if site and site[0] in ("cross-site", "same-site") and mode != ["navigate"]:
            return _Plain(403, "Pages of other sites may not use what is here.")
        is_tool = raw.startswith((b"/-/", b"//"))
        if not raw.isascii() or (is_tool and not raw.decode().startswith(OPEN_TOOLS)):
            return _Plain(404, "There is no such page.")
        return None


@dataclass(frozen=True, slots=True)
class _Plain:
    """A refusal in plain words; `asks` where a token would help."""

    status: int
    words: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    asks: bool = False

    @classmethod
    def of(cls, refused: Refused) -> _Plain:
        headers: list[tuple[bytes, bytes]] = []
        if refused.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if refused.retry_after_s:
            headers.append((b"retry-after", str(refused.retry_after_s).encode()))
        return cls(refused.status, refused.words, tuple(headers), asks=True)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _visit(scope: Scope) -> Visit:
    client = scope.get("client")
    return Visit(
        address=client[0] if client else "",
        path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        cookie="; ".join(_values(scope, b"cookie")),
        authorization=next(iter(_values(scope, b"authorization")), ""),
        is_https=scope.get("scheme") == "https",
    )


def _securing(send: Send, nonce: str) -> Send:
    policy = content_security_policy(nonce).encode()

    async def secured(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            has = {bytes(name).lower() for name, _ in message.get("headers", ())}
            more = [(name, value) for name, value in _HEADERS if name not in has]
            if b"cache-control" not in has:
                more.append((b"cache-control", b"private, no-cache"))
            more.append((b"content-security-policy", policy))
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return secured


async def _redirect(send: Send, entered: Entered) -> None:
    await _respond(
        send,
        303,
        b"",
        [
            (b"location", entered.location.encode("latin-1")),
            (b"set-cookie", entered.cookie.encode("latin-1")),
            (b"cache-control", b"no-store"),
        ],
    )


async def _say(send: Send, plain: _Plain, nonce: str, scope: Scope) -> None:
    wants_page = any("text/html" in accepted for accepted in _values(scope, b"accept"))
    kind = b"text/html; charset=utf-8" if wants_page else b"text/plain; charset=utf-8"
    body = _page(plain, nonce) if wants_page else f"{plain.words}\n"
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), *plain.headers]
    await _respond(send, plain.status, body.encode(), headers)


async def _respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


_FORM = """
<form method="get" action="/">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Open</button>
</form>
<p><a href="/">Try again</a></p>
"""


def _page(plain: _Plain, nonce: str) -> str:
    # It stands for itself: without a token not even the style sheet is given away.
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>annotator</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style nonce="{nonce}">
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 30rem; margin: 18vh auto 0; padding: 0 1.25rem; }}
h1 {{ font-size: 1.25rem; }}
form {{ display: flex; gap: .5rem; align-items: center; }}
input {{ flex: 1; min-width: 0; }}
input, button {{ font: inherit; padding: .4rem .6rem; }}
</style></head>
<body><h1>annotator</h1><p>{escape(plain.words)}</p>{_FORM if plain.asks else ""}</body></html>
"""
