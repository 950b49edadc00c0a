"""`annotator browse` as it is met: in a browser, over plain HTTP, as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import psutil
import pytest

from annotator.clock import SystemClock
from annotator.domain import (
    EMBEDDING_BYTES,
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Face,
    Failure,
    Gate,
    Identification,
    Identity,
    Provenance,
    Reason,
)
from db.engine import open_database
from db.store import SqlStore
from tests.system.conftest import PROJECT, comes_true, picture
from tests.system.lab import QUICK_ON_SSHFS, Lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = "correct-horse-battery-staple"
SECRET = b"this is no capture"
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROVENANCE = Provenance("tiny@000000000000", "cpu", face_detector="f", embedder="e")
# Names that would do harm if they were anything but text.
EVIL = "<img src=x onerror=\"document.title='harmed'\">'&amp;\\"

DOOR = Event("FrontDoor", "1", "24/05/01/12/00/00", START)
EVIL_EVENT = Event(EVIL, f"Evil {EVIL}", f"17 {EVIL}", START + timedelta(minutes=5))
GONE = Event("Hall", "Hall", "24/05/01/12/20/00", START + timedelta(minutes=20))


def capture(event: Event, frame: int, name: str | None = None) -> Capture:
    return Capture(event, name or f"{frame:05d}-capture.jpg", frame)


FRAMES = tuple(capture(DOOR, frame) for frame in (1, 2, 3, 4))
EVIL_CAPTURE = capture(EVIL_EVENT, 7, f"{EVIL} 00007.jpg")
VANISHED = capture(GONE, 1)
LINK = capture(GONE, 2)
CORRUPT = capture(GONE, 3)


def face(name: str | None) -> Face:
    identity = Identity.UNKNOWN if name is None else Identity.KNOWN
    return Face(
        BoundingBox(60, 110, 120, 190),
        0.9,
        500.0,
        Gate.USABLE,
        bytes(EMBEDDING_BYTES),
        Identification(identity, name, None if name is None else 0.87),
        track=1,
    )


def annotated(
    one: Capture, at: datetime, label: str = "person", faces: Sequence[Face] = ()
) -> Annotation:
    seen = Detection(label, 0, 0.73046875, BoundingBox(40, 100, 240, 400), tuple(faces))
    return Annotation(one, at, 640, 480, (seen,), PROVENANCE)


@dataclass(frozen=True)
class Past:
    """A store and a database in a folder, with what happened on one day."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "events"

    @property
    def database(self) -> Path:
        return self.folder / "annotator.sqlite"

    def write(self) -> Past:
        self.store.mkdir(exist_ok=True)
        for one in (*FRAMES, EVIL_CAPTURE):
            path = self.store / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture("red", "green"))
        hall = (self.store / VANISHED.path).parent
        hall.mkdir(parents=True)
        (self.folder / "secret.jpg").write_bytes(SECRET)
        (self.store / LINK.path).symlink_to(self.folder / "secret.jpg")
        (self.store / CORRUPT.path).write_bytes(b"\xff\xd8 no picture \xff\xd9")
        with open_database(self.database, forbidden_root=None) as database:
            SqlStore(database, SystemClock()).record(
                [
                    annotated(FRAMES[0], START, faces=[face(None)]),
                    annotated(FRAMES[1], START + timedelta(seconds=1), faces=[face("anna")]),
                    Annotation(FRAMES[2], START + timedelta(seconds=2), 640, 480, (), PROVENANCE),
                    annotated(FRAMES[3], START + timedelta(seconds=3), "cat"),
                    annotated(EVIL_CAPTURE, START + timedelta(minutes=5), EVIL, [face(EVIL)]),
                    *(
                        annotated(one, START + timedelta(minutes=20, seconds=one.frame))
                        for one in (VANISHED, LINK, CORRUPT)
                    ),
                ],
                [Failure("Hall/locked", Reason.UNREADABLE, EVIL)],
            )
        return self

    def command(self, *arguments: str) -> list[str]:
        options = ["--store", str(self.store), "--database", str(self.database)]
        return [sys.executable, "-m", "annotator", "browse", *options, *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **{key: value for key, value in os.environ.items() if key != "ANNOTATOR_BROWSE_TOKEN"},
            "ANNOTATOR_CONFIG": str(self.folder / "annotator.toml"),
            "PYTHONPATH": str(PROJECT),
            "TZ": "UTC",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """For a server that does not come to be."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    made = Past(tmp_path_factory.mktemp("past"))
    (made.folder / "annotator.toml").touch()
    return made.write()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A running `annotator browse`; `url` is what it printed."""

    process: subprocess.Popen[str]
    url: str

    @property
    def base(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def get(self, target: str, *, method: str = "GET", **headers: str) -> Reply:
        """Exactly this request target, as no well-behaved client would send it."""
        given = {"host": f"127.0.0.1:{self.port}", **headers, "connection": "close"}
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        names = (line.partition(": ") for line in rest)
        found = {name.lower(): value for name, _, value in names}
        if found.get("transfer-encoding") == "chunked":
            body = unchunked(body)
        return Reply(int(first.split()[1]), found, body)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGINT, within_s: float = 30.0) -> str:
        """Its stderr. It ends at once and with 0, whichever signal it was."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=within_s)
        assert self.process.returncode == 0, errors
        assert "Traceback" not in errors
        return errors


def unchunked(body: bytes) -> bytes:
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        out, body = out + body[:length], body[length + 2 :]
    return out


@contextmanager
def browsing(past: Past, *arguments: str) -> Iterator[Server]:
    process = subprocess.Popen(
        past.command("--port", "0", *arguments),
        env=past.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, process.communicate(timeout=30)[1]
        server = Server(process, url)
        yield server
        if process.poll() is None:
            server.stop()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(past: Past) -> Iterator[Server]:
    with browsing(past) as running:
        yield running


@pytest.fixture(scope="module")
def locked(past: Past) -> Iterator[Server]:
    """One that asks for a token."""
    with browsing(past, "--token", TOKEN) as running:
        yield running


MISSING = ("status of 410 (", "status of 422 (")
"""How Chromium remarks upon what is there in the place of a deleted or broken capture."""


@dataclass
class Watched:
    """What a page did beside showing itself."""

    troubles: list[str]
    requests: list[str]
    may_miss_pictures: bool = False


@pytest.fixture
def watched() -> Watched:
    return Watched([], [])


@pytest.fixture
def page(browser: Browser, server: Server, watched: Watched) -> Iterator[Page]:
    yield from watched_page(browser, server, watched)


@pytest.fixture
def phone(browser: Browser, server: Server, watched: Watched) -> Iterator[Page]:
    yield from watched_page(
        browser,
        server,
        watched,
        viewport={"width": 360, "height": 740},
        is_mobile=True,
        has_touch=True,
        color_scheme="dark",
    )


def watched_page(
    browser: Browser, server: Server, watched: Watched, **options: object
) -> Iterator[Page]:
    """A page that must neither complain nor ask anybody else for anything."""
    opened = browser.new_page(base_url=server.base, **options)  # type: ignore[arg-type]
    opened.on("console", lambda said: watched.troubles.append(f"{said.type}: {said.text}"))
    opened.on("pageerror", lambda error: watched.troubles.append(str(error)))
    opened.on("dialog", lambda dialog: watched.troubles.append(dialog.message))
    opened.on("request", lambda request: watched.requests.append(request.url))
    try:
        yield opened
    finally:
        opened.close()
    foreign = [url for url in watched.requests if not url.startswith((f"{server.base}/", "data:"))]
    assert not foreign
    troubles = watched.troubles
    if watched.may_miss_pictures:
        troubles = [one for one in troubles if not any(remark in one for remark in MISSING)]
    assert not troubles


def all_pictures_are_there(page: Page) -> int:
    """How many there are, each scrolled to and loaded."""
    pictures = page.locator("section.content img")
    for at in range(pictures.count()):
        pictures.nth(at).scroll_into_view_if_needed()
    comes_true(
        page, "() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)"
    )
    return pictures.count()


def address(one: Capture) -> str:
    return f"/-/capture/{quote(one.path)}"


# In a browser.


def test_the_start_page_shows_what_happened(page: Page) -> None:
    page.goto("/-/events?monitor=FrontDoor")
    assert all_pictures_are_there(page) == 1
    card = page.locator(".card")
    assert card.locator("h3 a").inner_text() == "FrontDoor"
    assert card.locator("time").inner_text() == "Wed 1 May 2024 12:00"
    assert "person" in card.inner_text()
    assert "anna" in card.inner_text()
    page.goto("/-/people")
    assert all_pictures_are_there(page) >= 2
    assert page.locator(".person h3").first.inner_text()


def test_a_filter_counts_as_soon_as_it_is_chosen(page: Page) -> None:
    page.goto("/-/events?monitor=FrontDoor")
    page.select_option("select[name=label]", "cat")
    page.wait_for_url("**/-/events?monitor=FrontDoor&label=cat")
    assert page.locator(".card").count() == 1
    page.fill("input[name=day]", "2024-05-02")
    page.click("form.choose button")
    page.wait_for_url("**day=2024-05-02")
    assert "Nothing was seen that fits" in page.locator(".nothing").inner_text()


def test_from_an_event_to_its_captures_and_on_with_the_arrow_keys(page: Page) -> None:
    page.goto("/-/events?monitor=FrontDoor")
    page.click(".card .shot")
    page.wait_for_url(f"**/-/event/{DOOR.directory}")
    assert all_pictures_are_there(page) == 3
    page.click("text=all 4")
    page.wait_for_url("**?all=1")
    assert all_pictures_are_there(page) == 4
    page.click(".card .shot")
    page.wait_for_url(f"**/{FRAMES[0].file_name}")
    assert page.locator("#up").inner_text() == "1 of 4"
    assert page.locator("table.seen tbody tr").count() == 1
    for one in (FRAMES[1], FRAMES[2]):
        page.keyboard.press("ArrowRight")
        page.wait_for_url(f"**/{one.file_name}")
    assert all_pictures_are_there(page) == 1
    assert "nothing was seen" in page.locator("section.content").inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/{FRAMES[1].file_name}")
    page.keyboard.press("b")
    page.wait_for_url("**?boxes=0")
    assert "boxes=0" in (page.locator("#picture img").get_attribute("src") or "")
    assert all_pictures_are_there(page) == 1
    page.keyboard.press("ArrowUp")
    page.wait_for_url(f"**/-/event/{DOOR.directory}")


def test_datasettes_tables_have_thumbnails_facets_and_links(page: Page) -> None:
    page.goto("/annotator/sightings?monitor=FrontDoor")
    assert all_pictures_are_there(page) == 3
    assert page.locator(".facet-info").count() == 3
    page.click(".facet-info a:text-is('cat')")
    page.wait_for_url("**label=cat**")
    assert all_pictures_are_there(page) == 1
    assert page.locator("td.col-score").inner_text() == "0.73"
    page.click("td.col-event a")
    page.wait_for_url(f"**/-/event/{DOOR.directory}")
    page.goto("/annotator/events?monitor=FrontDoor")
    page.click("td.col-event a")
    page.wait_for_url(f"**/-/event/{DOOR.directory}")


def test_the_menu_of_a_column_works(page: Page) -> None:
    page.goto("/annotator/sightings?monitor=FrontDoor&_col=label&_col=path")
    page.click("th[data-column=label] svg")
    page.click(".dropdown-menu .dropdown-not-blank, .dropdown-menu .dropdown-sort-asc")
    page.wait_for_url("**_sort=label**")


def test_questions_in_sql_are_answered_with_pictures(page: Page) -> None:
    page.goto("/annotator")
    page.click(".CodeMirror")
    page.keyboard.press("Control+a")
    page.keyboard.type("select path, label from sightings where monitor = 'FrontDoor'")
    page.click("input[value='Run SQL']")
    page.wait_for_selector("table.rows-and-columns")
    assert all_pictures_are_there(page) == 3
    page.click("#sql-format")
    for link in ("last_seen", "by_hour?label=person&days=9999", "strangers"):
        page.goto(f"/annotator/{link}")
        assert page.locator(".message-error").count() == 0


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/-/people",
        f"/-/event/{DOOR.directory}",
        f"/-/look/{FRAMES[1].path}",
        "/annotator",
        "/annotator/sightings?monitor=FrontDoor",
        "/annotator?sql=select+1",
    ],
)
def test_every_page_fits_a_phone(phone: Page, watched: Watched, target: str) -> None:
    watched.may_miss_pictures = True
    phone.goto(target)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_are_only_text(page: Page) -> None:
    event = quote(EVIL_EVENT.directory)
    for target in (
        f"/-/events?monitor={quote(EVIL)}",
        f"/-/events?name={quote(EVIL)}",
        f"/-/event/{event}",
        f"/-/look/{quote(EVIL_CAPTURE.path)}",
        "/-/people",
        f"/annotator/sightings?monitor={quote(EVIL)}",
        f"/annotator/faces?name={quote(EVIL)}",
        "/annotator/failures",
        f"/annotator?sql={quote('select * from sightings where monitor = ' + sql(EVIL))}",
    ):
        page.goto(target)
        assert page.title() != "harmed"
        assert EVIL in page.locator("body").inner_text()
        assert page.locator('img[src="x"]').count() == 0
    page.goto(f"/-/events?monitor={quote(EVIL)}")
    assert all_pictures_are_there(page) == 1
    page.click(".card .shot")
    assert all_pictures_are_there(page) == 1
    page.click(".card .shot")
    assert all_pictures_are_there(page) == 1


def sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_a_deleted_capture_says_so_in_its_place(page: Page, watched: Watched) -> None:
    watched.may_miss_pictures = True
    page.goto(f"/-/look/{VANISHED.path}")
    assert all_pictures_are_there(page) == 1


def test_the_token_is_asked_for_once_and_leaves_no_trace(browser: Browser, locked: Server) -> None:
    context = browser.new_context(base_url=locked.base)
    page = context.new_page()
    try:
        answer = page.goto("/annotator/failures")
        assert answer is not None
        assert answer.status == 401
        page.fill("input[name=token]", TOKEN)
        page.click("button")
        page.wait_for_url(f"{locked.base}/")
        assert page.locator(".card").count() == 3
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert TOKEN not in cookie["value"]
        page.goto(f"/-/event/{DOOR.directory}?token={TOKEN}")
        assert page.url == f"{locked.base}/-/event/{DOOR.directory}"
        assert all_pictures_are_there(page) == 3
    finally:
        context.close()


# Over plain HTTP.


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../secret.jpg",
        "1/../../secret.jpg",
        "%2e%2e/secret.jpg",
        "..%2fsecret.jpg",
        "1%2F24%2F05%2F01%2F12%2F00%2F00%2F00001-capture.jpg",
        "/1/24/05/01/12/00/00/00001-capture.jpg",
        "{folder}/secret.jpg",
        "/{folder}/secret.jpg",
        "1/24/05/01/12/00/00/00001-capture.jpg/",
        "1/24/05/01/12/00/00/00001-capture.jpg%00",
        "1/24/05/01/12/00/00/./00001-capture.jpg",
        "1/24/05/01/12/00/00",
        "1/24/05/01/12/00/00/00009-capture.jpg",
        "1/24/05/01/12/00/00/1-capture.jpg",
        "1/24/05/01/12/00/00/00001-capture.JPG",
        "Hall/locked",
        "%ff%fe.jpg",
        "a" * 9000,
        "a/" * 6000,
        "%61" * 5000,
    ],
)
def test_only_what_the_database_knows_is_read(server: Server, past: Past, path: str) -> None:
    answer = server.get("/-/capture/" + path.replace("{folder}", str(past.folder)))
    assert answer.status == 404
    assert SECRET not in answer.body


def test_a_picture_over_http(server: Server) -> None:
    whole, small = server.get(address(FRAMES[0])), server.get(f"{address(FRAMES[0])}?w=160")
    assert (whole.status, whole.headers["content-type"]) == (200, "image/jpeg")
    assert small.body.startswith(b"\xff\xd8")
    assert len(small.body) < len(whole.body)
    assert server.get(f"{address(FRAMES[0])}?w=160").body == small.body
    assert server.get(f"{address(FRAMES[0])}?boxes=0").body != whole.body
    tag = small.headers["etag"]
    again = server.get(f"{address(FRAMES[0])}?w=160", if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    assert server.get(f"{address(FRAMES[0])}?w=all").status == 400


def test_a_link_out_of_the_store_and_a_broken_picture_are_not_shown(server: Server) -> None:
    for one, status in ((LINK, 422), (CORRUPT, 422), (VANISHED, 410)):
        answer = server.get(address(one))
        assert (answer.status, answer.headers["content-type"]) == (status, "image/svg+xml")
        assert SECRET not in answer.body


@pytest.mark.parametrize(
    "target",
    ["/", "/annotator/sightings", f"/-/capture/{FRAMES[0].path}", "/nothing", "/-/threads"],
)
def test_every_answer_is_protected(server: Server, target: str) -> None:
    headers = server.get(target).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "public" not in headers["cache-control"]
    assert "set-cookie" not in headers
    assert "server" not in headers


def test_a_name_that_is_not_ours_is_not_answered(server: Server) -> None:
    for host in ("evil.example", f"evil.example:{server.port}", "10.0.0.1"):
        assert server.get("/", host=host).status == 421
        assert server.get("/annotator.json", host=host).status == 421
    assert server.get("/", host="localhost:9000").status == 200


def test_nothing_can_be_changed(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for target in ("/", "/annotator/sightings", "/-/logout", "/-/messages"):
            assert server.get(target, method=method).status == 405
    assert server.get("/annotator/sightings", method="HEAD").status == 200
    for statement in (
        "delete from setting",
        "select 1; delete from setting",
        "pragma journal_mode",
    ):
        assert server.get(f"/annotator?sql={quote(statement)}").status == 400


def test_embeddings_and_the_file_itself_are_not_given_away(server: Server) -> None:
    assert server.get("/annotator/embedding").status == 403
    assert server.get("/annotator/embedding.json").status == 403
    assert server.get("/annotator/EMBEDDING.csv").status == 404
    assert server.get("/annotator/embedding/1.json").status == 403
    for statement in (
        "select vector from embedding",
        "select hex(vector) from main.embedding",
        "select * from (select * from embedding)",
    ):
        answer = server.get(f"/annotator.json?sql={quote(statement)}")
        assert answer.status == 400, answer.body
    assert server.get("/annotator.db").status in (403, 404)
    assert server.get("/_internal/databases.json").status == 403
    for tool in ("databases", "settings", "threads", "versions", "plugins", "metadata"):
        assert server.get(f"/-/{tool}.json").status == 404


def test_questions_of_programs(server: Server) -> None:
    answer = server.get("/annotator/sightings.json?monitor=FrontDoor&_shape=array&_sort=frame")
    rows = answer.json()
    assert isinstance(rows, list)
    assert [(row["frame"], row["label"], row["name"]) for row in rows] == [
        (1, "person", None),
        (2, "person", "anna"),
        (4, "cat", None),
    ]
    assert rows[0]["score"] == 0.73046875
    wrong = server.get("/annotator.json?sql=select+nothing")
    assert wrong.status == 400
    assert server.get("/annotator/people.csv").body.startswith(b"name,events,faces")


def test_a_question_without_an_end_ends(server: Server) -> None:
    forever = "with recursive x(a) as (select 1 union all select a + 1 from x) select max(a) from x"
    answer = server.get(f"/annotator?sql={quote(forever)}")
    assert answer.status == 400
    assert b"There was no answer within 3 s." in answer.body
    assert server.get(f"/annotator?sql={quote('select zeroblob(1000000000)')}").status == 400


def test_what_cannot_be_answered_is_said(server: Server) -> None:
    for target, status, words in (
        ("/-/events?monitor=Frontdor", 400, b"FrontDoor"),
        ("/-/events?day=never", 400, b"is no day"),
        ("/-/event/1/24/05/01", 404, b"knows no such event"),
        ("/-/look/1/24/05/01", 404, b"knows no such capture"),
        ("/-/event-999", 404, b"knows no such event"),
        ("/nothing", 404, b"Database not found"),
        ("/nothing/at/all/of/it", 404, b"There is no such page"),
    ):
        answer = server.get(target)
        assert answer.status == status
        assert words in answer.body


# With a token.


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/-/people",
        "/annotator",
        "/annotator/sightings.json",
        "/annotator?sql=select+1",
        "/-/static/app.css",
        "/-/static-plugins/annotator.browse/browse.css",
        f"/-/capture/{FRAMES[0].path}",
        f"/-/look/{FRAMES[0].path}",
        "/favicon.ico",
        "/nothing",
    ],
)
def test_without_the_token_there_is_nothing(locked: Server, target: str) -> None:
    for headers in (
        {},
        {"cookie": f"annotator_browse_{locked.port}=x"},
        {"cookie": f"token={TOKEN}"},
    ):
        answer = locked.get(target, **headers)
        assert answer.status == 401
        assert b"FrontDoor" not in answer.body


def test_programs_show_the_token_in_a_header(locked: Server) -> None:
    answer = locked.get("/annotator/sightings.json", authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    assert locked.get(address(FRAMES[0]), authorization=f"Bearer {TOKEN}").status == 200
    assert locked.get("/", authorization=f"Basic {TOKEN}").status == 401


def test_who_guesses_is_stopped(past: Past) -> None:
    with browsing(past, "--token", TOKEN) as server:
        assert TOKEN not in server.url
        statuses = [server.get(f"/?token=guess{number}").status for number in range(12)]
        assert statuses == [403] * 10 + [429] * 2
        assert server.get(f"/?token={TOKEN}").status == 429
        assert int(server.get(f"/?token={TOKEN}").headers["retry-after"]) <= 61
        errors = server.stop()
    assert "guess" not in errors
    assert TOKEN not in errors


def test_for_others_a_token_is_made_up_and_printed_only_once(past: Past) -> None:
    with browsing(past, "--host", "0.0.0.0", "--name", "cams.example.org") as server:
        query = urlsplit(server.url).query
        assert query.startswith("token=")
        assert len(query) > 30
        assert server.get("/").status == 401
        assert server.get("/", host="evil.example").status == 421
        entered = server.get(f"/annotator?{query}&sql=select+1", host="cams.example.org")
        assert (entered.status, entered.headers["location"]) == (303, "/annotator?sql=select+1")
        cookie = entered.headers["set-cookie"].partition(";")[0]
        assert server.get("/annotator", cookie=cookie).status == 200
        assert query.removeprefix("token=") not in server.stop(signal.SIGTERM)


# As a process.


def test_it_ends_cleanly_with_its_children(past: Past) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with browsing(past) as server:
            assert server.get(address(FRAMES[0])).status == 200
            children = server.children()
            assert children
            server.stop(number)
            assert psutil.wait_procs(children, timeout=10)[1] == []


def test_what_cannot_be_served_is_said(past: Past, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        used = past.run("--port", str(port))
    assert used.returncode == 10
    assert f"port {port} of 127.0.0.1 is already used" in used.stderr
    nowhere = past.run("--host", "192.0.2.1")  # kept for documentation: nobody's
    assert nowhere.returncode == 10
    short = past.run("--token", "short")
    assert (short.returncode, short.stdout) == (4, "")
    empty = past.run("--database", str(tmp_path / "none.sqlite"))
    assert empty.returncode == 7
    assert "there is no database" in empty.stderr


def test_pages_and_the_daemon_do_not_wait_for_each_other(past: Past, server: Server) -> None:
    slow = (
        "with recursive x(a) as (select 1 union all select a + 1 from x) "
        "select max(a), (select count(*) from detection) from x"
    )
    asks = threading.Thread(target=server.get, args=(f"/annotator?sql={quote(slow)}",))
    with open_database(past.database, forbidden_root=None, busy_timeout_s=0.0) as database:
        asks.start()
        while asks.is_alive():
            with database.writing() as connection:
                connection.exec_driver_sql("INSERT OR REPLACE INTO setting VALUES ('test', 'x')")
                assert server.get("/annotator/sightings").status == 200
                assert server.get("/").status == 200
            time.sleep(0.1)
        asks.join()
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM setting WHERE name = 'test'")


def test_other_commands_do_not_load_it() -> None:
    code = (
        "import sys, annotator.cli.main; "
        "sys.exit(any(name.startswith(('annotator.browse', 'datasette', 'jinja2', 'uvicorn')) "
        "for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def test_a_store_that_hangs_stops_nothing_but_its_pictures(lab: Lab, tmp_path: Path) -> None:
    past = Past(tmp_path / "house")
    past.folder.mkdir(exist_ok=True)
    (past.folder / "annotator.toml").write_text("\n".join(QUICK_ON_SSHFS))
    # What is written into the served directory is what the mount shows.
    Past(tmp_path / "served").folder.mkdir()
    written = Past(tmp_path / "served").write()
    written.database.rename(past.database)
    for child in written.store.iterdir():
        child.rename(lab.served / child.name)
    lab.mount()
    with browsing(past, "--store", str(lab.mount_point)) as server:
        assert server.get(address(FRAMES[0])).status == 200
        lab.freeze()
        try:
            answer = server.get(address(FRAMES[1]))
            assert answer.status == 503
            assert b"The store does not answer." in answer.body
            assert server.get(address(FRAMES[0])).status == 200  # it is remembered
            assert server.get("/").status == 200
            assert server.get("/annotator/sightings").status == 200

            def ask() -> None:
                with suppress(ConnectionError, IndexError):  # it may be cut off
                    server.get(address(FRAMES[3]))

            asks = threading.Thread(target=ask)
            asks.start()
            server.stop(within_s=10.0)
            asks.join()
        finally:
            lab.thaw()
