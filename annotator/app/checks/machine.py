"""What annotator stands on: Python, memory, the clock, systemd."""

from __future__ import annotations

import os
import platform
import pwd
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from annotator.app.checks import Check, Patient, ok, problem, skipped, warning
from annotator.errors import ServiceError, StoreError

WORKER_BYTES = 300 * 2**20
"""A worker and its face process take some 220 MB."""
SYSTEMD_RUNS = Path("/run/systemd/system")
"""As sd_booted(3) tells."""
NOT_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
"""A board without a battery begins in 1970 or on the day its system was built."""


def python() -> Iterator[Check]:
    found = f"{platform.python_version()} on {platform.machine()}"
    if sys.maxsize < 2**32:
        yield warning("python", f"{found}, 32 bits", "no runtime comes for it: use a 64-bit system")
    elif not (3, 11) <= sys.version_info < (3, 14):
        yield warning("python", found, "annotator is tested with 3.11 to 3.13")
    else:
        yield ok("python", found)


def memory() -> Iterator[Check]:
    from annotator.host.resources import available_bytes

    cores = len(os.sched_getaffinity(0))
    free = available_bytes()
    if free is None:
        yield skipped("memory", "/proc/meminfo does not tell")
        return
    found = f"{free / 1e9:.1f} GB free, {cores} core{'' if cores == 1 else 's'}"
    if free < WORKER_BYTES:
        yield warning("memory", found, "a worker with faces takes 220 MB: end other programs")
    else:
        yield ok("memory", found)


def clock() -> Iterator[Check]:
    from annotator.host.resources import is_clock_synchronised

    now = datetime.now(UTC)
    found = f"{now.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    synchronised = is_clock_synchronised()
    if now < NOT_BEFORE:
        wrong = StoreError(f"it is {found}: the clock is wrong", "`sudo timedatectl set-ntp true`")
        yield problem("clock", wrong)
    elif synchronised is False:
        yield warning("clock", f"{found}, not synchronised", "`sudo timedatectl set-ntp true`")
    else:
        yield ok("clock", f"{found}, synchronised" if synchronised else found)


def service(patient: Patient) -> Iterator[Check]:
    from annotator.host.install import run_command
    from annotator.host.state import service_state
    from annotator.host.units import SERVICE, automount_of

    if not SYSTEMD_RUNS.exists():
        yield skipped("service", "systemd does not run here")
        return
    root = patient.config.store.root
    found = service_state(automount_of(root) if root else None, run_command)
    if found.service.startswith("not installed"):
        yield warning("service", "not installed", "`sudo annotator service install`")
        return
    if found.running:
        yield ok("service", found.service)
    else:
        stopped = ServiceError(
            found.service, "`sudo systemctl start annotator`; `journalctl -u annotator` says more"
        )
        yield problem("service", stopped)
    user = run_command(("systemctl", "show", "--property=User", "--value", SERVICE)).strip()
    me = pwd.getpwuid(os.geteuid()).pw_name
    if user and user != me:
        yield warning(
            "service",
            f"it runs as {user}, this doctor as {me}, who may have other rights",
            f"`sudo -u {user} annotator doctor`",
        )
