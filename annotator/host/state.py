"""How the service is, in words, from what `systemctl show` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from annotator.errors import (
    AnnotatorError,
    BusyError,
    ConfigError,
    DatabaseError,
    ModelError,
    QueryError,
    RuntimeUnavailable,
    StoreError,
)
from annotator.host.install import Runner
from annotator.host.units import SERVICE

PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "NeedDaemonReload"),
    *("MainPID", "NRestarts", "ExecMainCode", "ExecMainStatus", "StateChangeTimestamp"),
    "StatusText",
)

ENDED: Mapping[type[AnnotatorError], str] = {
    QueryError: "its command line is wrong: `annotator service install` mends it",
    ConfigError: "the configuration cannot be used: `annotator config check`",
    StoreError: "the store cannot be used",
    ModelError: "a model cannot be used: `annotator models fetch`, `annotator models verify`",
    DatabaseError: "the database cannot be used",
    BusyError: "another annotator runs: `annotator status` tells which",
    RuntimeUnavailable: "TFLite, dlib or the accelerator cannot be used",
}


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`running` says whether the daemon is up; the rest is for a person to read."""

    running: bool
    service: str
    at_boot: str
    mount: str | None
    restarts: int


def service_state(automount: str | None, run: Runner) -> ServiceState:
    """Ask systemd; `automount` is the store's unit where one is configured. Raises ServiceError."""
    shown = _shown(SERVICE, run)
    return ServiceState(
        running=shown["ActiveState"] == "active",
        service=_service(shown),
        at_boot="starts by itself" if shown["UnitFileState"] == "enabled" else "is not started",
        mount=_mount(automount, run) if automount else None,
        restarts=int(shown["NRestarts"] or 0),
    )


def _shown(unit: str, run: Runner) -> Mapping[str, str]:
    said = run(("systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", unit))
    given = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return {name: given.get(name, "") for name in PROPERTIES}


def _service(shown: Mapping[str, str]) -> str:
    since = f" since {shown['StateChangeTimestamp']}" if shown["StateChangeTimestamp"] else ""
    if shown["LoadState"] == "not-found":
        return "not installed: `annotator service install`"
    if shown["LoadState"] != "loaded":
        return f"its unit cannot be used ({shown['LoadState']}): `systemctl status annotator`"
    match shown["ActiveState"], shown["SubState"]:
        case "active", _:
            words = f"running as process {shown['MainPID']}{since}"
            if shown["StatusText"]:
                words += f": {shown['StatusText']}"
        case "activating", "auto-restart" | "auto-restart-queued":
            words = f"has ended and is started again soon: {_end(shown)}"
        case "activating" | "reloading", _:
            words = f"starting{since}"
        case "deactivating", _:
            words = f"stopping{since}"
        case "failed", _:
            words = f"has failed{since}: {_end(shown)}"
        case _:
            words = f"stopped{since}"
    if shown["NeedDaemonReload"] == "yes":
        words += " (its unit has changed since: `systemctl daemon-reload`)"
    return words


def _end(shown: Mapping[str, str]) -> str:
    """Why the last run ended. ExecMainCode is waitid's si_code: 1 exited, 2 killed, 3 dumped."""
    code, status = shown["ExecMainCode"], shown["ExecMainStatus"]
    if shown["Result"] == "watchdog":
        return "it hung, and its watchdog ended it"
    if shown["Result"] == "oom-kill":
        return "it ran out of memory"
    if code in ("2", "3"):
        return f"it was ended by signal {status}"
    known = {str(error.exit_code): words for error, words in ENDED.items()}
    return known.get(status, f"exit code {status} ({shown['Result']})")


def _mount(automount: str, run: Runner) -> str:
    point = _shown(automount, run)
    mount = _shown(automount.removesuffix(".automount") + ".mount", run)
    if mount["ActiveState"] == "active":
        return "mounted"
    if point["LoadState"] == "not-found":
        return "not mounted, and no unit of ours would mount it"
    if point["ActiveState"] == "active":
        tried = f"; the last try failed ({mount['Result']})" if mount["Result"] != "success" else ""
        return f"not mounted, and will be when it is looked at{tried}"
    return f"not mounted, and not tried: `systemctl start '{automount}'`"
