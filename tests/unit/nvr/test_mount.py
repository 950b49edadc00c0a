"""Is the store really there? Real directories; mount tables as the kernel writes them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from annotator.errors import StoreUnavailable
from annotator.nvr.mount import RootProbe, ask, identify, is_network, recover_abort
from tests.unit.nvr.trees import refused

ROOT = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
NVR = b"90 22 0:45 / /mnt/nvr rw,nosuid shared:7 master:2 - fuse.sshfs cam@nvr:/nvr rw,user_id=0\n"


# -- identity ------------------------------------------------------------------------------------

AUTOFS = b"89 22 0:44 / /mnt/nvr rw - autofs systemd-1 rw\n"
MEMORY = b"92 22 0:47 / /mnt/ram rw - tmpfs tmpfs rw\n"


@pytest.mark.parametrize(
    ("table", "root", "identity", "is_remote"),
    [
        (ROOT + NVR, "/mnt/nvr/events", "fuse.sshfs cam@nvr:/nvr", True),
        (ROOT + NVR.replace(b"0:45", b"0:99"), "/mnt/nvr/events", "fuse.sshfs cam@nvr:/nvr", True),
        (ROOT + AUTOFS, "/mnt/nvr/events", "autofs systemd-1", False),
        (ROOT + AUTOFS + NVR, "/mnt/nvr", "fuse.sshfs cam@nvr:/nvr", True),
        (ROOT + MEMORY, "/mnt/ram", "tmpfs", False),
        (b"", "/mnt/nvr", "", False),
    ],
)
def test_a_store_is_known_by_what_survives_a_reboot(
    table: bytes, root: str, identity: str, is_remote: bool
) -> None:
    assert identify(Path(root), table) == identity
    assert is_network(identity) == is_remote


def test_this_computers_disk_is_the_same_each_time(tmp_path: Path) -> None:
    assert identify(tmp_path) == identify(tmp_path) != ""
    assert not is_network(identify(tmp_path))


def test_links_to_a_mount_are_followed_up_to_it_and_not_into_it(tmp_path: Path) -> None:
    mounted = tmp_path / "mnt"
    (mounted / "inside").mkdir(parents=True)
    (mounted / "away").symlink_to("/proc")
    (tmp_path / "store").symlink_to("link")
    (tmp_path / "link").symlink_to(mounted)
    (tmp_path / "round").symlink_to("round")
    text = ROOT + NVR.replace(b"/mnt/nvr", os.fsencode(mounted))
    for way in ("store", "link/inside", "mnt/away", "mnt/../store/..//mnt", "store/x/y"):
        assert identify(tmp_path / way, text) == "fuse.sshfs cam@nvr:/nvr"
    for way in ("round", "none/x", "mnt2"):
        assert identify(tmp_path / way, text).startswith("ext4")


# -- asking --------------------------------------------------------------------------------------


def test_a_root_answers_or_says_why_not(tmp_path: Path) -> None:
    ask(tmp_path)
    (tmp_path / "file").touch()
    for root in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(StoreUnavailable, match=str(root)):
            ask(root)
    (tmp_path / "shut").mkdir()
    for above in (tmp_path, *tmp_path.parents):
        if not above.stat().st_mode & 1:
            return  # nobody else may come even so far
    with refused(tmp_path / "shut"), pytest.raises(StoreUnavailable, match="Permission denied"):
        ask(tmp_path / "shut")


# -- freeing -------------------------------------------------------------------------------------

RECORDER = """
import pathlib, sys
pathlib.Path(sys.argv[1]).write_text(" ".join(sys.argv[2:]))
"""


def test_a_dead_connection_is_aborted_and_the_mount_restarted(tmp_path: Path) -> None:
    (tmp_path / "45").mkdir()
    called = tmp_path / "called"
    done = recover_abort(
        Path("/mnt/nvr/events"),
        mounted=ROOT + NVR,
        connections=tmp_path,
        systemctl=(sys.executable, "-c", RECORDER, str(called)),
    )
    assert (tmp_path / "45" / "abort").read_bytes() == b"1"
    assert called.read_text() == "--no-block restart mnt-nvr.mount"
    assert "aborted the connection of cam@nvr:/nvr" in done
    assert "mnt-nvr.mount is being restarted" in done


@pytest.mark.parametrize("kind", [b"ext4", b"nfs4", b"fuse.gvfsd-fuse", b"fuse.sshfs2"])
def test_only_sshfs_is_ever_aborted(kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "45").mkdir()
    table = ROOT + NVR.replace(b"fuse.sshfs", kind)
    done = recover_abort(Path("/mnt/nvr"), mounted=table, connections=tmp_path)
    assert done.startswith("nothing is done")
    assert list((tmp_path / "45").iterdir()) == []


@pytest.mark.parametrize(
    "systemctl", [("/no/such/program",), (sys.executable, "-c", "exit('Access denied')")]
)
def test_what_cannot_be_done_is_told_and_no_error(
    systemctl: tuple[str, ...], tmp_path: Path
) -> None:
    done = recover_abort(
        Path("/mnt/nvr"), mounted=ROOT + NVR, connections=tmp_path, systemctl=systemctl
    )
    assert "abort cannot be written" in done
    assert "mnt-nvr.mount could not be restarted" in done


# -- the probe -----------------------------------------------------------------------------------


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


def test_another_store_than_the_one_expected_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nvr").mkdir()
    probe = RootProbe(tmp_path / "nvr", table(tmp_path, ROOT + NVR))
    probe.check("fuse.sshfs cam@nvr:/nvr")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cam@old:/nvr"):
            probe.check("fuse.sshfs cam@old:/nvr")
    table(tmp_path, ROOT)
    with pytest.raises(StoreUnavailable, match="but is on /dev/sda1"):
        RootProbe(tmp_path / "nvr", tmp_path / "mountinfo").check("fuse.sshfs cam@nvr:/nvr")


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
