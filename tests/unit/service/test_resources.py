from __future__ import annotations

from pathlib import Path

from annotator.host.resources import available_bytes, is_clock_synchronised


def test_memory_is_what_could_still_be_taken(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:  948304 kB\nMemFree:   1 kB\nMemAvailable:     412344 kB\n")
    assert available_bytes(told) == 412344 * 1024
    told.write_text("MemTotal:  948304 kB\n")
    assert available_bytes(told) is None
    assert available_bytes(tmp_path / "none") is None


def test_this_machine_tells_its_own() -> None:
    assert (available_bytes() or 0) > 0


def test_a_clock_that_timesyncd_sets_is_synchronised(tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()
    assert is_clock_synchronised(tmp_path / "synchronized") is True


def test_else_the_kernel_is_asked(tmp_path: Path) -> None:
    assert is_clock_synchronised(tmp_path / "none") in (True, False, None)
