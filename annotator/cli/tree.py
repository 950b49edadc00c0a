"""All commands of a program, for its documents and tests."""

from __future__ import annotations

from collections.abc import Iterator

import click


def commands_of(group: click.Group, *words: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group that `words` lead to, by its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands_of(command, *words, name)
        else:
            yield " ".join((*words, name)), command
