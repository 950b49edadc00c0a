"""Puts the service's files in place and takes them away, in steps that can be shown first."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator.errors import ServiceError
from annotator.host.units import PRUNE, PRUNE_TIMER, SERVICE, Machine, UnitFile, rendered

COMMAND_TIMEOUT_S = 180.0

UDEV_CONTROL = Path("/run/udev/control")
"""Exists where udevd runs: not in a container."""

Runner = Callable[[Sequence[str]], str]
"""Runs a command and gives what it says. Raises ServiceError where it fails."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write a file. `before` is what is there; `kept_as` is where a local change is kept."""

    path: Path
    text: str
    before: str | None
    kept_as: Path | None

    @property
    def diff(self) -> str:
        old, new = (self.before or "").splitlines(True), self.text.splitlines(True)
        return "".join(difflib.unified_diff(old, new, "now", "then"))


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, or keep a locally changed one under another name."""

    path: Path
    kept_as: Path | None


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command."""

    command: tuple[str, ...]


Step = Write | Remove | Run


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done, in this order, and which files are as they should be already."""

    steps: tuple[Step, ...]
    unchanged: tuple[Path, ...] = ()


def plan_install(machine: Machine, run: Runner, root: Path = Path("/")) -> Plan:
    """How to get from what is below `root` to the service on this machine. Changes nothing."""
    files = rendered(machine, systemd_version(run))
    writes, unchanged = [], []
    for file in files:
        path, text = _below(root, file.path), _signed(file)
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if before == text:
            unchanged.append(path)
        else:
            writes.append(Write(path, text, before, _backup(path)))
    commands: list[tuple[str, ...]] = [("systemd-sysusers", str(_below(root, files[0].path)))]
    if UDEV_CONTROL.exists():
        commands += [
            ("udevadm", "control", "--reload"),
            ("udevadm", "trigger", "--subsystem-match=usb", "--subsystem-match=apex"),
        ]
    commands.append(("systemctl", "daemon-reload"))
    if machine.mount_source:
        commands.append(("systemctl", "enable", "--now", machine.automount))
    commands += [
        ("systemctl", "enable", SERVICE),
        ("systemctl", "restart" if writes else "start", "--no-block", SERVICE),
        ("systemctl", "enable", "--now", PRUNE_TIMER),
    ]
    return Plan((*writes, *map(Run, commands)), tuple(unchanged))


def plan_uninstall(root: Path = Path("/")) -> Plan:
    """How to take away what `plan_install` has put there; database, configuration and user stay."""
    system = _below(root, Path("/etc/systemd/system"))
    files = [path for path in _ours(root) if path.is_file()]
    names = [path.name for path in files if path.parent == system]
    units = [
        *(name for name in names if name in (PRUNE_TIMER, SERVICE)),
        *(name for name in names if name.endswith(".automount")),
    ]
    stopped = [name for name in names if name == PRUNE or name.endswith(".mount")]
    return Plan(
        (
            *(Run(("systemctl", "disable", "--now", name)) for name in units),
            *(Run(("systemctl", "stop", name)) for name in stopped),
            *(Remove(path, _backup(path)) for path in files),
            *([Run(("systemctl", "daemon-reload"))] if files else []),
        )
    )


def _ours(root: Path) -> list[Path]:
    """Every file that may be ours by its name; mounts only where they carry our line."""
    system = _below(root, Path("/etc/systemd/system"))
    mounts = [*system.glob("*.automount"), *system.glob("*.mount")]
    return [
        *(system / name for name in (PRUNE_TIMER, PRUNE, SERVICE)),
        system / f"{SERVICE}.d" / "backoff.conf",
        *(path for path in sorted(mounts) if path.is_file() and _SIGNATURE.match(_text(path))),
        _below(root, Path("/etc/udev/rules.d/70-annotator-edgetpu.rules")),
        _below(root, Path("/etc/sysusers.d/annotator.conf")),
    ]


def carry_out(plan: Plan, run: Runner, tell: Callable[[Step], None], user_id: int) -> None:
    """Do it, telling each step before. Raises ServiceError at the first that fails."""
    if user_id != 0:
        raise ServiceError("changing the system's services needs root", "run it with sudo")
    for step in plan.steps:
        tell(step)
        try:
            _do(step, run)
        except OSError as error:
            raise ServiceError(
                f"{error.filename}: {error.strerror}", "mend that, then run the command again"
            ) from error


def _do(step: Step, run: Runner) -> None:
    match step:
        case Run(command):
            run(command)
        case Remove(path, None):
            path.unlink()
        case Remove(path, Path() as kept_as):
            path.rename(kept_as)
        case Write(path, text, _, kept_as):
            path.parent.mkdir(parents=True, exist_ok=True)
            if kept_as:
                shutil.copy2(path, kept_as)
            # Renamed into place: a power cut leaves the old file or the new one, never half of one.
            new = path.with_name(f".{path.name}.new")
            new.write_text(text, encoding="utf-8")
            new.chmod(0o644)
            new.replace(path)


def run_command(command: Sequence[str]) -> str:
    """A Runner that really runs it."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
        )
    except FileNotFoundError:
        raise ServiceError(
            f"there is no `{command[0]}` here", "this needs a system that systemd runs"
        ) from None
    except subprocess.TimeoutExpired:
        raise ServiceError(
            f"`{' '.join(command)}` does not end", "look at `journalctl -b`"
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise ServiceError(f"`{' '.join(command)}`: {said}", "look at `journalctl -b`")
    return done.stdout


def systemd_version(run: Runner) -> int:
    said = run(("systemctl", "--version"))
    found = re.match(r"systemd (\d+)", said)
    if not found:
        raise ServiceError(f"cannot tell systemd's version from {said[:80]!r}", "report it")
    return int(found[1])


# Whose a file is: its first line carries a fingerprint of the rest.

_SIGNATURE = re.compile(r"# Written by `annotator service install` \(([0-9a-f]{12})\)\.\n")


def _signed(file: UnitFile) -> str:
    fingerprint = hashlib.sha256(file.text.encode()).hexdigest()[:12]
    return f"# Written by `annotator service install` ({fingerprint}).\n{file.text}"


def _changed_by_hand(text: str) -> bool:
    signature = _SIGNATURE.match(text)
    return not signature or _signed(UnitFile(Path(), text[signature.end() :])) != text


def _backup(path: Path) -> Path | None:
    """Where to keep what is at `path`, if it is not just as we wrote it.

    systemd, sysusers and udev read no file with such an ending.
    """
    if not path.exists() or not _changed_by_hand(_text(path)):
        return None
    number = 1
    while (kept_as := path.with_name(f"{path.name}.kept{number}")).exists():
        number += 1
    return kept_as


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
