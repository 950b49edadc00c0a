"""Our pages and pictures as a plugin of Datasette, which renders and routes them with its own."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Base400, Request, Response
from datasette.views.base import DatasetteError
from jinja2 import Environment
from jinja2.ext import Extension

from annotator.browse import about, cells, links, pages, words
from annotator.browse.desk import PictureDesk, Reply
from annotator.browse.filters import EventFilter
from annotator.browse.guard import NONCE
from annotator.browse.needs import Material
from annotator.errors import AnnotatorError, DatabaseError, QueryError

log = logging.getLogger(__name__)

T = TypeVar("T")
Hook = TypeVar("Hook", bound=Callable[..., Any])
View = Callable[[Request], Awaitable[Response]]

_hook: Callable[[Hook], Hook] = hookimpl
_hook_first: Callable[[Hook], Hook] = hookimpl(tryfirst=True)

NAME = "annotator.browse"
"""By a plugin's name Datasette finds its templates/ and static/."""
ASKERS = 3
"""So many of our pages ask the database at a time."""
NOWHERE = "There is no such page."
NO_EVENT = "The database knows no such event."
NO_CAPTURE = "The database knows no such capture."


class Plugin:
    """The hooks; one for a process, see `_registered` in `annotator.browse.server`."""

    __name__ = NAME

    def __init__(self, material: Material, *, with_facets: bool) -> None:
        self._questions = material.questions
        self._lookup = material.lookup
        self._metadata = about.metadata(with_facets=with_facets)
        self._desk = PictureDesk(material.lookup, material.questions, material.pictures)
        self._askers = ThreadPoolExecutor(ASKERS, thread_name_prefix="page")
        self._assets = {name: _asset(name) for name in ("browse.css", "browse.js")}

    def close(self) -> None:
        """Returns when no thread is left."""
        self._desk.close()
        self._askers.shutdown(wait=True, cancel_futures=True)

    @_hook
    def get_metadata(self) -> dict[str, Any]:
        return self._metadata

    @_hook
    def prepare_jinja2_environment(self, env: Environment) -> None:
        env.add_extension(_Nonces)
        env.globals.update(words.FOR_TEMPLATES)

    @_hook
    def extra_template_vars(self, request: Request | None) -> dict[str, Any]:
        return {NONCE: request.scope.get(NONCE, "") if request else ""}

    @_hook
    def extra_css_urls(self) -> list[str]:
        return [self._assets["browse.css"]]

    @_hook
    def extra_js_urls(self) -> list[dict[str, object]]:
        return [{"url": self._assets["browse.js"], "module": True}]

    @_hook
    def register_routes(self) -> list[tuple[str, Any]]:
        return [
            (r"^/$", self._start),
            (r"^/-/events$", self._events),
            (r"^/-/event/(?P<path>.*)$", self._event),
            (r"^/-/event-(?P<id>[0-9]{1,18})$", self._numbered_event),
            (r"^/-/look/(?P<path>.*)$", self._look),
            (r"^/-/people$", self._people),
            (r"^/-/capture/(?P<path>.*)$", self._capture),
        ]

    @_hook
    def render_cell(self, row: Any, value: object, column: str) -> Any:
        return cells.cell(column, value, {name: row[name] for name in row.keys()})  # noqa: SIM118

    @_hook_first
    def handle_exception(
        self, datasette: Datasette, request: Request, exception: Exception
    ) -> Awaitable[Response]:
        return _failure_page(datasette, request, exception)

    async def _start(self, request: Request, datasette: Datasette) -> Response:
        return await self._show_events(request, datasette, is_start=True)

    async def _events(self, request: Request, datasette: Datasette) -> Response:
        return await self._show_events(request, datasette, is_start=False)

    async def _show_events(
        self, request: Request, datasette: Datasette, *, is_start: bool
    ) -> Response:
        chosen = EventFilter() if is_start else EventFilter.from_address(_asked(request))
        page = await self._ask(
            partial(pages.events_page, self._questions, self._lookup, chosen, is_start=is_start)
        )
        return await _html(datasette, request, "events.html", {"page": page})

    async def _event(self, request: Request, datasette: Datasette) -> Response:
        asked = _asked(request)
        directory = links.path_from(request.url_vars["path"])
        first = asked.get("from", "0")
        if directory is None or not first.isdecimal() or len(first) > 9:
            return await _failed(datasette, request, 404, NOWHERE)
        everything = asked.get("all") == "1"
        page = await self._ask(
            partial(
                pages.event_page,
                self._questions,
                self._lookup,
                directory,
                first=int(first),
                everything=everything,
            )
        )
        if page is None:
            return await _failed(datasette, request, 404, NO_EVENT)
        return await _html(datasette, request, "event.html", {"page": page})

    async def _numbered_event(self, request: Request, datasette: Datasette) -> Response:
        number = int(request.url_vars["id"])
        event = await self._ask(partial(self._lookup.numbered_event, number))
        if event is None:
            return await _failed(datasette, request, 404, NO_EVENT)
        return Response.redirect(links.event_url(event.directory))

    async def _look(self, request: Request, datasette: Datasette) -> Response:
        path = links.path_from(request.url_vars["path"])
        page = None
        if path:
            page = await self._ask(partial(pages.look_page, self._questions, self._lookup, path))
        if page is None:
            return await _failed(datasette, request, 404, NO_CAPTURE)
        with_boxes = _asked(request).get("boxes") != "0"
        return await _html(
            datasette, request, "look.html", {"page": page, "with_boxes": with_boxes}
        )

    async def _people(self, request: Request, datasette: Datasette) -> Response:
        people = await self._ask(partial(pages.people_page, self._questions))
        return await _html(datasette, request, "people.html", {"people": people})

    async def _capture(self, request: Request) -> Response:
        known = request.headers.get("if-none-match", "")
        reply = await self._desk.answer(request.url_vars["path"], _asked(request), known)
        return _response(reply)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._askers, question)


class _Nonces(Extension):
    """Gives each script and style in a template's source, and nothing that comes into it later,
    the word that the Content-Security-Policy asks for."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"<(script|style)(?=[\s>])", rf'<\1 nonce="{{{{ {NONCE} }}}}"', source)


def _asset(name: str) -> str:
    """The address of a file in static/, with what makes a browser fetch a new one."""
    content = (Path(__file__).parent / "static" / name).read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:8]
    return f"/-/static-plugins/{NAME}/{name}?{tag}"


def _asked(request: Request) -> Mapping[str, str]:
    """The first value of each name in the address's query."""
    return {name: request.args.get(name) for name in request.args}


def _response(reply: Reply) -> Response:
    return Response(
        reply.body,
        status=reply.status,
        headers=dict(reply.headers),
        content_type=reply.content_type,
    )


async def _html(
    datasette: Datasette,
    request: Request,
    template: str,
    context: dict[str, Any],
    status: int = 200,
) -> Response:
    page = await datasette.render_template(template, context, request=request)
    return Response.html(page, status=status)


async def _failed(
    datasette: Datasette, request: Request, status: int, message: str, next_step: str = ""
) -> Response:
    if request.path.endswith(".json"):
        told = {"ok": False, "error": message, "status": status, "title": None}
        return Response.json(told, status=status)
    context = {"status": status, "message": message, "next_step": next_step}
    return await _html(datasette, request, "failed.html", context, status)


def _failure_page(
    datasette: Datasette, request: Request, exception: Exception
) -> Awaitable[Response]:
    """Instead of Datasette's own, which prints tracebacks with all variables."""
    failed = partial(_failed, datasette, request)
    match exception:
        case QueryError():
            return failed(400, str(exception), exception.next_step)
        case DatabaseError():
            return failed(503, str(exception), exception.next_step)
        case AnnotatorError():
            return failed(500, str(exception), exception.next_step)
        case DatasetteError() if exception.message_is_html:
            # Its only such message tells of a question that took too long.
            limit_s = datasette.setting("sql_time_limit_ms") / 1000
            return failed(
                exception.status,
                f"There was no answer within {limit_s:g} s.",
                "Ask for less, such as one month or with LIMIT.",
            )
        case DatasetteError():
            return failed(exception.status, str(exception.message))
        case Base400():
            message = str(exception.args[0]) if exception.args else ""
            return failed(exception.status, NOWHERE if message in ("", "404") else message)
    log.error("a bug in annotator, please report it", exc_info=exception)
    return failed(500, "This is a bug in annotator; its log tells more.")
