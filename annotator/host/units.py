"""The files of `systemd/`, with the values that differ from one machine to the next put in.

What is shipped is complete and valid as it is: set-up only replaces values, so that each line of an
installed file still stands below its reason.
"""

from __future__ import annotations

import re
import stat
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from annotator.config import Config
from annotator.errors import ConfigError, ServiceError
from annotator.unit_names import escape_path

SERVICE = "annotator.service"
PRUNE = "annotator-prune.service"
PRUNE_TIMER = "annotator-prune.timer"
DEFAULT_USER = "annotator"
STATE_DIRECTORY = Path("/var/lib/annotator")
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - what the sandbox hides

OFFLINE = "AF_UNIX AF_NETLINK"
ONLINE = f"{OFFLINE} AF_INET AF_INET6"
"""What RestrictAddressFamilies= allows."""

SYSTEMD_WITH_BACKOFF = 254
"""The first systemd that knows RestartSteps= (its NEWS, version 254)."""


@dataclass(frozen=True, slots=True)
class Program:
    """The `annotator` command, and the folders with all that it is made of."""

    command: Path
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs from one machine to the next; all paths are absolute.

    `state` are the folders that the daemon writes to. `mount_source` is `user@host:/path`, or None
    where mounting the store is no business of ours. `is_online` says that the daemon tells others
    of what it sees.
    """

    program: Program
    config_file: Path
    store: Path
    state: tuple[Path, ...]
    user: str
    mount_source: str | None = None
    is_online: bool = False

    @property
    def mount(self) -> str:
        return f"{escape_path(self.store)}.mount"

    @property
    def automount(self) -> str:
        return automount_of(self.store)


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file below /etc: where, and what is in it."""

    path: Path
    text: str


def this_program() -> Program:
    """The one that is running. Raises ServiceError where a service could not run it."""
    command = Path(sys.executable).with_name("annotator")
    if not command.is_file():
        raise ServiceError(
            f"there is no command {command}", "install annotator in an environment: `make venv`"
        )
    package = Path(__file__).parents[1]
    folders = (Path(sys.prefix), Path(sys.base_prefix).resolve(), package.resolve())
    for folder in folders:
        check_open(folder)
    return Program(command, folders)


def check_open(folder: Path) -> None:
    """Raises ServiceError where other users cannot get to a folder."""
    for part in (folder, *folder.parents):
        if not part.stat().st_mode & stat.S_IXOTH:
            raise ServiceError(
                f"the program lies in {folder}, but {part} is closed to other users",
                "install annotator in /opt/annotator, see docs/operations.md",
            )


def machine_for(
    config: Config,
    config_file: Path,
    program: Program,
    user: str = DEFAULT_USER,
    mount_source: str | None = None,
) -> Machine:
    """What this configuration asks of the service. Raises ConfigError."""
    return Machine(
        program=program,
        config_file=config_file.absolute(),
        store=mount_point(_absolute("store.root", config.store_root)),
        state=_state_folders(config),
        user=_checked_user(user),
        mount_source=_checked_source(mount_source),
        is_online=bool(config.mqtt.host or config.notify or config.metrics.listen),
    )


def _state_folders(config: Config) -> tuple[Path, ...]:
    database, models = config.database.path, config.models.directory
    textfile = config.metrics.textfile
    wanted = [
        *([_absolute("database.path", database).parent] if database else []),
        *([_absolute("models.directory", models)] if models else []),
        *([_absolute("metrics.textfile", textfile).parent] if textfile else []),
    ]
    outside = {folder for folder in wanted if not folder.is_relative_to(STATE_DIRECTORY)}
    return (STATE_DIRECTORY, *sorted(outside))


def _absolute(key: str, path: Path) -> Path:
    if not path.is_absolute():
        raise ConfigError(
            f"{key} is not a whole path: a service has no folder that it is in",
            "write it with a leading / in the configuration",
        )
    return path


def _checked_user(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", name):
        raise ConfigError(f"{name!r} is no user's name", "name one such as `annotator`")
    if name == "root":
        raise ConfigError(
            "a program that opens pictures from cameras does not run as root",
            "leave --user away, or name another user",
        )
    return name


def _checked_source(source: str | None) -> str | None:
    # ssh would take what begins with a dash for an option.
    if source is not None and not re.fullmatch(r"[\w.][\w.-]*@[\w.\[\]:-]+:/[^\x00-\x1f]*", source):
        raise ConfigError(
            f"{source!r} is no place to mount from",
            "name it like annotator@nvr.example:/var/cache/zoneminder/events",
        )
    return source


def rendered(machine: Machine, systemd_version: int) -> tuple[UnitFile, ...]:
    """Every file of the service on this machine."""
    system = Path("/etc/systemd/system")
    files = [
        UnitFile(Path("/etc/sysusers.d/annotator.conf"), _sysusers(machine)),
        UnitFile(Path("/etc/udev/rules.d/70-annotator-edgetpu.rules"), _shipped("edgetpu.rules")),
        UnitFile(system / SERVICE, _service(machine)),
        UnitFile(system / PRUNE, _prune(machine)),
        UnitFile(system / PRUNE_TIMER, _shipped(PRUNE_TIMER)),
    ]
    if systemd_version >= SYSTEMD_WITH_BACKOFF:
        files.append(UnitFile(system / f"{SERVICE}.d" / "backoff.conf", _shipped("backoff.conf")))
    if machine.mount_source:
        where = _literal(machine.store)
        mount = {"What": _literal(machine.mount_source), "Where": where}
        files += [
            UnitFile(system / machine.mount, _with(_shipped("mnt-nvr.mount"), mount)),
            UnitFile(
                system / machine.automount, _with(_shipped("mnt-nvr.automount"), {"Where": where})
            ),
        ]
    return tuple(files)


def _service(machine: Machine) -> str:
    return _unit(
        machine,
        SERVICE,
        "watch",
        {
            "After": machine.automount,
            "RestrictAddressFamilies": ONLINE if machine.is_online else OFFLINE,
        },
    )


def _prune(machine: Machine) -> str:
    return _unit(machine, PRUNE, "prune", {"After": f"{machine.automount} {SERVICE}"})


def _unit(machine: Machine, name: str, command: str, own: Mapping[str, str]) -> str:
    """A service that runs a command of the program, with values of its own."""
    needed = (*machine.program.folders, machine.config_file, machine.store, *machine.state)

    def needs_any_of(folders: Iterable[Path]) -> bool:
        return any(path.is_relative_to(folder) for path in needed for folder in folders)

    state = _words(machine.state)
    return _with(
        _shipped(name),
        {
            "ExecStart": f"{_words([machine.program.command])} {command} --config "
            + _words([machine.config_file]),
            "User": machine.user,
            "Wants": machine.automount,
            "RequiresMountsFor": state,
            "ReadWritePaths": state,
            "ProtectHome": "read-only" if needs_any_of(HOMES) else "yes",
            "PrivateTmp": "no" if needs_any_of(TEMPORARY) else "yes",
            **own,
        },
    )


def _sysusers(machine: Machine) -> str:
    return re.sub(
        rf"^([um]) {DEFAULT_USER} ", rf"\1 {machine.user} ", _shipped("sysusers.conf"), flags=re.M
    )


def _with(text: str, values: Mapping[str, str]) -> str:
    """`text` with these keys' values replaced; each is there exactly once."""
    lines = text.splitlines()
    for key, value in values.items():
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{key}="))
        lines[at] = f"{key}={value}"
    return "\n".join(lines) + "\n"


def _words(values: Iterable[Path]) -> str:
    """As items of a list, or words of a command line (systemd.syntax(7), systemd.service(5))."""
    words = [_literal(value) for value in values]
    for word in words:
        if set(word) & set("\"'\\$"):
            raise ConfigError(f"the name {word} means something else in a unit file", "rename it")
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def _literal(value: Path | str) -> str:
    """As it is, on one line, with nothing that systemd would put something else in for."""
    text = str(value)
    if not text.isprintable():
        raise ConfigError(f"{text!r} cannot stand in a unit file", "rename it")
    return text.replace("%", "%%")


def automount_of(root: Path) -> str:
    """The unit that would mount a store when it is looked at."""
    return f"{escape_path(mount_point(root))}.automount"


def mount_point(root: Path) -> Path:
    """A store's root as systemd wants it, without symlinks; looking at the root might block."""
    return root.parent.resolve() / root.name


def _shipped(name: str) -> str:
    """A file of `systemd/`: beside the package in a checkout, else where a wheel has put it."""
    file = name if name.startswith(("mnt-", "annotator")) else f"annotator-{name}"
    folders = (
        Path(__file__).parents[2] / "systemd",
        Path(sysconfig.get_path("data")) / "share" / "annotator" / "systemd",
    )
    for folder in folders:
        if (folder / file).is_file():
            return (folder / file).read_text(encoding="utf-8")
    raise ServiceError(f"{file} is missing from the installation", "install annotator again")
