from __future__ import annotations

from collections.abc import Sequence

import pytest

from annotator.host.state import service_state

RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    "MainPID": "812",
    "NRestarts": "0",
    "ExecMainCode": "0",
    "ExecMainStatus": "0",
    "StateChangeTimestamp": "Wed 2024-05-01 12:00:00 UTC",
}
FAILED = {**RUNNING, "ActiveState": "failed", "SubState": "failed", "ExecMainCode": "1"}
AGAIN = {**RUNNING, "ActiveState": "activating", "SubState": "auto-restart", "ExecMainCode": "1"}


class Systemctl:
    """Answers `systemctl show` as systemd 252 does, unit by unit."""

    def __init__(self, **units: dict[str, str]) -> None:
        self._units = units

    def __call__(self, command: Sequence[str]) -> str:
        kind = command[-1].rpartition(".")[2]
        shown = self._units.get(kind, {"LoadState": "not-found", "ActiveState": "inactive"})
        return "".join(f"{name}={value}\n" for name, value in shown.items())


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (RUNNING, "running as process 812 since Wed 2024-05-01 12:00:00 UTC"),
        ({**RUNNING, "StatusText": "12 wait"}, "UTC: 12 wait"),
        ({**RUNNING, "NeedDaemonReload": "yes"}, "`systemctl daemon-reload`"),
        ({**FAILED, "Result": "exit-code", "ExecMainStatus": "4"}, "`annotator config check`"),
        ({**FAILED, "Result": "exit-code", "ExecMainStatus": "203"}, "exit code 203 (exit-code)"),
        ({**AGAIN, "Result": "watchdog"}, "started again soon: it hung"),
        ({**AGAIN, "Result": "oom-kill"}, "ran out of memory"),
        ({**AGAIN, "Result": "exit-code", "ExecMainStatus": "6"}, "`annotator models fetch`"),
        (
            {**AGAIN, "Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "9"},
            "ended by signal 9",
        ),
        ({**RUNNING, "ActiveState": "inactive", "SubState": "dead"}, "stopped since"),
        ({**RUNNING, "ActiveState": "deactivating", "SubState": "stop-sigterm"}, "stopping"),
        ({**RUNNING, "ActiveState": "activating", "SubState": "start"}, "starting"),
        ({**FAILED, "LoadState": "bad-setting"}, "cannot be used (bad-setting)"),
        ({"LoadState": "not-found"}, "`annotator service install`"),
    ],
)
def test_the_state_is_told_in_words(shown: dict[str, str], words: str) -> None:
    found = service_state(None, Systemctl(service=shown))
    assert words in found.service
    assert found.running == (shown.get("ActiveState") == "active")
    assert found.mount is None


WAITING = {**RUNNING, "SubState": "waiting"}
NOT_MOUNTED = {**RUNNING, "ActiveState": "inactive"}


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ({"automount": RUNNING, "mount": RUNNING}, "mounted"),
        ({"automount": WAITING, "mount": NOT_MOUNTED}, "not mounted, and will be"),
        (
            {"automount": WAITING, "mount": {**FAILED, "Result": "exit-code"}},
            "the last try failed (exit-code)",
        ),
        ({"automount": FAILED, "mount": FAILED}, "`systemctl start 'mnt-nvr.automount'`"),
        ({}, "no unit of ours"),
    ],
)
def test_so_is_the_mount(units: dict[str, dict[str, str]], words: str) -> None:
    found = service_state("mnt-nvr.automount", Systemctl(service=RUNNING, **units))
    assert found.mount is not None
    assert words in found.mount
