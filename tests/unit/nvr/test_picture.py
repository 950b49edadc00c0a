"""Pictures that a person named: files only, and only so much of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annotator.config import StoreSettings
from annotator.domain import Reason
from annotator.errors import CaptureUnreadable
from annotator.nvr.picture import read_picture


def refusal(path: Path, max_bytes: int = 100) -> tuple[Reason, str]:
    with pytest.raises(CaptureUnreadable) as caught:
        read_picture(path, max_bytes)
    return caught.value.reason, str(caught.value)


def test_all_of_it_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "one.jpg"
    for size in (0, 1, 100):
        path.write_bytes(bytes(size))
        assert read_picture(path, 100) == bytes(size)
    os.truncate(path, 1 << 40)
    assert refusal(path, 2_500_000) == (Reason.TOO_LARGE, "it is larger than 2.5 MB")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path, tmp_path / "pipe.jpg"):
        assert refusal(path) == (Reason.UNREADABLE, "it is not a file")


def test_what_is_not_there(tmp_path: Path) -> None:
    reason, told = refusal(tmp_path / "none.jpg")
    assert reason is Reason.UNREADABLE
    assert "No such file" in told


def test_a_megabyte_is_a_million_bytes() -> None:
    assert StoreSettings(max_capture_mb=0.5).max_capture_bytes == 500_000
