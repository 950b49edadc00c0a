"""The token that a server which others can reach asks for; pure but for the clock.

It is given once in the address (`?token=...`), from where it is redirected away into a cookie, or
with each request as `Authorization: Bearer ...`. The cookie holds a digest of it, not the token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

SHORTEST_TOKEN = 16
_TOKEN = re.compile(r"[\x21-\x7e]+")

MOST_WRONG = 10
"""So many wrong tokens from one address within ..."""
WRONG_WINDOW_S = 60.0
"""... this time, and it has to wait."""
_ADDRESSES_KEPT = 1024

ASK = "This page asks for a token: open the address that `annotator browse` printed, or type it."
WRONG = "This is not the token."
WAIT = "There were too many wrong tokens. Wait a minute."


def new_token() -> str:
    return secrets.token_urlsafe(24)


def is_good_token(token: str) -> bool:
    """Whether it is long enough, and of characters that fit into a header."""
    return len(token) >= SHORTEST_TOKEN and _TOKEN.fullmatch(token) is not None


@dataclass(frozen=True, slots=True)
class Visit:
    """A request as far as it tells who asks."""

    address: str
    path: str
    query: str = ""
    cookie: str = ""
    authorization: str = ""
    is_https: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """May go on."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Has shown the token in the address: gets a cookie and goes on without it."""

    location: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Refused:
    status: int
    words: str
    retry_after_s: int = 0


class Gate:
    """`port` tells the cookies of several servers on one host apart."""

    def __init__(self, token: str, port: int, monotonic: Callable[[], float]) -> None:
        self._token = token.encode()
        self._pass = hmac.new(self._token, b"annotator browse", hashlib.sha256).hexdigest()
        self._cookie = f"annotator_browse_{port}"
        self._monotonic = monotonic
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def judge(self, visit: Visit) -> Passed | Entered | Refused:
        query = parse_qsl(visit.query, keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if tokens:
            refused = self._try(visit.address, tokens[0])
            return refused or self._entered(visit, query)
        if self._has_cookie(visit.cookie):
            return Passed()
        scheme, _, given = visit.authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._try(visit.address, given.strip()) or Passed()
        return Refused(401, ASK)

    def _entered(self, visit: Visit, query: list[tuple[str, str]]) -> Entered:
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        # One slash: two would name another host.
        location = "/" + visit.path.lstrip("/") + (f"?{rest}" if rest else "")
        secure = "; Secure" if visit.is_https else ""
        cookie = f"{self._cookie}={self._pass}; Path=/; HttpOnly; SameSite=Strict{secure}"
        return Entered(location, cookie)

    def _has_cookie(self, header: str) -> bool:
        # By hand: other servers on this host may have set cookies that http.cookies stops at.
        pairs = (pair.strip().partition("=") for pair in header.split(";"))
        given = [value for name, _, value in pairs if name == self._cookie]
        return any(hmac.compare_digest(one.encode(), self._pass.encode()) for one in given)

    def _try(self, address: str, given: str) -> Refused | None:
        now_s = self._monotonic()
        wrong = self._wrong.get(address, deque())
        while wrong and wrong[0] <= now_s - WRONG_WINDOW_S:
            wrong.popleft()
        if len(wrong) >= MOST_WRONG:
            return Refused(429, WAIT, retry_after_s=int(wrong[0] + WRONG_WINDOW_S - now_s) + 1)
        if hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
            return None
        wrong.append(now_s)
        self._wrong[address] = wrong
        self._wrong.move_to_end(address)
        if len(self._wrong) > _ADDRESSES_KEPT:
            self._wrong.popitem(last=False)
        return Refused(403, WRONG)
