from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config, service_config_file
from annotator.errors import EXIT_OK, ServiceError

if TYPE_CHECKING:
    from annotator.host.install import Plan, Step


@click.group()
def service() -> None:
    """Let systemd run the daemon."""


_yes = click.option("--yes", is_flag=True, help="Do it; without, only show what would be done.")


@service.command()
@common_options
@click.option("--user", default="annotator", show_default=True, help="Run as; made if need be.")
@click.option(
    "--mount-source",
    metavar="USER@HOST:/PATH",
    help="Also mount the store from there, over sshfs, whenever it is looked at.",
)
@_yes
def install(user: str, mount_source: str | None, yes: bool) -> None:
    """Set up systemd to run the daemon with this program and this configuration.

    Shows every file and command, and does it only with --yes (as root). Run it again after an
    upgrade or a change of paths. A file that was changed by hand is kept under another name.

    \b
    Example:
      annotator service install --mount-source annotator@nvr.example:/var/cache/zoneminder/events
      sudo annotator service install --yes
    """
    from annotator.host.install import plan_install, run_command
    from annotator.host.units import machine_for, this_program

    file = service_config_file()
    machine = machine_for(load_config(file), file, this_program(), user, mount_source)
    _carry_out(plan_install(machine, run_command), yes)


@service.command()
@_yes
def uninstall(yes: bool) -> None:
    """Stop the daemon and take its units away; database, configuration and user stay.

    \b
    Example:
      annotator service uninstall
      sudo annotator service uninstall --yes
    """
    from annotator.host.install import plan_uninstall

    _carry_out(plan_uninstall(), yes)


@service.command("status")
@common_options
def state() -> int:
    """Tell in words how the service is; exit code 10 where the daemon does not run.

    \b
    Example:
      annotator service status
    """
    from annotator.host.install import run_command
    from annotator.host.state import service_state
    from annotator.host.units import automount_of

    root = load_config(service_config_file()).store.root
    found = service_state(automount_of(root) if root else None, run_command)
    rows = [("service", found.service), ("at boot", found.at_boot)]
    if found.restarts:
        rows.append(("restarts", f"{found.restarts} since it was last started by hand"))
    if found.mount:
        rows.append(("store", found.mount))
    for name, value in rows:
        click.echo(f"{name:>10}  {value}")
    return EXIT_OK if found.running else ServiceError.exit_code


def _carry_out(plan: Plan, yes: bool) -> None:
    from annotator.host.install import carry_out, run_command

    for path in plan.unchanged:
        output.note(f"{path} is as it should be")
    if not yes:
        for step in plan.steps:
            _show(step)
        output.note("nothing has been changed; --yes does it")
        return
    carry_out(plan, run_command, _tell, os.geteuid())


def _show(step: Step) -> None:
    from annotator.host.install import Write

    _tell(step)
    if isinstance(step, Write):
        click.echo(step.text if step.before is None else step.diff)


def _tell(step: Step) -> None:
    from annotator.host.install import Remove, Run, Write

    match step:
        case Run(command):
            click.echo(f"run     {' '.join(command)}")
        case Remove(path, kept_as):
            click.echo(f"remove  {path}")
        case Write(path, _, before, kept_as):
            click.echo(f"{'write ' if before is None else 'change'}  {path}")
    if not isinstance(step, Run) and kept_as:
        output.warn(f"        was changed by hand: kept as {kept_as}")
