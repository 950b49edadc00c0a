"""Pictures of a store whose other side has stopped answering: said, and never waited for."""

from __future__ import annotations

import pytest

from tests.system.conftest import House, picture
from tests.system.lab import SEED_OPTIONS, Lab


@pytest.mark.parametrize(
    "words", [("gallery", "-o", "out"), ("show", "Door/24/05/01/12/00/00", "-o", "out")]
)
def test_a_dead_mount_costs_a_picture_and_not_the_command(
    lab: Lab, house: House, words: tuple[str, ...]
) -> None:
    lab.mount(SEED_OPTIONS)
    house.capture("Door", 0, 1, picture("red"))
    house.run("backfill")
    with (house.folder / "annotator.toml").open("a") as config:
        config.write("\n[mount]\nstall_s = 4\n")
    lab.freeze()
    done = house.run(*words, code=3)
    assert "did not answer within 4 s" in done.stderr
