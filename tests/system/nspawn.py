"""A small Debian with a systemd of its own, for as long as a test module takes.

The tree is made by `debootstrap` from the mirror that this machine installs its packages from, and
kept in a cache; a run only ever writes to an overlay in memory.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3")
TREE_VERSION = 1  # another number when PACKAGES change: trees are kept by it
BOOT_TIMEOUT_S = 60.0
ALONE_TIMEOUT_S = 600.0
PROGRAMS = ("debootstrap", "systemd-nspawn", "nsenter")


class NoMachine(Exception):
    """There can be none here; says why."""


def _tree() -> Path:
    """The Debian tree; made if it is not there yet, which takes a minute and a package mirror."""
    if os.geteuid() != 0:
        raise NoMachine("needs root")
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    if absent:
        raise NoMachine(f"no {', '.join(absent)}: apt install debootstrap systemd-container")
    release, mirror = _release(), _mirror()
    if not mirror:
        raise NoMachine("apt's sources name no mirror of this machine's own release")
    named = os.environ.get("ANNOTATOR_TEST_CACHE")
    cache = Path(named) if named else Path.home() / ".cache" / "annotator-tests"
    tree = cache / f"{release}-{TREE_VERSION}"
    if not tree.is_dir():
        half = cache / f"{tree.name}.{os.getpid()}"
        cache.mkdir(parents=True, exist_ok=True)
        include = f"--include={','.join(PACKAGES)}"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", include, release, str(half), mirror],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            shutil.rmtree(half, ignore_errors=True)
            raise NoMachine(f"debootstrap: {done.stdout[-500:]}{done.stderr[-500:]}")
        half.rename(tree)
    return tree


def _release() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def _mirror() -> str:
    """Where this machine's apt gets its own release's main component from; "" for nowhere."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"]
    try:
        said = subprocess.run([*asked, "Created-By: Packages"], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    for line in said.stdout.splitlines():
        uri, codename, component = line.split()
        if (codename, component) == (_release(), "main"):
            return uri
    return ""


@dataclass(frozen=True)
class Booted:
    """A running machine; `leader` is its process 1 as this one sees it."""

    leader: int

    def run(self, *command: str, code: int | None = 0) -> str:
        """What the command says on stdout and stderr; `code` None takes any exit code."""
        done = subprocess.run(
            [*_inside(self.leader), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert code is None or done.returncode == code, f"{command}: {done}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def write(self, path: str, text: str) -> None:
        """A text file inside, with its folders."""
        self.run("mkdir", "-p", str(Path(path).parent))
        subprocess.run(
            [*_inside(self.leader), "tee", path],
            input=text,
            text=True,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def _inside(leader: int) -> list[str]:
    spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return ["nsenter", f"--target={leader}", *spaces, "--wd=/", "--", "env", "-i", path, "LC_ALL=C"]


@contextmanager
def booted(log: Path, read_only: Sequence[Path], binds: Sequence[str]) -> Iterator[Booted]:
    """Boot it without a network; what it says on its console goes to `log`.

    `read_only` are folders of this machine at their own paths; `binds` are "from:to", writable.
    Raises NoMachine.
    """
    tree = _tree()
    command = [
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
        *("--private-network", "--volatile=overlay", "--console=pipe", "--link-journal=no"),
        "--bind=/dev/autofs",  # what its systemd makes automounts with
        f"--directory={tree}",
        *(f"--bind-ro={folder}" for folder in read_only),
        *(f"--bind={bind}" for bind in binds),
    ]
    with _alone(tree.with_name("lock")):
        with log.open("wb") as out:
            nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            machine = _up(nspawn, log)
            yield machine
        finally:
            leader = _leader(nspawn)
            if leader is not None:
                os.kill(leader, signal.SIGRTMIN + 14)  # power off at once, systemd(1)
            try:
                nspawn.wait(20)
            except subprocess.TimeoutExpired:
                nspawn.kill()
                nspawn.wait()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One machine at a time, whoever else runs these tests.

    Two share this machine's control groups, and each takes away those that it does not know: then
    the other can start nothing any more ("Failed to attach to cgroup").
    """
    deadline = time.monotonic() + ALONE_TIMEOUT_S
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline, f"another machine runs; it holds {lock}"
                time.sleep(0.2)
        yield


def _up(nspawn: subprocess.Popen[bytes], log: Path) -> Booted:
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while time.monotonic() < deadline and nspawn.poll() is None:
        leader = _leader(nspawn)
        if leader is not None:
            machine = Booted(leader)
            state = machine.run("systemctl", "is-system-running", code=None).strip()
            if state == "running":
                return machine
            assert state != "degraded", machine.run("systemctl", "--failed", code=None)
        time.sleep(0.1)
    raise NoMachine(f"systemd-nspawn does not boot here: {log.read_text()[-500:]}")


def _leader(nspawn: subprocess.Popen[bytes]) -> int | None:
    children = psutil.Process(nspawn.pid).children() if nspawn.poll() is None else []
    return children[0].pid if children else None


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def python_folders() -> list[Path]:
    """All that the running Python and its environment are made of, without folders in folders."""
    wanted = {Path(sys.prefix), Path(sys.base_prefix).resolve(), Path(sys.base_prefix)}
    return [folder for folder in sorted(wanted) if not folder.is_relative_to("/usr")]
