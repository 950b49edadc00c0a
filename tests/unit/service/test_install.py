from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from annotator.errors import ServiceError
from annotator.host.install import (
    Plan,
    Remove,
    Run,
    Step,
    Write,
    carry_out,
    plan_install,
    plan_uninstall,
    run_command,
)
from annotator.host.units import STATE_DIRECTORY, Machine, Program

MACHINE = Machine(
    program=Program(Path("/opt/annotator/.venv/bin/annotator"), (Path("/opt/annotator"),)),
    config_file=Path("/etc/annotator/annotator.toml"),
    store=Path("/mnt/nvr"),
    state=(STATE_DIRECTORY,),
    user="annotator",
    mount_source="annotator@nvr.example:/events",
)


class System:
    """Says its version and takes every command, but for those that it is told to refuse."""

    def __init__(self, refuses: str = "-") -> None:
        self.ran: list[str] = []
        self._refuses = refuses

    def __call__(self, command: Sequence[str]) -> str:
        line = " ".join(command)
        if line.startswith(self._refuses):
            raise ServiceError(f"`{line}`: no", "try harder")
        if line == "systemctl --version":
            return "systemd 252 (252.39-1~deb12u2)\n+PAM"
        self.ran.append(line)
        return ""


def do(plan: Plan, system: System, user_id: int = 0) -> list[Step]:
    told: list[Step] = []
    carry_out(plan, system, told.append, user_id)
    return told


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def unit(root: Path) -> Path:
    return root / "etc/systemd/system/annotator.service"


def install(root: Path) -> Plan:
    plan = plan_install(MACHINE, System(), root)
    do(plan, System())
    return plan


def test_a_plan_changes_nothing_and_carrying_it_out_does_what_it_says(tmp_path: Path) -> None:
    system = System()
    plan = plan_install(MACHINE, system, tmp_path)
    assert (files(tmp_path), system.ran) == (set(), [])

    assert do(plan, system) == list(plan.steps)
    assert files(tmp_path) == {
        "etc/sysusers.d/annotator.conf",
        "etc/udev/rules.d/70-annotator-edgetpu.rules",
        *(f"etc/systemd/system/{name}" for name in ("annotator.service", "mnt-nvr.mount")),
        *(f"etc/systemd/system/annotator-prune.{kind}" for kind in ("service", "timer")),
        "etc/systemd/system/mnt-nvr.automount",
    }
    assert [line for line in system.ran if not line.startswith("udevadm")] == [
        f"systemd-sysusers {tmp_path}/etc/sysusers.d/annotator.conf",
        "systemctl daemon-reload",
        "systemctl enable --now mnt-nvr.automount",
        "systemctl enable annotator.service",
        "systemctl restart --no-block annotator.service",
        "systemctl enable --now annotator-prune.timer",
    ]
    written = [step for step in plan.steps if isinstance(step, Write)]
    assert all(step.path.read_text() == step.text for step in written)
    assert unit(tmp_path).stat().st_mode & 0o777 == 0o644


def test_the_second_time_nothing_is_written_and_nothing_restarted(tmp_path: Path) -> None:
    first = install(tmp_path)
    again = plan_install(MACHINE, System(), tmp_path)
    assert not [step for step in again.steps if isinstance(step, Write)]
    assert len(again.unchanged) == len([step for step in first.steps if isinstance(step, Write)])
    assert again.steps[-2] == Run(("systemctl", "start", "--no-block", "annotator.service"))


def test_an_older_file_of_ours_is_replaced_without_ado(tmp_path: Path) -> None:
    older = Machine(**{**_fields(MACHINE), "config_file": Path("/etc/old.toml")})
    do(plan_install(older, System(), tmp_path), System())
    write, other = (
        step for step in plan_install(MACHINE, System(), tmp_path).steps if isinstance(step, Write)
    )
    assert other.path.name == "annotator-prune.service"
    assert write.kept_as is None
    assert (
        "-ExecStart=/opt/annotator/.venv/bin/annotator watch --config /etc/old.toml" in write.diff
    )
    assert (
        "+ExecStart=/opt/annotator/.venv/bin/annotator watch --config /etc/annotator" in write.diff
    )


def _fields(machine: Machine) -> dict[str, object]:
    return {name: getattr(machine, name) for name in Machine.__dataclass_fields__}


def test_a_file_changed_by_hand_is_kept_each_time(tmp_path: Path) -> None:
    for number in (1, 2):
        install(tmp_path)
        unit(tmp_path).write_text(f"# mine {number}\n")
        plan = plan_install(MACHINE, System(), tmp_path)
        (write,) = (step for step in plan.steps if isinstance(step, Write))
        kept = unit(tmp_path).with_name(f"annotator.service.kept{number}")
        assert write.kept_as == kept
        do(plan, System())
        assert kept.read_text() == f"# mine {number}\n"
        assert "ExecStart=" in unit(tmp_path).read_text()


def test_uninstalling_takes_away_what_was_installed_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path)
    system_folder = unit(tmp_path).parent
    (system_folder / "mnt-other.mount").write_text("[Mount]\nWhere=/mnt/other\n")
    override = system_folder / "annotator.service.d" / "override.conf"
    override.parent.mkdir()
    override.write_text("[Service]\nNice=0\n")
    system = System()
    do(plan_uninstall(tmp_path), system)
    assert files(tmp_path) == {
        "etc/systemd/system/mnt-other.mount",
        "etc/systemd/system/annotator.service.d/override.conf",
    }
    assert system.ran == [
        "systemctl disable --now annotator-prune.timer",
        "systemctl disable --now annotator.service",
        "systemctl disable --now mnt-nvr.automount",
        "systemctl stop annotator-prune.service",
        "systemctl stop mnt-nvr.mount",
        "systemctl daemon-reload",
    ]
    assert plan_uninstall(tmp_path).steps == ()


def test_uninstalling_keeps_what_was_changed_by_hand(tmp_path: Path) -> None:
    install(tmp_path)
    unit(tmp_path).write_text(unit(tmp_path).read_text().replace("Nice=10", "Nice=0"))
    kept = unit(tmp_path).with_name("annotator.service.kept1")
    assert Remove(unit(tmp_path), kept) in plan_uninstall(tmp_path).steps
    do(plan_uninstall(tmp_path), System())
    assert "Nice=0" in kept.read_text()
    assert not unit(tmp_path).exists()


def test_without_root_nothing_is_touched(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="needs root") as caught:
        do(plan_install(MACHINE, System(), tmp_path), System(), user_id=1000)
    assert "sudo" in caught.value.next_step
    assert files(tmp_path) == set()


def test_it_ends_at_the_first_command_that_fails(tmp_path: Path) -> None:
    system = System(refuses="systemctl daemon-reload")
    with pytest.raises(ServiceError, match="no"):
        do(plan_install(MACHINE, system, tmp_path), system)
    assert not [line for line in system.ran if "enable" in line]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc").touch()
    with pytest.raises(ServiceError, match=r"etc.*[Nn]ot a directory|etc.*File exists"):
        do(plan_install(MACHINE, System(), tmp_path), System())


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(ServiceError, match=r"no `annotator-no-such-program` here"):
        run_command(["annotator-no-such-program"])
    with pytest.raises(ServiceError, match=r"cannot access.*No such file"):
        run_command(["ls", "/no/such/folder"])
    assert run_command(["echo", "so"]) == "so\n"
