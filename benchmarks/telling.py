"""How long it takes from a capture's row in the database until a web server has the notice.

    python -m benchmarks.telling [--events 100]

The herald as the daemon runs it, woken as the daemon wakes it, over a real database, with the
server on this machine. What comes before (the network looks, results are gathered for up to a
second) is the supervisor's affair.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from annotator.clock import SystemClock
from annotator.config import NotifyRule, WebhookSettings
from annotator.herald import Follower, Herald, Teller
from annotator.measures import NoticeTally
from annotator.notify.webhook import WebhookDeliverer
from db.engine import open_database
from db.notices import SqlNoticeBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event

PATIENCE_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    latencies_ms = sorted(one * 1000 for one in measured(parser.parse_args().events))
    quarter = statistics.quantiles(latencies_ms, n=20)
    print(
        f"{len(latencies_ms)} notices: median {statistics.median(latencies_ms):.0f} ms, "
        f"95 % within {quarter[-1]:.0f} ms, longest {latencies_ms[-1]:.0f} ms"
    )


def measured(events: int) -> list[float]:
    """Seconds, one for each event."""
    arrived: dict[str, float] = {}
    bell = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arrived[told["path"]] = time.perf_counter()
            bell.set()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_database(Path(folder) / "annotator.sqlite", forbidden_root=None) as database,
    ):
        rule = NotifyRule(name="anybody", to=("phone",), labels=("person",))
        book, clock, tally = (
            SqlNoticeBook(database, lambda _: rule.to),
            SystemClock(),
            NoticeTally(),
        )
        url = f"http://127.0.0.1:{server.server_port}/"
        phone = WebhookDeliverer("phone", WebhookSettings.model_validate({"url": url}))
        herald = Herald(
            Follower((rule,), SqlQueries(database), book, clock, tally),
            [Teller("phone", phone, book, clock, tally, lambda _: None)],
        )
        book.file((), SqlQueries(database).newest_mark())
        herald.start()
        store, latencies_s = SqlStore(database, clock), []
        for number in range(events):
            time.sleep(0.05)
            (one,) = captures(event(number % 60, f"Door {number}"), 1)
            store.record([annotation(one, detection(), captured_at=datetime.now(UTC))], [])
            recorded = time.perf_counter()
            herald.wake()
            while one.path not in arrived and bell.wait(PATIENCE_S):
                bell.clear()
            latencies_s.append(arrived[one.path] - recorded)
        herald.close()
    server.shutdown()
    server.server_close()
    serving.join()
    return latencies_s


if __name__ == "__main__":
    main()
