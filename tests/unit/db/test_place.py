"""Where a database may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator.errors import DatabaseError
from annotator.mountinfo import Mount
from db.place import refuse_bad_place, require_database

MOUNTS = (Mount("/proc", "proc", "proc"), Mount("/", "ext4", "/dev/mmcblk0p2"))


def test_a_path_on_the_store_is_refused_however_it_is_written(tmp_path: Path) -> None:
    root, outside = tmp_path / "events", tmp_path / "state"
    root.mkdir()
    outside.mkdir()
    (outside / "link").symlink_to(root)
    (tmp_path / "alias").symlink_to(root)
    for path in (root / "a.sqlite", outside / "link" / "deep" / "a.sqlite"):
        for name in (root, tmp_path / "alias", outside / ".." / "events"):
            with pytest.raises(DatabaseError, match="would lie in the event store") as caught:
                refuse_bad_place(path, name, MOUNTS)
            assert "[database]" in caught.value.next_step
    refuse_bad_place(outside / "a.sqlite", root, MOUNTS)
    refuse_bad_place(tmp_path / "events2" / "a.sqlite", root, MOUNTS)
    refuse_bad_place(root / "a.sqlite", None, MOUNTS)


def test_a_path_on_a_network_file_system_is_refused(tmp_path: Path) -> None:
    mounts = (*MOUNTS, Mount(str(tmp_path), "nfs4", "nas:/x"))
    with pytest.raises(DatabaseError, match=r"network file system \(nfs4\)"):
        refuse_bad_place(tmp_path / "a.sqlite", None, mounts)


def test_a_database_that_one_may_not_see_is_no_missing_one(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="there is no database at") as caught:
        require_database(tmp_path / "a.sqlite")
    assert "annotator backfill" in caught.value.next_step
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="there is no database at"):
        require_database(tmp_path / "file" / "a.sqlite")
    closed = tmp_path / ("a" * 300)  # a folder that is closed to all but root looks the same
    with pytest.raises(DatabaseError, match="cannot be opened: File name too long") as caught:
        require_database(closed)
    assert "sudo -u" in caught.value.next_step
