"""Pictures made from captures, in child processes.

A read from a dead mount blocks for ever and survives even SIGKILL; in a child it costs that child,
and the command goes on. So does a picture that takes the decoder down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Literal

from annotator.child import Child, ChildLost, Graveyard
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import BoundingBox, Capture, Reason, Sighting
from annotator.errors import CaptureUnreadable, StoreUnavailable
from annotator.ports import CaptureStore, Clock
from annotator.wire import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from pydantic import TypeAdapter

CHILDREN = 4
"""They wait for a network more than they work."""
MAX_HUNG = 4
"""After so many captures in a row without an answer nothing more is asked of the store."""


@dataclass(frozen=True, slots=True)
class Print:
    """A picture to make of a capture, `width_px` wide (None: as wide as it is).

    With `cut` it is a square around that box, without anything drawn on it.
    """

    width_px: int | None = None
    cut: BoundingBox | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A capture, what was seen in it, and the pictures to make."""

    capture: Capture
    seen: tuple[Sighting, ...]
    prints: tuple[Print, ...]


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Why a capture gives no picture; `whole_store` where none will."""

    reason: Reason
    message: str
    whole_store: bool = False
    kind: Literal["spoilt"] = "spoilt"


@dataclass(frozen=True, slots=True)
class Made:
    """JPEGs as `wanted.prints` has them, or why there are none."""

    wanted: Wanted
    pictures: tuple[bytes, ...] = ()
    spoilt: Spoilt | None = None


Answer = bytes | Spoilt
"""Up: a JPEG per print, in their order, or one Spoilt."""

StartChild = Callable[[], Child[Answer]]


@dataclass(slots=True)
class _Job:
    child: Child[Answer]
    wanted: Wanted
    until_s: float
    pictures: list[bytes]


class Darkroom:
    """At most `children` work at a time, each on one capture, for `patience_s` at most."""

    def __init__(
        self,
        start: StartChild,
        clock: Clock,
        *,
        children: int = CHILDREN,
        patience_s: float = 15.0,
    ) -> None:
        self._start = start
        self._clock = clock
        self._most = children
        self._patience_s = patience_s
        self._idle: list[Child[Answer]] = []
        self._busy: dict[Connection, _Job] = {}
        self._hung = 0
        self._given_up: Spoilt | None = None

    def make(self, wanted: Iterable[Wanted]) -> Iterator[Made]:
        """Each as soon as it is there, in no order. Never raises for a capture or the store."""
        rest = iter(wanted)
        while True:
            while len(self._busy) < self._most and (one := next(rest, None)) is not None:
                if self._given_up is not None:
                    yield Made(one, spoilt=self._given_up)
                else:
                    self._hand_out(one)
            if not self._busy:
                return
            yield from self._turn()

    def close(self) -> None:
        """End the children, without waiting for one that is stuck."""
        for job in self._busy.values():
            job.child.kill()
        for child in self._idle:
            child.stop()
        self._busy, self._idle = {}, []

    def _hand_out(self, one: Wanted) -> None:
        child = self._idle.pop() if self._idle else self._start()
        until_s = self._clock.monotonic() + self._patience_s
        self._busy[child.connection] = _Job(child, one, until_s, [])
        with suppress(ChildLost):  # its pipe tells the same when it is looked at
            child.send(encode_wanted(one))

    def _turn(self) -> Iterator[Made]:
        now_s = self._clock.monotonic()
        first_s = min(job.until_s for job in self._busy.values())
        for connection in wait(list(self._busy), max(0.0, first_s - now_s)):
            assert isinstance(connection, Connection)
            made = self._listen(self._busy[connection])
            if made is not None:
                del self._busy[connection]
                yield made
        now_s = self._clock.monotonic()
        for connection, job in list(self._busy.items()):
            if job.until_s <= now_s:
                del self._busy[connection]
                yield self._hang_up(job)

    def _listen(self, job: _Job) -> Made | None:
        """What came of it; None while there is more to come."""
        try:
            for answer in job.child.messages():
                self._hung = 0
                if isinstance(answer, Spoilt):
                    if answer.whole_store:
                        self._given_up = answer
                    self._idle.append(job.child)
                    return Made(job.wanted, spoilt=answer)
                job.pictures.append(answer)
        except ChildLost as lost:
            job.child.kill()
            return Made(job.wanted, spoilt=Spoilt(Reason.CRASHED, f"what draws it {lost}"))
        if len(job.pictures) < len(job.wanted.prints):
            return None
        self._idle.append(job.child)
        return Made(job.wanted, tuple(job.pictures))

    def _hang_up(self, job: _Job) -> Made:
        job.child.kill()
        self._hung += 1
        message = f"the store did not answer within {self._patience_s:g} s"
        gone = self._hung >= MAX_HUNG
        if gone:
            message += f", {self._hung} times in a row; no more is asked of it"
        spoilt = Spoilt(Reason.TIMED_OUT, message, whole_store=gone)
        if gone:
            self._given_up = spoilt
        return Made(job.wanted, spoilt=spoilt)


@contextmanager
def open_darkroom(config: Config) -> Iterator[Darkroom]:
    """For one command; its children end with it."""
    from annotator.app.children import start_pictures

    graveyard = Graveyard()
    patience_s = config.mount.stall_s
    room = Darkroom(lambda: start_pictures(config, graveyard), SystemClock(), patience_s=patience_s)
    try:
        yield room
    finally:
        room.close()


def serve(
    connection: Connection,
    store: CaptureStore,
    require_store: Callable[[], object],
    max_megapixels: float,
) -> None:
    """The child's life: until the parent hangs up, which ends it with EOFError.

    `require_store` raises StoreUnavailable where the store is not the one that captures are from:
    under a mount that is not there no capture is.
    """
    while True:
        wanted = _orders().validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))
        try:
            jpeg = _read(wanted.capture, store, require_store)
            pictures = [_printed(jpeg, wanted.seen, one, max_megapixels) for one in wanted.prints]
        except CaptureUnreadable as error:
            connection.send_bytes(encode_answer(Spoilt(error.reason, str(error))))
        except StoreUnavailable as error:
            gone = Spoilt(Reason.UNREADABLE, str(error), whole_store=True)
            connection.send_bytes(encode_answer(gone))
        except Exception as error:
            bug = Spoilt(Reason.INTERNAL, f"{error!r}: a bug in annotator, please report it")
            connection.send_bytes(encode_answer(bug))
        else:
            for picture in pictures:
                connection.send_bytes(picture)


def _read(capture: Capture, store: CaptureStore, require_store: Callable[[], object]) -> bytes:
    try:
        return store.read(capture).jpeg
    except CaptureUnreadable as error:
        if error.reason is Reason.VANISHED:
            require_store()
        raise


def _printed(
    jpeg: bytes, seen: tuple[Sighting, ...], wanted: Print, max_megapixels: float
) -> bytes:
    from annotator.view.draw import draw
    from annotator.view.thumbnail import cropped_to, thumbnail

    if wanted.cut is not None:
        size_px = wanted.width_px or wanted.cut.width
        return cropped_to(jpeg, wanted.cut, size_px=size_px, max_megapixels=max_megapixels)
    if wanted.width_px is None:
        return draw(jpeg, seen, max_megapixels=max_megapixels)
    return thumbnail(jpeg, seen, width_px=wanted.width_px, max_megapixels=max_megapixels)


def encode_wanted(wanted: Wanted) -> bytes:
    return _orders().dump_json(wanted)


def encode_answer(answer: Spoilt) -> bytes:
    return _spoilts().dump_json(answer)


def decode_answer(message: bytes) -> Answer:
    """Raises ValueError where the message is not one of ours."""
    return message if message.startswith(b"\xff\xd8") else _spoilts().validate_json(message)


@cache
def _orders() -> TypeAdapter[Wanted]:
    from pydantic import TypeAdapter

    return TypeAdapter(Wanted)


@cache
def _spoilts() -> TypeAdapter[Spoilt]:
    from pydantic import TypeAdapter

    return TypeAdapter(Spoilt)
