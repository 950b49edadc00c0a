"""Commands at a store whose other side has stopped answering: said, and never waited for."""

from __future__ import annotations

import pytest

from tests.system.conftest import House, picture
from tests.system.lab import SEED_OPTIONS, Lab


def freeze(lab: Lab, house: House, *, patience_s: int) -> None:
    with (house.folder / "annotator.toml").open("a") as config:
        config.write(f"\n[mount]\nstall_s = {patience_s}\n")
    lab.freeze()


@pytest.mark.parametrize(
    "words", [("gallery", "-o", "out"), ("show", "Door/24/05/01/12/00/00", "-o", "out")]
)
def test_a_dead_mount_costs_a_picture_and_not_the_command(
    lab: Lab, house: House, words: tuple[str, ...]
) -> None:
    lab.mount(SEED_OPTIONS)
    house.capture("Door", 0, 1, picture("red"))
    house.run("backfill")
    freeze(lab, house, patience_s=4)
    done = house.run(*words, code=3)
    assert "did not answer within 4 s" in done.stderr


def test_a_store_that_is_not_mounted_has_lost_no_picture(lab: Lab, house: House) -> None:
    lab.mount(SEED_OPTIONS)
    house.capture("Door", 0, 1, picture("red"))
    house.run("backfill")
    house.run("accept-store")
    lab.unmount()
    done = house.run("show", "Door/24/05/01/12/00/00", "-o", "out", code=3)
    assert "is not mounted" in done.stderr
    assert "no longer there" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [("empty-events", "--format", "ids"), ("backfill",), ("accept-store",)],
    ids=lambda words: words[0],
)
def test_a_dead_mount_is_told_by_whoever_needs_an_answer(
    lab: Lab, house: House, words: tuple[str, ...]
) -> None:
    """Also to who reads what a command writes, which is at its end when the command is."""
    lab.mount(SEED_OPTIONS)
    house.capture("Door", 0, 1, picture())
    house.run("backfill")
    freeze(lab, house, patience_s=2)
    done = house.run(*words, code=5)
    assert "has not answered for 2 s" in done.stderr
