"""The daemon tells: of an event of many captures once, to everybody, and over its own death."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from annotator.config import NotifyRule
from db.engine import open_database
from db.notices import SqlNoticeBook
from db.queries import SqlQueries
from db.store import SqlStore
from demo.nvr import Pace, Recorder
from tests.contracts.backlog import annotation, captures, detection, event
from tests.fakes.clock import ManualClock
from tests.system.broker import free_port, reading, serving
from tests.system.conftest import PROJECT, House
from tests.system.lab import until
from tests.system.test_watch import recording, watching

QUICKLY = Pace(between_frames_s=0.02, between_pieces_s=0.0, pieces=1)


class Phone:
    """A web server that takes notices; `got` are they, in order."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.hangs = False
        self._over = threading.Event()
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if phone.hangs:
                    phone._over.wait()
                phone.got.append(told)
                with suppress(OSError):
                    self.send_response(204)
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def events(self) -> Counter[str]:
        return Counter(one["path"].rpartition("/")[0] for one in self.got)


@contextmanager
def phone() -> Iterator[Phone]:
    made = Phone()
    try:
        yield made
    finally:
        made.close()


def tell(house: House, tables: str) -> None:
    """Configure the house to tell."""
    house.configure()
    with (house.folder / "annotator.toml").open("a") as file:
        file.write(inspect.cleandoc(tables))


def measured(page: str) -> dict[tuple[str, ...], float]:
    """The samples of a metrics page, by their names and their labels' values."""
    text = urllib.request.urlopen(page, timeout=10).read().decode()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_an_event_of_many_captures_rings_once_everywhere(house: House) -> None:
    bell, port = house.folder / "bell", free_port()
    with serving(house.folder) as broker, phone() as called, reading(broker) as reader:
        tell(
            house,
            f"""
            [[notify]]
            name = "red"
            to = ["mqtt", "phone", "bell"]
            labels = ["red"]
            picture = true
            [[notify]]
            name = "green"
            to = ["phone"]
            labels = ["green"]
            [mqtt]
            host = "127.0.0.1"
            port = {broker.port}
            [webhooks.phone]
            url = "{called.url}"
            [commands.bell]
            run = ["sh", "-c", 'echo $ANNOTATOR_CAPTURE >> {bell}']
            [metrics]
            listen = "127.0.0.1:{port}"
            """,
        )
        recorder = Recorder(house.store, timezone=UTC)
        page = f"http://127.0.0.1:{port}/metrics"
        with watching(house):
            until(lambda: measured(page)["annotator_mount_online",] == 1, "nobody watches")
            list(recorder.record_live(recording(40), QUICKLY))
            list(recorder.record_live(recording(10, event_id=9), QUICKLY))
            until(lambda: house.status()["annotated"] == 50, "not all were annotated")
            until(lambda: len(called.got) >= 2, "the phone was not told")
            told = reader.wait_for("annotator/Drive/red", 2)
            until(lambda: len(bell.read_text().splitlines()) >= 2, "the bell did not ring")
            found = measured(page)
            listed = json.loads(house.run("notify", "list", "--format", "json").stdout)
        goodbye = reader.wait_for("annotator/availability", 2)
    assert len(told) == 2
    assert set(called.events.values()) == {1}
    assert sorted(one["notice"] for one in called.got) == [1, 2]
    assert all(one["picture"] for one in called.got)
    assert [Path(line).is_file() for line in bell.read_text().splitlines()] == [True, True]
    assert goodbye == [b"online", b"offline"]
    assert found["annotator_captures_annotated_total",] == 50
    assert found["annotator_notices_total", "raised", "red"] == 2
    assert found["annotator_mount_online",] == 1
    # What the walk at the start meets first is not live, and not timed.
    assert 0 < found["annotator_capture_latency_seconds_count",] <= 50
    ((red, green),) = [one["rules"] for one in listed]
    assert (red["notices"], red["waiting"], red["failed"]) == (2, 0, 0)
    assert (green["notices"], green["last"]) == (0, None)


def test_a_target_that_hangs_holds_up_neither_captures_nor_the_end(house: House) -> None:
    with phone() as called:
        called.hangs = True
        tell(
            house,
            f"""
            [[notify]]
            name = "red"
            to = ["phone"]
            labels = ["red"]
            [webhooks.phone]
            url = "{called.url}"
            timeout_s = 100
            """,
        )
        recorder = Recorder(house.store, timezone=UTC)
        with watching(house):
            list(recorder.record_live(recording(20), QUICKLY))
            until(lambda: house.status()["annotated"] == 20, "captures were held up")
            assert house.status()["notices"] == {"waiting": 1, "failed": 0}
        called.hangs = False
        called._over.set()
        with watching(house):
            until(lambda: house.status()["notices"]["waiting"] == 0, "it was not told later")


def test_a_killed_daemon_tells_the_rest_when_it_is_back(house: House) -> None:
    with phone() as called:
        tell(
            house,
            f"""
            [[notify]]
            name = "red"
            to = ["phone"]
            labels = ["red"]
            max_age_s = 86400
            [webhooks.phone]
            url = "{called.url}"
            """,
        )
        recorder = Recorder(house.store, timezone=UTC)
        events = range(7, 19)
        for event_id in events:
            recorder.record(recording(3, event_id=event_id))
        first = subprocess.Popen(
            house.command("watch"),
            env=house.environment,
            cwd=house.folder,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: len(called.got) > 2, "nobody was told")
        first.kill()
        first.wait()
        with watching(house):
            until(lambda: house.status()["annotated"] == 36, "not all were annotated")
            until(lambda: len(called.events) == len(events), "not all were told")
    by_id = Counter(one["notice"] for one in called.got)
    assert len(by_id) == len(events), "an event has one notice"
    assert sum(by_id.values()) <= len(events) + 1, "only what was on its way may come twice"


def test_a_notice_can_be_tried(house: House) -> None:
    with phone() as called:
        tell(
            house,
            f"""
            [[notify]]
            name = "red"
            to = ["phone", "bell"]
            labels = ["red"]
            [webhooks.phone]
            url = "{called.url}"
            [commands.bell]
            run = ["false"]
            """,
        )
        said = house.run("notify", "test", "red", code=11)
        assert said.stdout.splitlines() == ["phone: told", "bell: not told: false exited with 1"]
        assert called.got[0]["test"] is True
        assert "did you mean 'red'?" in house.run("notify", "test", "rad", code=2).stderr


DEATHS = 4

# Follows and delivers until it is killed. Arguments: database, the file in which notices land.
FOLLOWER = """
import sys, time
from pathlib import Path
from annotator.clock import SystemClock
from annotator.config import NotifyRule
from annotator.herald import Follower, Teller
from db.engine import open_database
from db.notices import SqlNoticeBook
from db.queries import SqlQueries
from tests.fakes.memory_notices import Counts

class File:
    def deliver(self, notice, picture):
        with Path(sys.argv[2]).open("a") as file:
            file.write(f"{notice.id} {notice.key.event}\\n")
    def tend(self): pass
    def close(self): pass

database = open_database(Path(sys.argv[1]), forbidden_root=None)
rule = NotifyRule(name="a", to=("file",), labels=("person",), max_age_s=2e6)
book, clock = SqlNoticeBook(database, lambda name: rule.to), SystemClock()
follower = Follower((rule,), SqlQueries(database), book, clock, Counts())
teller = Teller("file", File(), book, clock, Counts(), lambda notice: None)
while True:
    follower.turn()
    while book.next_for("file"):
        teller.turn()
"""


def follow(path: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FOLLOWER, str(path), str(out)], cwd=PROJECT)


def test_killed_at_any_moment_nothing_is_lost_or_kept_twice(tmp_path: Path) -> None:
    path, out = tmp_path / "annotator.sqlite", tmp_path / "told"
    out.touch()
    now, rule = datetime.now(UTC), NotifyRule(name="a", to=("file",))

    def told() -> list[list[str]]:
        return [line.split(maxsplit=1) for line in out.read_text().splitlines()]

    with open_database(path, forbidden_root=None) as database:
        store = SqlStore(database, ManualClock(now))
        book = SqlNoticeBook(database, lambda name: rule.to)
        book.file((), SqlQueries(database).newest_mark())
        for death in range(DEATHS):
            for number in range(8):
                batch = captures(event(number, f"Door {death}"), 1, 2, 3)
                seen = [annotation(one, detection(), captured_at=now) for one in batch]
                store.record(seen, [])
            before = len(told())
            process = follow(path, out)
            until(lambda at_least=before: len(told()) > at_least, "nobody was told")
            process.kill()
            process.wait()
        last = follow(path, out)
        until(lambda: len({one for one, _ in told()}) == 8 * DEATHS, "not all were told")
        last.kill()
        last.wait()
        (record,) = book.rules()
    assert record.notices == 8 * DEATHS
    assert len({place for _, place in told()}) == 8 * DEATHS
    assert len(told()) <= 8 * DEATHS + DEATHS, "only what was on its way comes twice, by its id"
