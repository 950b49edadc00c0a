"""What Prometheus gets, read with its own parser."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from annotator.domain import MountState, Origin, Reason, Station, Totals
from annotator.errors import ConfigError, DatabaseError
from annotator.measures import Durations, Measures, NoticeTally
from annotator.metrics.exposition import CONTENT_TYPE, exposition
from annotator.metrics.server import CLIENTS, MetricsServer
from annotator.metrics.textfile import MetricsFile, write_whole
from annotator.notices import Outcome, Undelivered
from tests.contracts.backlog import NOON

CPU, CORAL = Station(fallback=True), Station("edgetpu", "usb:0")


def measures() -> Measures:
    latency = Durations()
    for duration_s in (0.4, 1.0, 1.1, 4.0, 7000.0):
        latency.add(duration_s)
    tally = NoticeTally()
    tally.count('a "rule"\n', Outcome.RAISED)
    tally.count('a "rule"\n', Outcome.DELIVERED, 2)
    return Measures(
        annotated=100,
        detections=40,
        failed={Reason.TRUNCATED: 3},
        latency=latency,
        restarts=2,
        mount=MountState.STALLED,
        stations=(CPU, CORAL, CPU),
        stuck=False,
        waiting={Origin.LIVE: 7},
        totals=Totals(
            annotated=1000,
            failed=30,
            detections=400,
            faces=20,
            oldest_waiting={Origin.LIVE: NOON},
            newest_by_monitor={"Door": NOON + timedelta(seconds=1), "Ünder": NOON},
        ),
        notices=tally.counts(),
        undelivered=(Undelivered("phone", 4, 1, "no"),),
        database_bytes=123456,
    )


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_everything_is_there_under_its_name() -> None:
    found = samples(exposition(measures))
    noon_s = NOON.timestamp()
    expected = {
        ("annotator_captures_annotated_total", ()): 100,
        ("annotator_detections_total", ()): 40,
        ("annotator_captures_failed_total", (("reason", "truncated"),)): 3,
        ("annotator_capture_latency_seconds_count", ()): 5,
        ("annotator_capture_latency_seconds_sum", ()): 7006.5,
        ("annotator_capture_latency_seconds_bucket", (("le", "1.0"),)): 2,
        ("annotator_capture_latency_seconds_bucket", (("le", "2.0"),)): 3,
        ("annotator_capture_latency_seconds_bucket", (("le", "1800.0"),)): 4,
        ("annotator_capture_latency_seconds_bucket", (("le", "+Inf"),)): 5,
        ("annotator_backlog_captures", (("origin", "live"),)): 7,
        ("annotator_backlog_captures", (("origin", "backfill"),)): 0,
        ("annotator_worker_restarts_total", ()): 2,
        ("annotator_mount_online", ()): 0,
        ("annotator_mount_state", (("annotator_mount_state", "stalled"),)): 1,
        ("annotator_mount_state", (("annotator_mount_state", "online"),)): 0,
        ("annotator_database_writable", ()): 1,
        ("annotator_database_bytes", ()): 123456,
        ("annotator_database_rows", (("kind", "annotated"),)): 1000,
        ("annotator_last_annotated_timestamp_seconds", (("monitor", "Ünder"),)): noon_s,
        ("annotator_backlog_oldest_timestamp_seconds", (("origin", "live"),)): noon_s,
        ("annotator_notices_undelivered", (("state", "waiting"), ("target", "phone"))): 4,
        ("annotator_notices_undelivered", (("state", "given up"), ("target", "phone"))): 1,
        ("annotator_notices_total", (("outcome", "delivered"), ("rule", 'a "rule"\n'))): 2,
        (
            "annotator_stations",
            (("delegate", "cpu"), ("device", ""), ("fallback", "true")),
        ): 2,
        (
            "annotator_stations",
            (("delegate", "edgetpu"), ("device", "usb:0"), ("fallback", "false")),
        ): 1,
    }
    assert {key: found[key] for key in expected} == expected
    assert [key for key in found if key[0] == "annotator_build_info"]
    assert all(name.startswith("annotator_") for name, _ in found)


def test_a_database_that_cannot_be_asked_leaves_the_rest() -> None:
    page = exposition(lambda: Measures(**{**_fields(measures()), "totals": None}))
    names = {name for name, _ in samples(page)}
    assert "annotator_captures_annotated_total" in names
    assert "annotator_database_rows" not in names


def _fields(found: Measures) -> dict[str, object]:
    return {name: getattr(found, name) for name in Measures.__dataclass_fields__}


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1:0", lambda: exposition(measures), CONTENT_TYPE, client_s=0.3)
    yield made
    made.close()


def get(server: MetricsServer, path: str = "/metrics") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        body: bytes = answer.read()
    return body


def test_it_is_served(server: MetricsServer) -> None:
    assert get(server) == exposition(measures)
    with pytest.raises(HTTPError, match="404") as caught:
        get(server, "/etc/passwd")
    caught.value.close()


def connection(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


def test_clients_that_hang_are_hung_up_on(server: MetricsServer) -> None:
    hanging = [connection(server) for _ in range(CLIENTS)]
    hanging[0].sendall(b"GET /metr")
    assert [client.recv(100) for client in hanging] == [b""] * CLIENTS
    for client in hanging:
        client.close()
    assert get(server)


def test_too_many_at_once_are_turned_away(server: MetricsServer) -> None:
    hanging = [connection(server) for _ in range(CLIENTS + 3)]
    assert {client.recv(100) for client in hanging} == {b""}
    for client in hanging:
        client.close()


def test_it_ends_while_clients_hang() -> None:
    """No thread may be left, which is looked at after every test."""
    server = MetricsServer("127.0.0.1:0", lambda: b"", CONTENT_TYPE, client_s=60)
    client = connection(server)
    client.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
    server.close()
    client.close()


def test_a_page_that_cannot_be_made_costs_its_client_only() -> None:
    pages = iter([DatabaseError("gone"), b"x 1\n"])

    def page() -> bytes:
        found = next(pages)
        if isinstance(found, DatabaseError):
            raise found
        return found

    server = MetricsServer("127.0.0.1:0", page, CONTENT_TYPE)
    with pytest.raises(OSError, match="closed connection"):
        get(server)
    assert get(server) == b"x 1\n"
    server.close()


def test_a_place_that_is_taken_is_a_configuration_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            MetricsServer(f"127.0.0.1:{port}", lambda: b"", CONTENT_TYPE)
    assert caught.value.next_step


def test_the_file_is_there_while_the_daemon_is(tmp_path: Path) -> None:
    path, written = tmp_path / "annotator.prom", threading.Event()
    pages = iter([b"x 1\n", b"x 2\n"])

    def page() -> bytes:
        found = next(pages)
        if found == b"x 2\n":
            written.set()
        return found

    file = MetricsFile(path, page, 0.01)
    assert written.wait(10)
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_taken_away_does_not_hold_up_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    MetricsFile(tmp_path, lambda: b"x 1\n", 60).close()
    assert f"metrics stay in {tmp_path}" in caplog.text


def test_whoever_reads_the_file_gets_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "annotator.prom"
    pages = [bytes([letter]) * 100_000 for letter in b"ab"]
    write_whole(path, pages[0])
    stopping = threading.Event()

    def write() -> None:
        while not stopping.is_set():
            for page in pages:
                write_whole(path, page)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert {path.read_bytes() for _ in range(200)} <= set(pages)
    finally:
        stopping.set()
        writer.join()
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_not_there_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tries = threading.Semaphore(0)

    def page() -> bytes:
        tries.release()
        return b""

    file = MetricsFile(tmp_path / "no" / "annotator.prom", page, 0.01)
    for _ in range(3):
        assert tries.acquire(timeout=10)
    file.close()
    assert caplog.text.count("metrics cannot be written") == 1
