"""`annotator doctor` on houses in which something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotator.app.checks import Check, State
from annotator.app.doctoring import examine
from annotator.config import load_config
from tests.fakes.edgetpu import OF_GOOGLES_16_0, FakeEdgeTpu, build, tiny_edgetpu_model
from tests.system.broker import free_port
from tests.system.conftest import PROJECT, House, picture
from tests.system.lab import until

ON_TPU = "inference tiny.tflite on Edge TPU usb:0"
ON_CPU = "inference tiny.tflite on CPU"


def settings(house: House, **changes: object) -> Path:
    """The house's configuration with these changes, "__" for the dot."""
    file = house.folder / "annotator.toml"
    given = {key.replace("__", "."): json.dumps(value) for key, value in changes.items()}
    kept = [line for line in file.read_text().splitlines() if line.split(" ")[0] not in given]
    lines = [*kept, *(f"{key} = {value}" for key, value in given.items())]
    file.write_text("\n".join(lines) + "\n")
    return file


def examined(house: House, **changes: object) -> dict[str, list[Check]]:
    """What the doctor finds, by the checks' names."""
    file = settings(house, **changes)
    found: dict[str, list[Check]] = {}
    for check in examine(file, lambda: load_config(file)):
        found.setdefault(check.name, []).append(check)
        assert bool(check.next_step) == (check.state in (State.WARNING, State.PROBLEM)), check
        assert bool(check.exit_code) == (check.state is State.PROBLEM), check
    return found


def states(found: dict[str, list[Check]], *names: str) -> list[str]:
    return [str(check.state) for name in names for check in found[name]]


def the_problem(found: dict[str, list[Check]]) -> Check:
    """The only one."""
    problems = [check for checks in found.values() for check in checks if check.exit_code]
    assert len(problems) == 1, problems
    return problems[0]


@pytest.fixture
def fake(house: House) -> FakeEdgeTpu:
    """One device, and the house uses it."""
    fake = build(house.folder / "tpu")
    tiny_edgetpu_model(house.folder / "tiny_edgetpu.tflite")
    settings(house, inference__delegate="edgetpu", inference__edgetpu_library=str(fake.library))
    return fake


def test_a_good_house_has_no_problem(house: House) -> None:
    house.capture("FrontDoor", 0, 1, picture("red"))
    done = house.run("doctor", "--format", "json")
    answers = {one["check"]: one for one in json.loads(done.stdout)}
    assert all(one["state"] != "problem" for one in answers.values())
    for name in ("model tiny.tflite", ON_CPU, "store", "captures", "database", "disk"):
        assert answers[name]["state"] == "ok", answers[name]
        assert answers[name]["next_step"] is None
    keys = {"check", "state", "found", "next_step", "exit_code"}
    assert all(one.keys() == keys for one in answers.values())
    assert "2 classes" in answers["model tiny.tflite"]["found"]
    assert "24/05/01/12/00/00" in answers["captures"]["found"]
    assert answers["edgetpu library"]["state"] == "skipped"
    assert not (house.folder / "annotator.sqlite").exists()


def test_the_table_names_the_next_step(house: House) -> None:
    house.store.rmdir()
    done = house.run("doctor", code=5)
    assert "problem  store: the event store" in done.stdout
    assert "next: check [store] root" in done.stdout
    assert f"ok       {ON_CPU}: " in done.stdout


def test_a_configuration_that_cannot_be_read_is_the_first_problem(house: House) -> None:
    found = examined(house, store__rooot="/mnt")
    assert the_problem(found).name == "configuration"
    assert "did you mean `root`?" in the_problem(found).found
    assert the_problem(found).exit_code == 4
    assert states(found, "store", "inference", "python") == ["skipped", "skipped", "ok"]


def test_a_device_is_used_and_the_cpu_as_well(house: House, fake: FakeEdgeTpu) -> None:
    found = examined(house)
    names = ("edgetpu library", "edgetpu devices", ON_TPU, ON_CPU)
    assert states(found, *names) == ["ok"] * 4
    assert [entry.what for entry in fake.log()] == ["opened", "closed"]


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("error", "Edge TPU usb:0 failed"),
        ("abort", "was ended by signal 6"),
        ("busy", "another program or container has it"),
        ("hang", "did not answer within 3 s"),
        ("stuck", "did not answer within 3 s"),
    ],
)
def test_a_device_that_fails_is_told_and_the_rest_is_examined(
    house: House, fake: FakeEdgeTpu, behaviour: str, says: str
) -> None:
    fake.plug("usb:0", behaviour)  # type: ignore[arg-type]
    found = examined(house, worker__start_timeout_s=3.0)
    assert (the_problem(found).name, the_problem(found).exit_code) == (ON_TPU, 9)
    assert says in the_problem(found).found
    assert states(found, ON_CPU, "store") == ["ok", "ok"]


def test_a_missing_device_is_told(house: House, fake: FakeEdgeTpu) -> None:
    fake.unplug()
    found = examined(house, inference__devices=["usb:0"])
    assert states(found, "edgetpu devices", ON_TPU, ON_CPU) == ["problem", "problem", "ok"]
    assert "no Edge TPU usb:0" in found["edgetpu devices"][0].found


def test_an_unsafe_library_is_told_and_never_tried(house: House, fake: FakeEdgeTpu) -> None:
    unsafe = build(house.folder / "old", commit=OF_GOOGLES_16_0)
    found = examined(house, inference__edgetpu_library=str(unsafe.library))
    assert states(found, "edgetpu library", "edgetpu devices", "inference") == [
        "problem",
        "skipped",
        "problem",
    ]
    assert "TensorFlow 2.5" in found["edgetpu library"][0].found
    assert unsafe.log() == ()


HOLD = """
import sys
from annotator.inference import device_lock
assert device_lock.try_hold(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def somebody_has(path: Path) -> Iterator[int]:
    command = [sys.executable, "-c", HOLD, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=PROJECT, **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == b"held\n"
        yield holder.pid
        holder.stdin.close()


def test_a_device_that_another_process_has_is_left_alone(house: House, fake: FakeEdgeTpu) -> None:
    with somebody_has(fake.path()) as pid:
        found = examined(house)
    assert (the_problem(found).name, the_problem(found).exit_code) == ("edgetpu devices", 9)
    assert f"in use by process {pid}" in the_problem(found).found
    assert states(found, ON_TPU, ON_CPU) == ["skipped", "ok"]
    assert fake.log() == ()


def test_the_device_of_the_daemon_is_fine_and_left_alone(house: House, fake: FakeEdgeTpu) -> None:
    daemon = house.start("watch")
    try:
        until(lambda: bool(fake.log()), "the daemon opens the device")
        found = examined(house)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=30)
    assert found["edgetpu devices"][0].found.endswith("works for `annotator watch`")
    assert states(found, ON_TPU, "database") == ["skipped", "ok"]
    assert {entry.what for entry in fake.log()} <= {"opened", "closed"}
    assert len({entry.pid for entry in fake.log()}) == 1


def test_a_model_that_is_wrong_is_told(house: House) -> None:
    (house.folder / "tiny.tflite").write_bytes(b"not a model")
    found = examined(house)
    assert (the_problem(found).name, the_problem(found).exit_code) == (ON_CPU, 6)
    (house.folder / "tiny.tflite").unlink()
    assert states(examined(house), "model tiny.tflite", ON_CPU) == ["problem", "problem"]


def test_a_database_of_somebody_else_is_told(house: House) -> None:
    (house.folder / "annotator.sqlite").write_bytes(b"SQLite format 4\0" * 100)
    assert (the_problem(examined(house)).name, the_problem(examined(house)).exit_code) == (
        "database",
        7,
    )
    found = examined(house, database__path=str(house.store / "annotator.sqlite"))
    assert "would lie in the event store" in the_problem(found).found


def test_a_store_without_captures_is_a_warning(house: House) -> None:
    assert states(examined(house), "store", "captures") == ["ok", "warning"]


def test_captures_of_the_future_are_a_warning(house: House) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    path = house.store / "Door" / tomorrow.strftime("%y/%m/%d/%H/%M/%S") / "00001-capture.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(picture("red"))
    (captures,) = examined(house)["captures"]
    assert captures.state is State.WARNING
    assert "in the future" in captures.found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_closed_folder_is_told(house: House) -> None:
    closed = house.folder / "state"
    closed.mkdir(mode=0)
    found = examined(house, database__path=str(closed / "annotator.sqlite"))
    assert the_problem(found).name == "database"


def test_whoever_is_to_be_told_is_looked_for(house: House) -> None:
    """A broker that is not there, a command that is, a secret that is not."""
    found = examined(
        house,
        mqtt__host="127.0.0.1",
        mqtt__port=free_port(),
        commands__bell__run=["true"],
        commands__gong__run=["/no/gong"],
        webhooks__phone__url="env:NO_URL_HERE",
    )
    names = ("broker", "command bell", "command gong", "webhook phone")
    assert states(found, *names) == ["problem", "ok", "problem", "problem"]
    assert "cannot connect" in found["broker"][0].found
    assert "NO_URL_HERE" in found["webhook phone"][0].found


def test_a_name_that_nothing_has_is_said(house: House) -> None:
    found = examined(house, detection__labels=["red", "gren"])
    assert states(found, "names") == ["warning"]
    assert "'gren'; did you mean 'green'?" in found["names"][0].found
    assert states(examined(house, detection__labels=["red"]), "names") == ["ok"]


def test_secrets_that_everybody_may_read_are_said(house: House) -> None:
    (house.folder / "token").write_text("s3cret\n")
    changes = {
        "webhooks__phone__url": "https://phone.example/s3cret",
        "webhooks__phone__headers__Authorization": f"file:{house.folder}/token",
    }
    places = ("annotator.toml", "token")
    examined_file = settings(house, **changes)
    for name in places:
        (house.folder / name).chmod(0o644)
    found = list(examine(examined_file, lambda: load_config(examined_file)))
    said = [one.found for one in found if one.name == "secrets"]
    assert said == [f"everybody on this machine may read {house.folder}/{name}" for name in places]
    for name in places:
        (house.folder / name).chmod(0o640)
    found = list(examine(examined_file, lambda: load_config(examined_file)))
    assert not [one for one in found if one.name == "secrets"]
