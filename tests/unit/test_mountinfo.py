"""Mount tables as the kernel writes them, and as it never would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.mountinfo import (
    Mount,
    is_network,
    mount_of,
    parse_mountinfo,
    read_mountinfo,
)

MOUNTINFO = b"""\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
30 27 0:29 / /mnt/nvr rw - autofs systemd-1 rw
31 27 0:30 / /mnt/nvr rw,nosuid shared:9 master:2 - fuse.sshfs cam@nvr:/events rw,user_id=0
32 31 0:31 / /mnt/nvr/disk rw - ext4 /dev/sda1 rw
33 27 0:32 / /mnt/with\\040space rw - nfs4 nas:/a\\134b rw
34 27 0:33 / /media/twice rw - cifs //nas/x rw
35 34 8:1 / /media/twice rw - ext4 /dev/sda1 rw
a line that is none
36 27 0:34
"""
TABLE = tuple(parse_mountinfo(MOUNTINFO))


def test_fields_are_found_whatever_optional_ones_there_are() -> None:
    assert len(TABLE) == 8
    assert TABLE[3] == Mount("/mnt/nvr", "fuse.sshfs", "cam@nvr:/events")
    assert TABLE[3].device == "0:30"
    assert TABLE[5] == Mount("/mnt/with space", "nfs4", "nas:/a\\b")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/var/lib/annotator/annotator.sqlite", "ext4"),
        ("/mnt/nvr", "fuse.sshfs"),
        ("/mnt/nvr/zoneminder/events", "fuse.sshfs"),
        ("/mnt/nvr2/annotator.sqlite", "ext4"),
        ("/mnt/nvr/disk/annotator.sqlite", "ext4"),
        ("/mnt/with space/annotator.sqlite", "nfs4"),
        ("/media/twice/annotator.sqlite", "ext4"),
        ("/proc/1", "proc"),
    ],
)
def test_the_deepest_and_latest_mount_holds_a_path(path: str, expected: str) -> None:
    found = mount_of(path, TABLE)
    assert found is not None
    assert found.kind == expected


def test_a_path_on_none_of_the_mounts() -> None:
    assert mount_of("/mnt", TABLE[3:]) is None


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
POINTS = st.lists(NAMES, max_size=4).map(lambda names: "/" + "/".join(names))
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
MOUNTS = st.lists(
    st.builds(Mount, POINTS, st.sampled_from(["ext4", "nfs4", "fuse.sshfs"]), WORDS, st.just("0:1"))
)


def written(mount: Mount, tags: str) -> bytes:
    """A line as the kernel writes it (mangle in linux/fs/proc_namespace.c)."""
    point, source = (
        "".join(f"\\{ord(one):03o}" if one in " \t\n\\#" else one for one in text)
        for text in (mount.point, mount.source)
    )
    return os.fsencode(f"9 1 {mount.device} / {point} rw{tags} - {mount.kind} {source} rw\n")


@given(MOUNTS, st.sampled_from(["", " shared:1", " shared:1 master:2 unbindable"]))
def test_any_mount_is_read_as_it_is(mounts: list[Mount], tags: str) -> None:
    data = b"".join(written(one, tags) for one in mounts)
    found = list(parse_mountinfo(data))
    assert found == mounts
    for one in mounts:
        holding = mount_of(one.point, found)
        assert holding is not None
        assert holding.point == one.point.rstrip("/") or holding.point == "/"


@given(st.binary(max_size=300), st.text(max_size=50))
def test_junk_is_never_an_error(junk: bytes, path: str) -> None:
    mount_of(f"/{path}", parse_mountinfo(junk))
    assert set(TABLE[:2]) <= set(parse_mountinfo(MOUNTINFO + junk))


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse"])
def test_network(kind: str) -> None:
    assert is_network(kind)
    assert Mount("/", kind, "").may_block


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs", "f2fs", "overlay", "tmpfs", "fuseblk"])
def test_local(kind: str) -> None:
    assert not is_network(kind)
    assert not Mount("/", kind, "").may_block


def test_an_automount_that_waits_may_block() -> None:
    assert Mount("/mnt/nvr", "autofs", "systemd-1").may_block


def test_this_computer_tells_its_mounts(tmp_path: Path) -> None:
    assert mount_of("/proc/self", parse_mountinfo(read_mountinfo())) is not None
    assert read_mountinfo(tmp_path / "none") == b""
