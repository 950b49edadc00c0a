"""A laboratory of network mounts: a throw-away sshd on 127.0.0.1, and sshfs on it, to be broken.

Everything is the lab's own: keys, configurations, ports, processes. It needs root, /dev/fuse and
Debian's `sshfs` and `openssh-server`; `missing` tells what is not there.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

SEED_OPTIONS = "reconnect,allow_other,idmap=user"
"""What the seed's fstab line says: everything is cached for 20 s."""

QUICK_ON_SSHFS = (
    "watch.poll_interval_s = 0.2",
    "watch.settle_s = 0.1",
    "mount.stall_s = 2.0",
    "mount.retry_s = 0.3",
)
"""Settings that show in seconds what a lived-in house shows in minutes.

`incomplete_timeout_s` stays as it is: where sizes are cached for 20 s, a file may look cut for
as long.
"""

PROGRAMS = ("sshfs", "fusermount3", "ssh-keygen", "setpriv")
SSHD = Path("/usr/sbin/sshd")
SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
PROJECT = Path(__file__).parents[2]


def _options_of_the_unit() -> str:
    unit = (PROJECT / "systemd" / "mnt-nvr.mount").read_text().splitlines()
    options = next(line for line in unit if line.startswith("Options=")).removeprefix("Options=")
    own = ("_netdev", "IdentityFile=", "UserKnownHostsFile=")  # systemd's, and the lab's own keys
    return ",".join(option for option in options.split(",") if not option.startswith(own))


OUR_OPTIONS = _options_of_the_unit()
"""What the project's mount unit says."""

_CAP_SYS_ADMIN = 21


class LabError(Exception):
    """The laboratory itself does not work; says nothing about what is tested in it."""


def missing() -> str | None:
    """Why there can be no laboratory here; None where there can."""
    if os.geteuid() != 0 or not _may_mount():
        return "needs root, with the right to mount"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"needs /dev/fuse: {error.strerror}"
    programs = [name for name in PROGRAMS if not shutil.which(name)]
    programs += [str(path) for path in (SSHD, SFTP_SERVER) if not path.exists()]
    if programs:
        return f"needs {', '.join(programs)}: apt install sshfs openssh-server"
    return None


def until(condition: Callable[[], bool], what: str, within_s: float = 30.0) -> None:
    """Wait for it; TimeoutError(what) where it does not come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {within_s:g} s")
        time.sleep(0.05)


class Lab:
    """`served` is the directory as the server has it, `mount_point` where the client sees it.

    Entering starts the server; `mount` is up to the caller. `delay_ms` is the distance between
    the two, one way. `close`, or leaving, frees every process that hangs in the mount.
    """

    def __init__(self, folder: Path, mount_point: Path, *, delay_ms: float = 0.0) -> None:
        self.served = folder / "served"
        self.mount_point = mount_point
        self._folder = folder
        self._delay_ms = delay_ms
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._link: subprocess.Popen[bytes] | None = None
        self._clients: list[_Client] = []

    def __enter__(self) -> Lab:
        for directory in (self.served, self._folder / "fusectl", self.mount_point):
            directory.mkdir(parents=True, exist_ok=True)
        try:
            self._make_keys()
            # The kernel's switches for FUSE connections, at a place of our own.
            _run("mount", "-t", "fusectl", "fusectl", str(self._folder / "fusectl"))
            self.restart_server()
            self._write_client_configuration()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connections(self) -> Path:
        """A directory per FUSE connection, as /sys/fs/fuse/connections has them."""
        return self._folder / "fusectl"

    def close(self) -> None:
        """Leave nothing: callers that hang are freed first, then everything is ended."""
        self.abort()
        self.kill_client()
        self._clear_mount_point()
        self.kill_server()
        if self._link:
            self._link.kill()
            self._link.communicate()
            self._link = None
        if os.path.ismount(self._folder / "fusectl"):
            _run("umount", str(self._folder / "fusectl"))

    # the mount

    def mount(self, options: str = OUR_OPTIONS, *, directory: Path | None = None) -> None:
        """Mount what the server has at `directory` (`served` unless told)."""
        self._clear_mount_point()
        source = f"lab:{directory or self.served}"
        command = ["sshfs", "-f", "-F", str(self._folder / "ssh_config"), "-o", options]
        process = self._start([*command, source, str(self.mount_point)], "sshfs.log")
        client = _Client(process)
        self._clients.append(client)
        until(lambda: bool(self._mounts()) or process.poll() is not None, "sshfs did not mount")
        if process.poll() is not None:
            raise LabError(f"sshfs: {self._log('sshfs.log')}")
        client.connection = self._mounts()[-1]

    def unmount(self, *, lazy: bool = False) -> None:
        """Leave an empty local directory. Busy is tried again for a while, unless lazy."""
        command = ["fusermount3", "-u", *(["-z"] if lazy else []), str(self.mount_point)]
        until(
            lambda: subprocess.run(command, capture_output=True).returncode == 0,
            f"{self.mount_point} was in use and could not be unmounted",
            10.0,
        )

    def kill_client(self) -> None:
        """The mount stays, but every call answers "not connected"."""
        for client in self._clients:
            client.kill()

    def abort(self) -> None:
        """As `kill_client`, by the kernel's switch: also frees whoever hangs."""
        for client in self._clients:
            if client.connection is not None and client.alive:
                # Only while it lives: the number of a connection that is gone is given anew.
                with suppress(FileNotFoundError):
                    switch = self._folder / "fusectl" / str(client.connection) / "abort"
                    switch.write_text("1")

    # the server

    def restart_server(self) -> None:
        """Start it; the port and the keys stay the same."""
        self.kill_server()
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on it
        configuration = str(self._folder / "sshd_config")
        self._server = self._start([str(SSHD), "-D", "-e", "-f", configuration], "sshd.log")
        until(self._answers, "sshd did not start")

    def kill_server(self) -> None:
        """Server and sessions are gone at once; the client meets closed connections."""
        for process in self._signal_server(signal.SIGSTOP):  # so that none is forked meanwhile
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._server:
            self._server.wait()
            self._server = None

    def freeze(self) -> None:
        """The connections stay, nothing answers any more, not even ssh's keep-alives."""
        self._signal_server(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_server(signal.SIGCONT)

    def freeze_sftp(self) -> None:
        """A hung disk on the server: ssh answers keep-alives, files do not answer."""
        self._signal_sftp(signal.SIGSTOP)

    def thaw_sftp(self) -> None:
        self._signal_sftp(signal.SIGCONT)

    # how it is done

    def _make_keys(self) -> None:
        self._folder.chmod(0o700)
        for name in ("host", "client"):
            key = self._folder / f"{name}_key"
            key.unlink(missing_ok=True)
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key))
        host_key = (self._folder / "host_key.pub").read_text()
        (self._folder / "known_hosts").write_text(f"lab {host_key}")
        (self._folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self._port}\n"
            f"HostKey {self._folder}/host_key\n"
            f"AuthorizedKeysFile {self._folder}/client_key.pub\n"
            "AuthenticationMethods publickey\n"
            "PidFile none\n"
            "UsePAM no\n"
            # The keys' folder lies below /tmp, where everybody may write.
            "StrictModes no\n"
            "LogLevel ERROR\n"
            "PermitTTY no\n"
            "DisableForwarding yes\n"
            # A process of its own, to be frozen without its sshd.
            f"Subsystem sftp {SFTP_SERVER}\n"
        )

    def _write_client_configuration(self) -> None:
        (self._folder / "ssh_config").write_text(
            "Host lab\n"
            "HostName 127.0.0.1\n"
            f"Port {self._port_for_clients()}\n"
            "HostKeyAlias lab\n"
            "User root\n"
            f"IdentityFile {self._folder}/client_key\n"
            "IdentitiesOnly yes\n"
            f"UserKnownHostsFile {self._folder}/known_hosts\n"
            "GlobalKnownHostsFile /dev/null\n"
            "StrictHostKeyChecking yes\n"
            "BatchMode yes\n"
        )

    def _port_for_clients(self) -> int:
        if not self._delay_ms:
            return self._port
        self._link = subprocess.Popen(
            [sys.executable, "-m", "tests.system.slow_link", str(self._port), str(self._delay_ms)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
        )
        assert self._link.stdout is not None
        return int(self._link.stdout.readline())

    def _answers(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            raise LabError(f"sshd: {self._log('sshd.log')}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1.0):
            return True
        return False

    def _server_processes(self) -> list[psutil.Process]:
        """The listener, if it lives, and its sessions."""
        with suppress(psutil.NoSuchProcess):
            if self._server:
                listener = psutil.Process(self._server.pid)
                return [listener, *listener.children(recursive=True)]
        return []

    def _signal_server(self, number: signal.Signals) -> set[psutil.Process]:
        """Signal all of them, those too that start meanwhile; whom it reached."""
        reached: set[psutil.Process] = set()
        while fresh := set(self._server_processes()) - reached:
            _signal(fresh, number)
            reached |= fresh
        return reached

    def _signal_sftp(self, number: signal.Signals) -> None:
        _signal({one for one in self._server_processes() if _name(one) == SFTP_SERVER.name}, number)

    def _mounts(self) -> list[int]:
        """The numbers of the connections mounted at the mount point, the uppermost last."""
        # proc(5): id, parent's id, major:minor, root, mount point ...
        lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return [
            int(fields[2].partition(":")[2])
            for fields in lines
            if fields[4] == str(self.mount_point) and "fuse.sshfs" in fields
        ]

    def _clear_mount_point(self) -> None:
        """Take off what a dead client left behind."""
        while self._mounts():
            self.unmount(lazy=True)

    def _start(self, command: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("ab") as out:
            return subprocess.Popen(
                # Neither a server nor a mount outlives tests that were killed.
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _log(self, name: str) -> str:
        return (self._folder / name).read_text()[-500:]


@dataclass
class _Client:
    """An sshfs process, with the ssh that it has started, and its FUSE connection."""

    process: subprocess.Popen[bytes]
    connection: int | None = None

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        if self.alive:
            sshfs = psutil.Process(self.process.pid)
            _signal({sshfs, *sshfs.children(recursive=True)}, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Fault:
    """Something that happens to a mount; `seen_as` are the states that fit it."""

    name: str
    strike: Callable[[Lab], None]
    mend: Callable[[Lab], None]
    seen_as: frozenset[str]


def _mount_another(lab: Lab) -> None:
    """Another disk of the same NVR, with captures of its own, where ours should be."""
    lab.unmount(lazy=True)
    lab.mount(directory=another_store(lab))


def another_store(lab: Lab) -> Path:
    """A directory of the server that is not `served`; empty until someone fills it."""
    other = lab.served.with_name("another")
    other.mkdir(exist_ok=True)
    return other


FAULTS = (
    Fault("server killed", Lab.kill_server, Lab.restart_server, frozenset({"offline"})),
    Fault("server frozen", Lab.freeze, Lab.thaw, frozenset({"stalled", "offline"})),
    Fault("sftp frozen", Lab.freeze_sftp, Lab.thaw_sftp, frozenset({"stalled"})),
    Fault("client killed", Lab.kill_client, Lab.mount, frozenset({"offline"})),
    Fault("aborted", Lab.abort, Lab.mount, frozenset({"offline", "wrong store"})),
    Fault("unmounted", Lab.unmount, Lab.mount, frozenset({"offline", "wrong store"})),
    Fault("another store", _mount_another, Lab.mount, frozenset({"wrong store"})),
)
"""Everything that can happen to the mount, and how it is undone."""


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text().splitlines()
    capabilities = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return bool(capabilities >> _CAP_SYS_ADMIN & 1)


def _free_port() -> int:
    """Below the range from which the kernel serves itself: it stays free while sshd is down."""
    for port in random.sample(range(20_000, 30_000), 100):
        with suppress(OSError), socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", port))
            return port
    raise LabError("no free port")


def _signal(processes: set[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{command[0]}: {done.stderr.strip()}")
