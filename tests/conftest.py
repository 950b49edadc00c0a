"""What every test gets: the shared material where it is there, and a check for left-overs."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.databases import Databases

# For `make unit`, between one change and the next; `make test` tries as many as hypothesis does.
settings.register_profile("quick", max_examples=25)

# Before any test imports it: its asserts then say what they compared.
pytest.register_assert_rewrite("tests.contracts.backlog", "tests.contracts.notices")

SHARED = Path(os.environ.get("ANNOTATOR_SHARED") or Path(__file__).parents[2] / "shared")


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end, and need not be searched for garbage again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def garbage_of_its_own() -> Iterator[None]:
    """What a file of tests leaves open is found at its end; what it leaves in caches stays there.

    Else every search would go through all that was left so far: a tenth of the time.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Everything is looked at once more; pytest would do so five times."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real models and pictures beside the project; skipped where it is absent.

    ANNOTATOR_REQUIRE_SHARED=1 turns the skip into a failure.
    """
    if not (SHARED / "models").is_dir():
        reason = f"no models and pictures at {SHARED} (set ANNOTATOR_SHARED)"
        if os.environ.get("ANNOTATOR_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Empty databases of the newest schema, as many as are asked for."""
    from tests.databases import Databases  # not every test needs SQLAlchemy

    # In memory where there is room: a disk would be waited for whenever one is closed.
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=in_memory) as folder:
        yield Databases(Path(folder))


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """A test that leaks a thread fails."""
    before = set(threading.enumerate())
    yield
    leaked = [thread.name for thread in set(threading.enumerate()) - before]
    assert not leaked, f"threads left behind: {leaked}"


@pytest.fixture(autouse=True, scope="module")
def no_process_left_behind() -> Iterator[None]:
    """As does a file of tests that leaks a child process; to look for them takes longer than most
    tests do."""
    before = set(psutil.Process().children(recursive=True))
    yield
    leaked = [str(child) for child in set(psutil.Process().children(recursive=True)) - before]
    assert not leaked, f"processes left behind: {leaked}"


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Changes the machine's time zone, as seen from here."""

    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()
