"""The whole program as processes: a real store, the real command line, a tiny real network."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from tests.fakes.tiny_ssd import write_tiny_ssd
from tests.system.lab import Lab, missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROJECT = Path(__file__).parents[2]
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUICK = (
    "watch.poll_interval_s = 0.2",
    "watch.settle_s = 0.1",
    "watch.incomplete_timeout_s = 2.0",
    "watch.reconcile_window_s = 2592000.0",
)
"""Settings that let a test see in a second what takes longer in a house that is lived in."""


def picture(*colours: str, size: tuple[int, int] = (640, 480)) -> bytes:
    """A grey JPEG with a rectangle per colour, which the tiny network finds."""
    image = Image.new("RGB", size, (90, 90, 90))
    pen = ImageDraw.Draw(image)
    for at, colour in enumerate(colours):
        left = 40 + at * 300
        pen.rectangle((left, 100, left + 200, 400), fill=colour)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


@dataclass(frozen=True)
class House:
    """A store, a database and a configuration in one folder."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "events"

    def path(self, monitor: str, minute: int, frame: int) -> Path:
        when = START + timedelta(minutes=minute)
        name = f"{frame:05d}-capture.jpg"
        return self.store / monitor / when.strftime("%y/%m/%d/%H/%M/%S") / name

    def capture(self, monitor: str, minute: int, frame: int, content: bytes) -> Path:
        """A finished capture of the past, in ZoneMinder's deep layout."""
        path = self.path(monitor, minute, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        taken_at_s = (START + timedelta(minutes=minute, seconds=frame)).timestamp()
        os.utime(path, (taken_at_s, taken_at_s))
        return path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "annotator", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANNOTATOR_CONFIG": str(self.folder / "annotator.toml"),
            "PYTHONPATH": str(PROJECT),
            "TZ": "UTC",
        }

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        answer = self.run("query", "--format", "jsonl", *arguments).stdout
        return [json.loads(line) for line in answer.splitlines()]

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def configure(self, extra: Sequence[str] = (), pace: Sequence[str] = QUICK) -> None:
        lines = [
            f'store.root = "{self.store}"',
            'store.timezone = "UTC"',
            f'database.path = "{self.folder}/annotator.sqlite"',
            f'detection.model = "{self.folder}/tiny.tflite"',
            f'detection.labels_file = "{self.folder}/labels.txt"',
            "faces.enabled = false",
            'inference.delegate = "cpu"',
            "inference.threads = 1",
            "worker.processes = 1",
            *pace,
            *extra,
        ]
        (self.folder / "annotator.toml").write_text("\n".join(lines) + "\n")


def furnish(folder: Path) -> House:
    """A house that is configured, with the tiny network and an empty store."""
    write_tiny_ssd(folder / "tiny.tflite")
    (folder / "labels.txt").write_text("red\ngreen\n")
    made = House(folder)
    made.store.mkdir()
    made.configure()
    return made


@pytest.fixture
def house(tmp_path: Path) -> House:
    return furnish(tmp_path)


@pytest.fixture
def needs_lab() -> None:
    """Skips where there can be no laboratory; with ANNOTATOR_REQUIRE_LAB=1 that is a failure."""
    reason = missing()
    if reason is not None:
        if os.environ.get("ANNOTATOR_REQUIRE_LAB") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def lab(needs_lab: None, house: House, tmp_path: Path) -> Iterator[Lab]:
    """A laboratory whose mount point is the house's store; nothing is mounted yet."""
    with Lab(tmp_path / "lab", house.store) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium through Playwright; skipped where either is absent.

    ANNOTATOR_REQUIRE_BROWSER=1 turns the skip into a failure. One per file of tests, not per
    session: Playwright keeps an event loop in this thread, which later tests should not meet.
    """
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent: str | None = "no Playwright (pip install -e .[test])"
    else:
        absent = None if chromium else "no Chromium (apt install chromium)"
    if absent is not None:
        if os.environ.get("ANNOTATOR_REQUIRE_BROWSER") == "1":
            pytest.fail(absent)
        pytest.skip(absent)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield opened
        opened.close()


def comes_true(page: Page, expression: str) -> None:
    """Waits until a page says so.

    Not by Playwright's wait_for_function: what that asks again and again it evaluates in the page,
    where our own policy forbids it.
    """
    until_s = monotonic() + 30
    while not page.evaluate(expression):
        assert monotonic() < until_s, f"never: {expression}"
        page.wait_for_timeout(20)
