"""Which events are there: what is said to be missing is really missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annotator.errors import StoreUnavailable
from annotator.nvr.presence import Presence, presences, root_device

THERE, MISSING, UNKNOWN = Presence


def asked(root: Path, *directories: str) -> tuple[list[Presence], int]:
    """What is said, and how many questions that took."""
    questions: list[None] = []
    found = list(presences(root, directories, lambda: questions.append(None)))
    return found, len(questions)


def test_each_directory_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "1" / "24" / "05").mkdir(parents=True)
    (tmp_path / "1" / "24" / "06").touch()
    found, questions = asked(tmp_path, "1/24/04", "1/24/05", "1/24/06", "1", "")
    assert found == [MISSING, THERE, UNKNOWN, THERE, THERE]
    assert questions == 5


def test_below_what_is_missing_nothing_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "1" / "24" / "06" / "01").mkdir(parents=True)
    found, questions = asked(
        tmp_path, "1/24/05/01", "1/24/05/02", "1/24/05/03", "1/24/06/01", "1/24/06/02", "2/24"
    )
    assert found == [MISSING] * 3 + [THERE, MISSING, MISSING]
    assert questions == 4


def test_a_name_that_begins_alike_is_another(tmp_path: Path) -> None:
    (tmp_path / "10").mkdir()
    assert asked(tmp_path, "1", "10")[0] == [MISSING, THERE]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_what_may_not_be_looked_at_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "1" / "24").mkdir(parents=True)
    (tmp_path / "1").chmod(0)
    assert asked(tmp_path, "1/24")[0] == [UNKNOWN]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert asked(tmp_path, "link", "link/24")[0] == [UNKNOWN, UNKNOWN]


def test_without_a_root_there_is_no_answer(tmp_path: Path) -> None:
    assert root_device(tmp_path) == str(tmp_path.stat().st_dev)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        root_device(tmp_path / "nothing")
