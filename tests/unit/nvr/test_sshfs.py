"""What the command line of an sshfs process tells, on a folder that looks like /proc."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from annotator.host.units import _shipped
from annotator.nvr.mount import Mount
from annotator.nvr.sshfs import shortcomings, sshfs_options

MOUNT = Mount("/mnt/nvr", "fuse.sshfs", "cam@nvr:/events", "0:50")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for pid, words in {
        "1": ("/sbin/init",),
        "40": ("sshfs", "cam@nvr:/other", "/mnt/other", "-o", "reconnect"),
        "41": ("ssh", "-x", "cam@nvr", "/mnt/nvr"),
        "self": ("sshfs", "cam@nvr:/events", "/mnt/nvr", "-o", "kernel_cache"),
    }.items():
        run(tmp_path, pid, *words)
    (tmp_path / "77").mkdir()  # has just ended
    (tmp_path / "78").mkdir()
    (tmp_path / "78" / "cmdline").touch()  # a thread of the kernel
    return tmp_path


def run(proc: Path, pid: str, *words: str) -> None:
    (proc / pid).mkdir()
    (proc / pid / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


@pytest.mark.parametrize(
    "words",
    [
        ("sshfs", "cam@nvr:/events", "/mnt/nvr", "-o", "ro,reconnect,ServerAliveInterval=5"),
        ("/usr/bin/sshfs", "-oro", "-oreconnect,ServerAliveInterval=5", "cam@nvr:/events", "mnt"),
    ],
)
def test_the_process_of_the_mount_tells(proc: Path, words: tuple[str, ...]) -> None:
    run(proc, "50", *words)
    expected = {"ro": "", "reconnect": "", "serveraliveinterval": "5"}
    assert sshfs_options(MOUNT, proc) == expected


def test_where_no_process_is_seen_nothing_is_told(proc: Path) -> None:
    assert sshfs_options(MOUNT, proc) is None


def test_what_our_own_unit_mounts_lacks_nothing() -> None:
    (options,) = re.findall(r"^Options=(.*)$", _shipped("mnt-nvr.mount"), flags=re.MULTILINE)
    given = {name.partition("=")[0].lower(): "" for name in options.split(",")}
    assert shortcomings(given) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["reconnect", "ServerAliveInterval", "dcache_timeout"]),
        ({"reconnect": "", "serveraliveinterval": "5", "dir_cache": "no"}, []),
        (
            {"reconnect": "", "allow_other": "", "idmap": "user"},
            ["ServerAliveInterval", "dcache_timeout"],
        ),
        (
            {"reconnect": "", "serveraliveinterval": "5", "cache": "no", "kernel_cache": ""},
            ["kernel_cache"],
        ),
    ],
)
def test_what_is_missing_is_named(options: dict[str, str], words: list[str]) -> None:
    found = shortcomings(options)
    assert len(found) == len(words)
    assert all(word in one for word, one in zip(words, found, strict=True))
