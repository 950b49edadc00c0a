"""With which options an sshfs mount was made, and what they lack.

The kernel does not know them, but the command line of the sshfs process tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from annotator.mountinfo import Mount

PROC = Path("/proc")
_FRESH = ("dcache_timeout", "dir_cache", "cache_timeout", "cache")


def sshfs_options(mount: Mount, proc: Path = PROC) -> Mapping[str, str] | None:
    """By name in lower case, "" for those without a value; None where no process tells."""
    for words in _command_lines(proc):
        if Path(words[0]).name == "sshfs" and {mount.point, mount.source} & set(words[1:]):
            return dict(_options(words))
    return None


def shortcomings(options: Mapping[str, str]) -> tuple[str, ...]:
    """What these options will cost, in words; measured in docs/operations.md."""
    found = []
    if "reconnect" not in options:
        found.append("without `reconnect` a dropped connection leaves an empty folder for good")
    if "serveraliveinterval" not in options:
        found.append(
            "without `ServerAliveInterval=5,ServerAliveCountMax=2` a recorder that stops answering "
            "is waited for without end"
        )
    if not any(name in options for name in _FRESH):
        found.append("without `dcache_timeout=1` a new capture is seen after up to 21 s")
    if "kernel_cache" in options:
        found.append("`kernel_cache` keeps the contents of files that are still growing")
    return tuple(found)


def _command_lines(proc: Path) -> Iterator[list[str]]:
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
            except OSError:  # it has just ended
                continue
            if words:
                yield [word.decode(errors="surrogateescape") for word in words]


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Of `-o a,b=1 -oc`."""
    for at, word in enumerate(words):
        given = words[at + 1 : at + 2] if word == "-o" else [word[2:]] if word[:2] == "-o" else []
        for option in ",".join(given).split(","):
            name, _, value = option.partition("=")
            if name:
                yield name.lower(), value
