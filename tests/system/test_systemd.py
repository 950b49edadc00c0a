"""The service under a real systemd, sandbox and all, on a machine of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.tiny_ssd import write_labels, write_tiny_ssd
from tests.system.conftest import PROJECT, House, picture
from tests.system.nspawn import Booted, NoMachine, booted, python_folders, until

SERVICE = "annotator.service"
CONFIG = "/etc/annotator/annotator.toml"
ANNOTATOR = str(Path(sys.executable).with_name("annotator"))
SOURCE = "annotator@nvr.example:/var/cache/zoneminder/events"

# The recorder is a folder of the same machine: what is tested is systemd's part, not sshfs.
NO_SSHFS = """
[Mount]
What=/srv/recorder/events
Type=none
Options=bind
"""
QUICK = """
[Service]
RestartSec=100ms
WatchdogSec=5
"""
GOOD = """
store.root = "/mnt/nvr"
store.timezone = "UTC"
detection.model = "/srv/recorder/tiny.tflite"
detection.labels_file = "/srv/recorder/labels.txt"
faces.enabled = false
inference.delegate = "cpu"
watch.poll_interval_s = 0.2
watch.settle_s = 0.1
watch.reconcile_s = 2.0
watch.reconcile_window_s = 315360000.0
mount.retry_s = 0.5
"""


@pytest.fixture(autouse=True, scope="module")
def no_process_left_behind() -> None:
    """The processes of the machine come and go; its fixture ends them all."""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Where the captures are written; off until `switch_on`."""
    folder = tmp_path_factory.mktemp("recorder")
    write_tiny_ssd(folder / "tiny.tflite")
    write_labels(folder / "labels.txt")
    folder.chmod(0o755)
    (folder / "events").touch()  # no folder, so it cannot be mounted
    return House(folder)


def switch_on(recorder: House) -> None:
    if recorder.store.is_file():
        recorder.store.unlink()
    recorder.store.mkdir(exist_ok=True)


@pytest.fixture(scope="module")
def machine(recorder: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A machine with a configuration, on which the service is yet to be installed.

    Skipped where there can be none; ANNOTATOR_REQUIRE_SYSTEMD=1 turns that into a failure.
    """
    log = tmp_path_factory.mktemp("console") / "console.log"
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(
                booted(log, [PROJECT, *python_folders()], [f"{recorder.folder}:/srv/recorder"])
            )
        except NoMachine as reason:
            if os.environ.get("ANNOTATOR_REQUIRE_SYSTEMD") == "1":
                pytest.fail(str(reason))
            pytest.skip(str(reason))
        # The Python may be one that somebody has built at home, where others may not look.
        machine.run("chmod", "711", "/root")
        machine.write(CONFIG, GOOD)
        machine.write("/etc/systemd/system/mnt-nvr.mount.d/recorder.conf", NO_SSHFS)
        machine.write(f"/etc/systemd/system/{SERVICE}.d/quick.conf", QUICK)
        yield machine


@pytest.fixture
def running(machine: Booted) -> Iterator[Booted]:
    """The same with the service running."""
    machine.write(CONFIG, GOOD)
    if machine.show(SERVICE, "LoadState") == "not-found":
        machine.run(ANNOTATOR, "service", "install", "--mount-source", SOURCE, "--yes")
    machine.run("systemctl", "reset-failed", SERVICE)
    machine.run("systemctl", "restart", SERVICE)
    yield machine
    machine.run("systemctl", "stop", SERVICE, code=None)  # not there once it is uninstalled


def status(machine: Booted) -> dict[str, Any]:
    asked = ("runuser", "-u", "annotator", "--", ANNOTATOR, "status", "--json", "--config", CONFIG)
    database = "--database=/var/lib/annotator/annotator.sqlite"
    found: dict[str, Any] = json.loads(machine.run(*asked, database))
    return found


def signal_main(machine: Booted, name: str) -> None:
    """To the daemon itself, not to its workers."""
    machine.run("systemctl", "kill", "--kill-who=main", f"--signal={name}", SERVICE)


def restarted(machine: Booted, before: str) -> None:
    until(
        lambda: (
            machine.show(SERVICE, "ActiveState") == "active"
            and machine.show(SERVICE, "MainPID") != before
        ),
        "it was not started again",
    )


def test_install_shows_first_and_does_it_only_when_told(machine: Booted) -> None:
    install = (ANNOTATOR, "service", "install", "--mount-source", SOURCE)
    shown = machine.run(*install)
    assert "write   /etc/systemd/system/annotator.service" in shown
    assert "What=annotator@nvr.example:/var/cache/zoneminder/events" in shown
    assert "run     systemctl restart --no-block annotator.service" in shown
    machine.run("test", "-e", "/etc/systemd/system/annotator.service", code=1)
    assert "not installed" in machine.run(ANNOTATOR, "service", "status", code=10)

    machine.run(*install, "--yes")
    until(lambda: machine.show(SERVICE, "ActiveState") == "active", "it does not become ready")
    words = machine.run(ANNOTATOR, "service", "status")
    assert "running as process" in words
    assert "starts by itself" in words
    again = machine.run(*install)
    assert "/etc/systemd/system/annotator.service is as it should be" in again
    assert "write" not in again


def test_a_recorder_that_is_off_is_waited_for(running: Booted, recorder: House) -> None:
    for _ in range(8):  # more than systemd's default of five
        running.run("ls", "/mnt/nvr", code=2)
    assert running.show("mnt-nvr.automount", "ActiveState") == "active"
    switch_on(recorder)
    running.run("ls", "/mnt/nvr")
    words = running.run(ANNOTATOR, "service", "status")
    assert "store  mounted" in words


def test_captures_are_annotated_inside_the_sandbox(running: Booted, recorder: House) -> None:
    switch_on(recorder)
    recorder.capture("FrontDoor", 0, 1, picture("red", "green"))
    until(lambda: status(running)["annotated"] >= 1, "nothing was annotated")
    assert status(running)["detections"] >= 2
    assert status(running)["failed"] == 0
    process = running.run("cat", f"/proc/{running.show(SERVICE, 'MainPID')}/status")
    assert "Seccomp:\t2" in process
    assert "CapEff:\t0000000000000000" in process
    assert "<6>" not in running.run("journalctl", "--unit", SERVICE, "--output=cat")
    assert "watching" in running.run("journalctl", "--unit", SERVICE, "--priority=6")


def test_a_mount_that_went_is_taken_up_again(running: Booted, recorder: House) -> None:
    switch_on(recorder)
    recorder.capture("FrontDoor", 1, 1, picture("red"))
    until(lambda: status(running)["annotated"] >= 1, "nothing was annotated")
    before = status(running)["annotated"]
    # It is refused while the daemon reads there.
    stop = ("sh", "-c", "systemctl stop mnt-nvr.mount && echo gone")
    until(lambda: "gone" in running.run(*stop, code=None), "the mount did not go")
    recorder.capture("FrontDoor", 2, 1, picture("green"))
    until(lambda: status(running)["annotated"] > before, "the mount was not taken up")
    assert running.show(SERVICE, "NRestarts") == "0"


def test_there_is_housekeeping_every_night(running: Booted, recorder: House) -> None:
    """What the timer starts, inside its sandbox, with an event that the recorder has deleted."""
    switch_on(recorder)
    for minute in range(3, 6):
        recorder.capture("Garden", minute, 1, picture("red"))
    gone = recorder.path("Garden", 3, 1)
    database = "--database=/var/lib/annotator/annotator.sqlite"
    question = "SELECT count(*) FROM captures WHERE state = 'annotated' AND monitor = 'Garden'"
    ask = ("runuser", "-u", "annotator", "--", ANNOTATOR, "sql", question, database)
    until(lambda: "3" in running.run(*ask, "--format", "csv"), "not all were annotated")
    shutil.rmtree(gone.parent)
    assert running.show("annotator-prune.timer", "ActiveState") == "active"
    running.run("systemctl", "start", "annotator-prune.service")
    assert running.show("annotator-prune.service", "Result") == "success"
    said = running.run("journalctl", "--unit", "annotator-prune.service", "--output=cat")
    assert "events marked as gone" in said


def test_killed_it_is_started_again(running: Booted) -> None:
    before = running.show(SERVICE, "MainPID")
    signal_main(running, "KILL")
    restarted(running, before)


def test_told_to_stop_it_stops_cleanly(running: Booted) -> None:
    running.run("systemctl", "stop", SERVICE)
    assert running.show(SERVICE, "Result") == "success"
    assert running.show(SERVICE, "ExecMainCode") == "1"  # exited, not killed
    assert running.show(SERVICE, "ExecMainStatus") == "0"
    assert "service  stopped" in running.run(ANNOTATOR, "service", "status", code=10)


def test_hanging_it_is_ended_by_the_watchdog_and_started_again(running: Booted) -> None:
    before = running.show(SERVICE, "MainPID")
    signal_main(running, "STOP")
    restarted(running, before)
    said = running.run("journalctl", "--unit", SERVICE, "--output=cat")
    assert "Watchdog timeout" in said


def test_a_wrong_configuration_is_not_tried_again(running: Booted) -> None:
    running.write(CONFIG, "store.rot = 7\n")
    running.run("systemctl", "restart", SERVICE, code=1)
    assert running.show(SERVICE, "SubState") == "failed"  # not auto-restart
    assert running.show(SERVICE, "ExecMainStatus") == "4"
    assert running.show(SERVICE, "NRestarts") == "0"
    running.write(CONFIG, GOOD)
    assert "`annotator config check`" in running.run(ANNOTATOR, "service", "status", code=10)


def test_a_locally_changed_unit_is_kept(running: Booted) -> None:
    unit = f"/etc/systemd/system/{SERVICE}"
    running.run("sed", "-i", "s/^Nice=10/Nice=5/", unit)
    shown = running.run(ANNOTATOR, "service", "install")
    assert f"kept as {unit}.kept1" in shown
    assert "\n-Nice=5\n+Nice=10\n" in shown
    running.run(ANNOTATOR, "service", "install", "--yes")
    assert "Nice=5" in running.run("cat", f"{unit}.kept1")
    running.run("rm", f"{unit}.kept1")


def test_uninstalled_nothing_of_it_is_left_but_what_was_made(running: Booted) -> None:
    running.run(ANNOTATOR, "service", "uninstall", "--yes")
    assert running.show(SERVICE, "ActiveState") == "inactive"
    found = running.run("find", "/etc", "-type", "f", "-regex", ".*\\(annotator\\|mnt-nvr\\).*")
    ours = {f"/etc/systemd/system/{SERVICE}.d/quick.conf"}
    ours |= {CONFIG, "/etc/systemd/system/mnt-nvr.mount.d/recorder.conf"}
    assert set(found.split()) == ours
    assert "not installed" in running.run(ANNOTATOR, "service", "status", code=10)
    running.run("test", "-e", "/var/lib/annotator/annotator.sqlite")
