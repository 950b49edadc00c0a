"""What `make demo` shows: past events labelled, new ones labelled as they arrive, and questions.

Everything is done by the real `annotator` commands, each as its own process.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from demo.nvr import Pace, Recorder, Recording
from demo.scenes import DRIVE, FRONT_DOOR, GARDEN, PLAYROOM, Scene, film

MONITORS = {"FrontDoor": 1, "PlayroomDoor": 2, "Drive": 3, "Garden": 4}
PAST = (
    (FRONT_DOOR, timedelta(days=1, hours=2)),
    (PLAYROOM, timedelta(days=1, hours=1)),
    (GARDEN, timedelta(minutes=55)),
    (DRIVE, timedelta(minutes=30)),
    (PLAYROOM, timedelta(minutes=10)),
)
LIVE = (FRONT_DOOR, PLAYROOM)
LIVE_STEPS = 4
STOP_WITHIN_S = 30.0
QUESTION = (
    "SELECT monitor, label, count(*) AS times, round(max(score), 2) AS best\n"
    "    FROM sightings GROUP BY monitor, label ORDER BY times DESC LIMIT 5"
)


class DemoError(Exception):
    """Something did not work; the message says what and where to look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer of `annotator query --format jsonl`, as far as the tour needs it."""

    monitor: str
    score: float
    path: Path


class Tour:
    """`directory` gets the store, the configuration, the database and the daemon's log."""

    def __init__(
        self, directory: Path, pictures: Path, wait_s: float, models: Path | None, console: Console
    ) -> None:
        self._directory = directory
        self._pictures = pictures
        self._wait_s = wait_s
        self._models = models
        self._console = console
        self._recorder = Recorder(directory / "events")
        self._events = 0
        self._environment = {**os.environ, "ANNOTATOR_CONFIG": str(directory / "annotator.toml")}

    def run(self) -> None:
        """The whole tour. Raises DemoError."""
        self._write_config()
        self._say("Models", "the best set that this network can give")
        self._show("models", "fetch")
        self._say("Past", "yesterday's and today's events, as ZoneMinder lays them out")
        self._record_past()
        self._show("backfill")
        self._say("Live", "the daemon watches while the recorder writes new captures")
        self._watch_live()
        self._say("Questions", "answered from the database, with or without the daemon")
        self._ask()
        self._say("Pictures", "what was seen, drawn on the captures")
        self._draw()

    # the steps

    def _write_config(self) -> None:
        # json.dumps quotes as TOML's basic strings want it.
        lines = [
            "[store]",
            f"root = {json.dumps(str(self._recorder.root))}",
            "[database]",
            f"path = {json.dumps(str(self._directory / 'annotator.sqlite'))}",
            "[watch]",
            "poll_interval_s = 0.5",
        ]
        if self._models is not None:
            lines += ["[models]", f"directory = {json.dumps(str(self._models.absolute()))}"]
        text = "\n".join(lines) + "\n"
        (self._directory / "annotator.toml").write_text(text, encoding="utf-8")

    def _record_past(self) -> None:
        now = datetime.now(UTC)
        captures = 0
        with self._console.status("the recorder fills its disk"):
            for scene, ago in PAST:
                captures += len(self._recorder.record(self._recording(scene, now - ago)))
        self._console.print(f"  {captures} captures in {len(PAST)} events")

    def _watch_live(self) -> None:
        since = datetime.now(UTC)
        recordings = [
            self._recording(replace(scene, steps=LIVE_STEPS), since + timedelta(seconds=4 * index))
            for index, scene in enumerate(LIVE)
        ]
        expected: set[Path] = set()
        with self._watching():
            for recording in recordings:
                for capture in self._recorder.record_live(recording, Pace(between_frames_s=0.6)):
                    expected.add(capture.resolve())
                    where = capture.relative_to(self._recorder.root)
                    self._console.print(f"  {recording.monitor} writes {where}", highlight=False)
            found = self._wait_for(expected)
        self._console.print(
            f"  {len(found)} of {len(expected)} new captures show something; "
            "the daemon stopped cleanly"
        )

    def _ask(self) -> None:
        self._show("query", "--label", "person", "--limit", "5", expect_output=True)
        self._show("events", "--since", "yesterday", "--limit", "5", expect_output=True)
        self._show("last", "person", expect_output=True)
        self._show("stats", "--by", "monitor", "--by", "label", expect_output=True)
        self._prompt(f'sqlite3 annotator.sqlite "\n    {QUESTION}"')
        with closing(sqlite3.connect(self._directory / "annotator.sqlite")) as database:
            rows = database.execute(QUESTION).fetchall()
        if not rows:
            raise DemoError(
                "the view `sightings` is empty; the commands above should have filled it"
            )
        for row in rows:
            print("|".join(map(str, row)))
        print()

    def _draw(self) -> None:
        best: dict[str, Seen] = {}
        for seen in self._seen():
            if seen.monitor not in best or seen.score > best[seen.monitor].score:
                best[seen.monitor] = seen
        captures = [str(seen.path) for seen in best.values()]
        written = self._show(
            "show", *captures, "--output", str(self._pictures.absolute()), expect_output=True
        )
        for line in written.splitlines():
            if not Path(line).is_file():
                raise DemoError(f"`annotator show` names {line}, which is not there")
        page = self._pictures.absolute() / "gallery"
        self._show("gallery", "--output", str(page), expect_output=True)

    # the pieces

    def _recording(self, scene: Scene, started_at: datetime) -> Recording:
        self._events += 1
        started_at = started_at.astimezone()
        return Recording(
            event_id=100 + self._events,
            monitor_id=MONITORS[scene.monitor],
            monitor=scene.monitor,
            started_at=started_at,
            frames=tuple(film(scene, started_at)),
        )

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """A running daemon that said it is ready; afterwards it must have stopped cleanly."""
        log = self._directory / "watch.log"
        self._prompt("annotator watch")
        with _ready_socket(self._directory / "notify") as ready, log.open("wb") as log_file:
            daemon = subprocess.Popen(
                _command("watch"),
                cwd=self._directory,
                env={**self._environment, "NOTIFY_SOCKET": str(ready.getsockname())},
                stdout=log_file,
                stderr=log_file,
            )
            try:
                self._wait_until_ready(ready, daemon, log)
                yield
                daemon.send_signal(signal.SIGTERM)
                code = daemon.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                raise DemoError(
                    f"`annotator watch` did not stop within {STOP_WITHIN_S:g} s; see {log}"
                ) from None
            finally:
                daemon.kill()
                daemon.wait()
        if code != 0:
            raise DemoError(f"`annotator watch` ended with exit code {code}; see {log}")

    def _wait_until_ready(
        self, ready: socket.socket, daemon: subprocess.Popen[bytes], log: Path
    ) -> None:
        deadline = time.monotonic() + self._wait_s
        ready.settimeout(0.2)
        while time.monotonic() < deadline:
            if daemon.poll() is not None:
                raise DemoError(f"`annotator watch` ended at once ({daemon.returncode}); see {log}")
            try:
                if b"READY=1" in ready.recv(4096):
                    ready.close()  # unread, its signs of life would fill it and hold it up
                    return
            except TimeoutError:
                continue
        raise DemoError(f"`annotator watch` was not ready within {self._wait_s:g} s; see {log}")

    def _wait_for(self, expected: set[Path]) -> set[Path]:
        """The expected captures that the answers show; waits while more may come."""
        deadline = time.monotonic() + self._wait_s
        quiet_s, news_at = 8.0, time.monotonic()
        found: set[Path] = set()
        with self._console.status("waiting for the answers"):
            while found != expected and time.monotonic() < deadline:
                now_found = expected & {seen.path.resolve() for seen in self._seen()}
                if now_found != found:
                    found, news_at = now_found, time.monotonic()
                elif found and time.monotonic() - news_at > quiet_s:
                    break  # no rule says that each capture must show something
                else:
                    time.sleep(0.3)
        if not found:
            raise DemoError(
                f"no new capture was labelled within {self._wait_s:g} s; "
                f"see {self._directory / 'watch.log'}"
            )
        return found

    def _seen(self) -> Iterator[Seen]:
        answer = subprocess.run(
            _command("query", "--format", "jsonl"),
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            check=False,
        )
        if answer.returncode != 0:
            raise DemoError(f"`annotator query` ended with exit code {answer.returncode}")
        for line in answer.stdout.splitlines():
            row = json.loads(line)
            yield Seen(row["monitor"], row["score"], self._recorder.root / row["path"])

    def _show(self, *arguments: str, expect_output: bool = False) -> str:
        """Run a command before the visitor's eyes; its standard output."""
        words = (_short(word, self._directory) for word in arguments)
        self._prompt(" ".join(("annotator", *words)))
        done = subprocess.run(
            _command(*arguments),
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            check=False,
            text=True,
        )
        print(done.stdout, end="", flush=True)
        if done.returncode != 0:
            raise DemoError(f"`annotator {arguments[0]}` ended with exit code {done.returncode}")
        if expect_output and not done.stdout.strip():
            raise DemoError(f"`annotator {arguments[0]}` had no answer where there should be one")
        return done.stdout

    def _say(self, title: str, text: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{title}[/bold]: {text}", align="left", style="dim")

    def _prompt(self, command: str) -> None:
        self._console.print(f"[dim]$[/dim] [bold]{command}[/bold]", highlight=False, soft_wrap=True)


def _command(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "annotator", *arguments]


def _short(word: str, directory: Path) -> str:
    """A path below the tour's directory as one types it there."""
    path = Path(word)
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else word


@contextmanager
def _ready_socket(path: Path) -> Iterator[socket.socket]:
    """Where a Type=notify service says that it is ready; we stand in for systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        try:
            yield listening
        finally:
            path.unlink()
