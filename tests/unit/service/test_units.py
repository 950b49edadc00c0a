from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.config import check_config
from annotator.errors import ConfigError, ServiceError
from annotator.host.units import (
    STATE_DIRECTORY,
    Machine,
    Program,
    check_open,
    machine_for,
    rendered,
)
from annotator.unit_names import escape_path

PROGRAM = Program(Path("/opt/annotator/.venv/bin/annotator"), (Path("/opt/annotator"),))
CONFIG_FILE = Path("/etc/annotator/annotator.toml")
SHIPPED = Path(__file__).parents[3] / "systemd"
SOURCE = "annotator@nvr.example:/var/cache/zoneminder/events"


def machine(
    toml: dict[str, dict[str, str]] | None = None,
    *,
    program: Program = PROGRAM,
    user: str = "annotator",
    source: str | None = None,
) -> Machine:
    config = check_config({"store": {"root": "/mnt/nvr"}, **(toml or {})}, "test")
    return machine_for(config, CONFIG_FILE, program, user, source)


def texts(wanted: Machine, version: int = 252) -> dict[str, str]:
    return {file.path.name: file.text for file in rendered(wanted, version)}


def values(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, _, value in pairs}


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def test_on_the_documented_machine_the_shipped_files_are_installed_as_they_are() -> None:
    installed = texts(machine(source=SOURCE))
    for name in (
        *("annotator.service", "annotator-prune.service", "annotator-prune.timer"),
        *("mnt-nvr.mount", "mnt-nvr.automount"),
    ):
        assert installed[name] == (SHIPPED / name).read_text()


def test_only_values_differ_elsewhere(tmp_path: Path) -> None:
    program = Program(Path("/home/pi/a b/bin/annotator"), (Path("/home/pi/a b"),))
    wanted = machine(
        {
            "store": {"root": "/srv/events-100%"},
            "database": {"path": "/media/sd/captures.sqlite"},
            "models": {"directory": "/var/lib/annotator/models"},
        },
        program=program,
        user="pi",
        source="pi@10.0.0.2:/events",
    )
    files = texts(wanted)
    service, unit = files["annotator.service"], values(files["annotator.service"])
    shipped = (SHIPPED / "annotator.service").read_text()
    assert [line.split("=")[0] for line in service.splitlines()] == [
        line.split("=")[0] for line in shipped.splitlines()
    ]
    assert unit["ExecStart"].startswith('"/home/pi/a b/bin/annotator" watch --config /etc/')
    assert unit["User"] == "pi"
    assert unit["ReadWritePaths"] == unit["RequiresMountsFor"] == "/var/lib/annotator /media/sd"
    assert unit["ProtectHome"] == "read-only"
    assert unit["Wants"] == r"srv-events\x2d100\x25.automount"
    prune = values(files["annotator-prune.service"])
    assert prune["ExecStart"].startswith('"/home/pi/a b/bin/annotator" prune --config /etc/')
    assert prune["After"] == rf"{unit['Wants']} annotator.service"
    for key in ("User", "ReadWritePaths", "RequiresMountsFor", "ProtectHome", "PrivateTmp"):
        assert prune[key] == unit[key]
    mount = values(files[r"srv-events\x2d100\x25.mount"])
    assert (mount["What"], mount["Where"]) == ("pi@10.0.0.2:/events", "/srv/events-100%%")
    assert "m pi plugdev" in files["annotator.conf"]


def test_the_pause_grows_only_where_systemd_knows_how() -> None:
    assert "backoff.conf" not in texts(machine(), 253)
    assert "RestartSteps=6" in texts(machine(), 254)["backoff.conf"]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"user": "root"}, "does not run as root"),
        ({"user": "Robert'); DROP"}, "no user's name"),
        ({"source": "-oProxyCommand=x@y:/z"}, "no place to mount from"),
        ({"source": "nvr.example:/events"}, "no place to mount from"),
        ({"source": "a@b:/events\nOptions=rw"}, "no place to mount from"),
        ({"toml": {"database": {"path": "captures.sqlite"}}}, "not a whole path"),
        ({"toml": {"store": {"root": "events"}}}, "not a whole path"),
    ],
)
def test_what_a_service_cannot_have_is_refused(changed: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        machine(**changed)  # type: ignore[arg-type]
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["/opt/a\nUser=root", "/opt/$HOME", '/opt/"', "/opt/\\x20"])
def test_a_name_with_a_meaning_of_its_own_is_refused(name: str) -> None:
    program = Program(Path(name), (Path("/opt"),))
    with pytest.raises(ConfigError, match="unit file"):
        rendered(machine(program=program), 252)


def test_a_program_that_others_cannot_reach_is_refused(tmp_path: Path) -> None:
    check_open(Path("/usr/lib"))
    tmp_path.chmod(0o700)
    with pytest.raises(ServiceError, match="closed to other users") as caught:
        check_open(tmp_path)
    assert "/opt/annotator" in caught.value.next_step


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)  # as Linux has them


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(names, max_size=4), min_size=1))
def test_mount_points_are_named_as_systemd_names_them(paths: list[list[str]]) -> None:
    program = needs("systemd-escape")
    whole = ["/" + "/".join(parts) for parts in paths]
    done = subprocess.run(
        [program, "--path", "--", *whole], capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip("\n") == " ".join(escape_path(Path(path)) for path in whole)


@pytest.mark.parametrize("folder", ["opt", "odd 100% & more"])
def test_systemd_finds_nothing_to_complain_of(folder: str, tmp_path: Path) -> None:
    program = needs("systemd-analyze")
    command = tmp_path / folder / "annotator"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    wanted = machine(program=Program(command, (command.parent,)), source=SOURCE)
    units = [file for file in rendered(wanted, 252) if "/systemd/" in str(file.path)]
    for unit in units:
        (tmp_path / unit.path.name).write_text(unit.text)
    done = subprocess.run(
        [program, "verify", "--man=no", *(str(tmp_path / unit.path.name) for unit in units)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["annotator.service", "annotator-prune.service"])
def test_the_sandbox_is_strong(name: str) -> None:
    program = needs("systemd-analyze")
    done = subprocess.run(
        [program, "security", "--offline=true", "--threshold=20", SHIPPED / name],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-200:]  # its exposure is above 2.0 of 10


def test_a_store_is_not_where_the_daemon_writes() -> None:
    assert machine().state == (STATE_DIRECTORY,)


@pytest.mark.parametrize(
    ("toml", "families"),
    [
        ({}, "AF_UNIX AF_NETLINK"),
        ({"mqtt": {"host": "broker.example"}}, "AF_UNIX AF_NETLINK AF_INET AF_INET6"),
        ({"metrics": {"listen": "127.0.0.1:9105"}}, "AF_UNIX AF_NETLINK AF_INET AF_INET6"),
    ],
)
def test_a_network_is_there_where_somebody_is_told(
    toml: dict[str, dict[str, str]], families: str
) -> None:
    unit = values(texts(machine(toml))["annotator.service"])
    assert unit["RestrictAddressFamilies"] == families


def test_the_folder_of_the_metrics_can_be_written() -> None:
    folder = "/var/lib/prometheus/node-exporter"
    unit = values(
        texts(machine({"metrics": {"textfile": f"{folder}/a.prom"}}))["annotator.service"]
    )
    assert unit["ReadWritePaths"] == f"/var/lib/annotator {folder}"
    assert unit["RestrictAddressFamilies"] == "AF_UNIX AF_NETLINK"
