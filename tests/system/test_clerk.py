"""Small questions about the store: real children answer them, or are given up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotator.app.asking import event_numbers
from annotator.app.clerk import Answer, Clerk, decode_said, open_clerk
from annotator.app.patience import Patience
from annotator.child import Child, Graveyard
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import Event, Window
from annotator.errors import StoreError, StoreUnavailable
from db.engine import open_database
from db.store import SqlStore

DAY = "24/05/01"
DEEP = Event("Door", "1", f"{DAY}/18/30/00")
OTHER = Event("Door", "1", f"{DAY}/19/00/05")
MEDIUM = Event("Door", "1", "2024-05-01/17")
SPEAKS = (
    "import sys, time; from multiprocessing.connection import Connection as C;"
    "c = C(int(sys.argv[1])); c.recv_bytes(); c.recv_bytes();"
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    day = tmp_path / "events" / "1" / DAY
    for time in ("18/30/00", "19/00/05"):
        (day / time).mkdir(parents=True)
    (day / ".4711").symlink_to("18/30/00")
    (tmp_path / "events" / "Door").symlink_to("1")
    places = {
        "store": {"root": tmp_path / "events", "layout": "deep"},
        "database": {"path": tmp_path / "annotator.sqlite"},
    }
    return Config.model_validate(places)


@pytest.fixture
def clerk(config: Config) -> Iterator[Clerk]:
    with open_clerk(config) as opened:
        yield opened


def scripted(script: str) -> Patience[Answer]:
    """A child that does this once it was asked."""
    child = Child((sys.executable, "-c", SPEAKS + script), b"{}", decode_said, Graveyard())
    return Patience(child, SystemClock(), stall_s=0.5)


def test_numbers_identity_and_what_is_there(clerk: Clerk, config: Config, tmp_path: Path) -> None:
    identity = clerk.identity()
    assert clerk.numbers([DEEP, OTHER, MEDIUM], identity) == ("4711", None, "17")
    assert clerk.numbers([DEEP], None) == ("4711",)
    root = config.store_root
    typed = (Path("Door/24"), root / "1" / DAY, root)
    found = clerk.on_the_spot(Window(monitors=("Door",)), typed)
    assert found == Window(monitors=("Door",), paths=("Door/24", f"1/{DAY}", ""))
    for path, complaint in (
        (tmp_path, "is not below the store"),
        (root / "2", "does not exist"),
        (Path("2"), "does not exist"),
    ):
        with pytest.raises(StoreError, match=complaint):
            clerk.on_the_spot(Window(), [path])
    with pytest.raises(StoreError, match="no monitor 'Dor'") as caught:
        clerk.on_the_spot(Window(monitors=("Dor",)), [])
    assert caught.value.next_step == "did you mean Door?"
    root.rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        clerk.on_the_spot(Window(), [])


def test_the_store_is_asked_for_numbers_only_where_names_tell_none(config: Config) -> None:
    with open_database(config.database_path, forbidden_root=None) as database:
        assert list(event_numbers(config, [DEEP, MEDIUM] * 150)) == ["4711", "17"] * 150
        SqlStore(database, SystemClock()).set_store_identity("fuse.sshfs cam@nvr:/events")
        assert list(event_numbers(config, [MEDIUM])) == ["17"]
        with pytest.raises(StoreUnavailable, match="is not mounted"):
            list(event_numbers(config, [MEDIUM, DEEP]))
    assert list(event_numbers(Config(), [DEEP, MEDIUM])) == [None, "17"]


def test_a_store_that_hangs_is_given_up() -> None:
    hanging = scripted("time.sleep(600)")
    with pytest.raises(StoreUnavailable, match=r"has not answered for 0\.5 s"):
        hanging.ask(b"{}")
    hanging.close()


def test_one_that_goes_on_is_not() -> None:
    slow = scripted(
        """[(time.sleep(0.1), c.send_bytes(b'{"kind": "busy"}')) for _ in range(15)];"""
        """c.send_bytes(b'{"kind": "identity", "identity": "ext4"}'); c.recv_bytes()"""
    )
    assert Clerk(slow).identity() == "ext4"
    slow.close()


@pytest.mark.parametrize("script", ["c.send_bytes(b'{}'); c.recv_bytes()", "sys.exit(3)"])
def test_one_that_dies_or_talks_nonsense_is_told(script: str) -> None:
    lost = scripted(script)
    with pytest.raises(StoreUnavailable, match="the process that looks at the store"):
        lost.ask(b"{}")
    lost.close()
