"""Where a database may lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import DatabaseError
from db.place import filesystem_type, is_network, refuse_bad_place

MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
31 27 0:30 / /mnt/nvr rw,nosuid shared:9 master:2 - fuse.sshfs nvr:/events rw,user_id=0
32 31 0:31 / /mnt/nvr/disk rw - ext4 /dev/sda1 rw
33 27 0:32 / /mnt/with\\040space rw - nfs4 nas:/x rw
34 27 0:33 / /media/twice rw - cifs //nas/x rw
35 34 8:1 / /media/twice rw - ext4 /dev/sda1 rw
a line that is none
36 27 0:34
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/var/lib/annotator/annotator.sqlite", "ext4"),
        ("/mnt/nvr", "fuse.sshfs"),
        ("/mnt/nvr/annotator.sqlite", "fuse.sshfs"),
        ("/mnt/nvr2/annotator.sqlite", "ext4"),
        ("/mnt/nvr/disk/annotator.sqlite", "ext4"),
        ("/mnt/with space/annotator.sqlite", "nfs4"),
        ("/media/twice/annotator.sqlite", "ext4"),
        ("/proc/1", "proc"),
    ],
)
def test_the_deepest_and_latest_mount_holds_a_path(path: str, expected: str) -> None:
    assert filesystem_type(path, MOUNTINFO) == expected


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_is_read_without_an_error(mountinfo: str, path: str) -> None:
    assert filesystem_type(f"/{path}", mountinfo) is None or " - " in mountinfo


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse"])
def test_network(kind: str) -> None:
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs", "f2fs", "overlay", "tmpfs", "fuseblk"])
def test_local(kind: str) -> None:
    assert not is_network(kind)


def test_a_path_on_the_store_is_refused_however_it_is_written(tmp_path: Path) -> None:
    root, outside = tmp_path / "events", tmp_path / "state"
    root.mkdir()
    outside.mkdir()
    (outside / "link").symlink_to(root)
    (tmp_path / "alias").symlink_to(root)
    for path in (root / "a.sqlite", outside / "link" / "deep" / "a.sqlite"):
        for name in (root, tmp_path / "alias", outside / ".." / "events"):
            with pytest.raises(DatabaseError, match="would lie in the event store") as caught:
                refuse_bad_place(path, name, MOUNTINFO)
            assert "[database]" in caught.value.next_step
    refuse_bad_place(outside / "a.sqlite", root, MOUNTINFO)
    refuse_bad_place(tmp_path / "events2" / "a.sqlite", root, MOUNTINFO)
    refuse_bad_place(root / "a.sqlite", None, MOUNTINFO)


def test_a_path_on_a_network_file_system_is_refused(tmp_path: Path) -> None:
    mountinfo = f"{MOUNTINFO}40 27 0:40 / {tmp_path} rw - nfs4 nas:/x rw\n"
    with pytest.raises(DatabaseError, match=r"network file system \(nfs4\)"):
        refuse_bad_place(tmp_path / "a.sqlite", None, mountinfo)
