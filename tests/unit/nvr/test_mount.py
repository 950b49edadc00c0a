"""Is the store really there? Real directories; mount tables as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import StoreUnavailable
from annotator.nvr.mount import MOUNTINFO, Mount, RootProbe, mount_of, parse_mountinfo

ROOT = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
NVR = b"90 22 0:45 / /mnt/nvr rw,nosuid shared:7 master:2 - fuse.sshfs cam@nvr:/nvr rw,user_id=0\n"
SPACED = rb"91 22 0:46 / /mnt/two\040words rw - fuse.sshfs nvr:/a\134b rw" + b"\n"


def test_fields_are_found_whatever_optional_ones_there_are() -> None:
    assert list(parse_mountinfo(ROOT + NVR + SPACED)) == [
        Mount("/", "ext4", "/dev/sda1"),
        Mount("/mnt/nvr", "fuse.sshfs", "cam@nvr:/nvr"),
        Mount("/mnt/two words", "fuse.sshfs", "nvr:/a\\b"),
    ]


@given(st.binary(max_size=300))
def test_junk_is_never_an_error(junk: bytes) -> None:
    list(parse_mountinfo(junk))
    list(parse_mountinfo(ROOT + junk + NVR))


def test_the_mount_nearest_to_the_path_holds_it_and_the_newest_of_a_stack() -> None:
    automount = b"89 22 0:44 / /mnt/nvr rw - autofs systemd-1 rw\n"

    def kind(path: str) -> str | None:
        mount = mount_of(path, parse_mountinfo(ROOT + automount + NVR))
        return mount.kind if mount else None

    assert kind("/mnt/nvr/zoneminder/events") == "fuse.sshfs"
    assert kind("/mnt/nvr") == "fuse.sshfs"
    assert kind("/mnt/nvr2") == "ext4"
    assert mount_of("/mnt", parse_mountinfo(NVR)) is None


def test_this_computer_tells_its_mounts() -> None:
    assert mount_of("/proc/self", parse_mountinfo(MOUNTINFO.read_bytes())) is not None


def table(tmp_path: Path, text: bytes) -> Path:
    path = tmp_path / "mountinfo"
    path.write_bytes(text.replace(b"/mnt/nvr", str(tmp_path / "nvr").encode()))
    return path


def test_an_empty_mount_point_is_not_the_store_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "nvr" / "events").mkdir(parents=True)
    probe = RootProbe(tmp_path / "nvr" / "events", table(tmp_path, ROOT + NVR))
    probe.check()
    probe.check()

    table(tmp_path, ROOT)
    with pytest.raises(StoreUnavailable, match="should be on cam@nvr:/nvr") as caught:
        probe.check()
    assert caught.value.next_step == f"mount it again: `mount {tmp_path / 'nvr'}`"

    table(tmp_path, ROOT + NVR.replace(b"cam@nvr:/nvr", b"cam@other:/nvr"))
    with pytest.raises(StoreUnavailable, match="but is on cam@other:/nvr"):
        probe.recognise()

    table(tmp_path, ROOT + NVR)
    probe.check()


def test_a_store_that_is_mounted_late_is_taken(tmp_path: Path) -> None:
    (tmp_path / "nvr").mkdir()
    probe = RootProbe(tmp_path / "nvr", table(tmp_path, ROOT))
    probe.check()
    table(tmp_path, ROOT + NVR)
    probe.check()
    table(tmp_path, ROOT)
    with pytest.raises(StoreUnavailable):
        probe.check()


def test_a_system_without_a_mount_table_is_believed(tmp_path: Path) -> None:
    RootProbe(tmp_path, tmp_path / "no such table").check()


def test_a_root_that_is_missing_or_a_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root, cause in (
        (tmp_path / "gone", "No such file"),
        (tmp_path / "file", "Not a directory"),
    ):
        with pytest.raises(StoreUnavailable, match=cause) as caught:
            RootProbe(root).check()
        assert str(root) in str(caught.value)
        assert "mounted" in caught.value.next_step
