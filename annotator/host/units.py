"""The files of `systemd/`, with the values that differ from one machine to the next put in.

What is shipped is complete and valid as it is: set-up only replaces values, so that each line of an
installed file still stands below its reason.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from annotator.config import Config
from annotator.errors import ConfigError, ServiceError

SERVICE = "annotator.service"
DEFAULT_USER = "annotator"
STATE_DIRECTORY = Path("/var/lib/annotator")
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))

SYSTEMD_WITH_BACKOFF = 254
"""The first systemd that knows RestartSteps= (its NEWS, version 254)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs from one machine to the next; all paths are absolute.

    `program` is the `annotator` command, `program_folders` hold all that it is made of. `state` are
    the folders that it writes to. `mount_source` is `user@host:/path`, or None where the store is
    no business of ours.
    """

    program: Path
    program_folders: tuple[Path, ...]
    config_file: Path
    store: Path
    state: tuple[Path, ...] = (STATE_DIRECTORY,)
    user: str = DEFAULT_USER
    mount_source: str | None = None

    @property
    def mount(self) -> str:
        return f"{escape_path(self.store)}.mount"

    @property
    def automount(self) -> str:
        return f"{escape_path(self.store)}.automount"


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file below /etc: where, and what is in it."""

    path: Path
    text: str


def this_machine(
    config: Config, config_file: Path, user: str = DEFAULT_USER, mount_source: str | None = None
) -> Machine:
    """For the program that is running and this configuration. Raises ConfigError, ServiceError."""
    program = Path(sys.executable).with_name("annotator")
    if not program.is_file():
        raise ServiceError(
            f"there is no command {program}", "install annotator in an environment: `make venv`"
        )
    package = Path(__file__).parents[1]
    folders = (Path(sys.prefix), Path(sys.base_prefix).resolve(), package.resolve())
    for folder in folders:
        _check_open(folder)
    return Machine(
        program=program,
        program_folders=folders,
        config_file=config_file.absolute(),
        # systemd wants a mount point without symlinks; looking at the store itself might block.
        store=_absolute("store.root", config.store_root.parent).resolve() / config.store_root.name,
        state=_state_folders(config),
        user=_checked_user(user),
        mount_source=_checked_source(mount_source),
    )


def _state_folders(config: Config) -> tuple[Path, ...]:
    database, models = config.database.path, config.models.directory
    wanted = [
        *([_absolute("database.path", database).parent] if database else []),
        *([_absolute("models.directory", models)] if models else []),
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


def _check_open(folder: Path) -> None:
    for part in (folder, *folder.parents):
        if not part.stat().st_mode & 0o001:
            raise ServiceError(
                f"the program lies in {folder}, but {part} is closed to other users",
                "install annotator in /opt/annotator, see docs/operations.md",
            )


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
    at_home = any(
        path.is_relative_to(home)
        for path in (
            *machine.program_folders,
            *(machine.config_file, machine.store, *machine.state),
        )
        for home in HOMES
    )
    folders = _words(machine.state)
    return _with(
        _shipped(SERVICE),
        {
            "ExecStart": f"{_words([machine.program])} watch --config "
            + _words([machine.config_file]),
            "User": machine.user,
            "Wants": machine.automount,
            "After": machine.automount,
            "RequiresMountsFor": folders,
            "ReadWritePaths": folders,
            "ProtectHome": "read-only" if at_home else "yes",
        },
    )


def _sysusers(machine: Machine) -> str:
    return re.sub(
        rf"^([um]) {DEFAULT_USER} ", rf"\1 {machine.user} ", _shipped("sysusers.conf"), flags=re.M
    )


def _with(text: str, values: Mapping[str, str]) -> str:
    """`text` with these keys' values replaced; each is there exactly once."""
    for key, value in values.items():
        text, count = re.subn(rf"^{key}=.*$", lambda _, line=f"{key}={value}": line, text, flags=re.M)
        assert count == 1, f"{key}= stands {count} times in a file of systemd/"
    return text


def _words(values: Iterable[Path]) -> str:
    """As items of a list, or words of a command line (systemd.syntax(7), systemd.service(5))."""
    quoted = []
    for value in values:
        word = _literal(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
        quoted.append(word if re.fullmatch(r"[\w./:@%+$-]+", word) else f'"{word}"')
    return " ".join(quoted)


def _literal(value: Path | str) -> str:
    """Without specifiers, and on one line."""
    text = str(value)
    if not text.isprintable():
        raise ConfigError(f"{text!r} cannot stand in a unit file", "rename it")
    return text.replace("%", "%%")


def escape_path(path: Path) -> str:
    """The name of a mount point's unit, without its suffix, as `systemd-escape --path` tells it."""
    parts = [part for part in path.parts if part != "/"]
    if not parts:
        return "-"
    escaped = "-".join(
        "".join(
            chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}"
            for byte in part.encode(errors="surrogateescape")
        )
        for part in parts
    )
    return f"\\x2e{escaped[1:]}" if escaped.startswith(".") else escaped


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def _shipped(name: str) -> str:
    """A file of `systemd/`: beside the package in a checkout, else where a wheel has put it."""
    file = name if name.startswith("mnt-") or name == SERVICE else f"annotator-{name}"
    folders = (
        Path(__file__).parents[2] / "systemd",
        Path(sysconfig.get_path("data")) / "share" / "annotator" / "systemd",
    )
    for folder in folders:
        if (folder / file).is_file():
            return (folder / file).read_text(encoding="utf-8")
    raise ServiceError(f"{file} is missing from the installation", "install annotator again")
