from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.as_json import sighting_json
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, DeliveryError

if TYPE_CHECKING:
    from annotator.app.telling import RuleState, Telling


@click.group()
def notify() -> None:
    """Who is told of what is seen, by the rules of the configuration."""


@notify.command("list")
@common_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def show(form: str) -> None:
    """Show the rules, when each rang last, and what could not be delivered yet.

    \b
    Example:
      annotator notify list
    """
    from annotator.app import telling

    found = telling.state_of_rules(load_config())
    if form == "json":
        output.json_array([_object(found)])
        return
    output.table(
        ("rule", "to", "rang", "last", "waiting", "failed"),
        (_row(state) for state in found.rules),
        numbers=("rang", "waiting", "failed"),
        folding=("rule", "to", "last"),
    )
    for one in found.undelivered:
        why = f": {one.why}" if one.why else ""
        output.note(f"{one.target}: {one.waiting} wait, {one.failed} were given up{why}")


@notify.command()
@common_options
@click.argument("rule")
def test(rule: str) -> int:
    """Send a made-up notice of RULE to all its targets now, and say what happened.

    \b
    Example:
      annotator notify test "stranger at night"
    """
    from annotator.app import telling

    code = EXIT_OK
    for tried in telling.try_rule(load_config(), rule):
        if tried.error is None:
            click.echo(f"{tried.target}: told")
            continue
        code = DeliveryError.exit_code
        click.echo(f"{tried.target}: not told: {tried.error}")
        if tried.error.next_step:
            output.note(f"  {tried.error.next_step}")
    return code


def _row(state: RuleState) -> tuple[str, ...]:
    from annotator.notify.message import text

    rule, record = state.rule, state.record
    if record is None:
        return rule.name, ", ".join(rule.to), "0", "never", "0", "0"
    when = output.local_time(record.last.sighting.captured_at)
    return (
        rule.name,
        ", ".join(rule.to),
        str(record.notices),
        f"{when}  {text(record.last)}",
        str(record.waiting),
        str(record.failed),
    )


def _object(found: Telling) -> dict[str, Any]:
    return {
        "rules": [
            {
                "rule": state.rule.name,
                "to": list(state.rule.to),
                "notices": state.record.notices if state.record else 0,
                "last": _last(state),
                "waiting": state.record.waiting if state.record else 0,
                "failed": state.record.failed if state.record else 0,
            }
            for state in found.rules
        ],
        "targets": [
            {
                "target": one.target,
                "waiting": one.waiting,
                "failed": one.failed,
                "why": one.why or None,
            }
            for one in found.undelivered
        ],
    }


def _last(state: RuleState) -> dict[str, Any] | None:
    if state.record is None:
        return None
    last = state.record.last
    return {
        "notice": last.id,
        "person": last.person or None,
        **json.loads(sighting_json(last.sighting)),
    }
