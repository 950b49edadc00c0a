"""Write what docs/cli.md says of each command from the commands themselves.

    python docs/generate.py [--check]

Between two markers of that file everything is made; around them people write. With --check nothing
is written, and the exit code is 1 where the file is out of date.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path

import click

from annotator.cli.filters import FILTERS
from annotator.cli.main import cli as annotator
from annotator.cli.query import query
from annotator.cli.tree import commands_of
from trainer.cli import cli as trainer

FILE = Path(__file__).parent / "cli.md"
BEGIN = "<!-- made by `make docs` from here -->"
END = "<!-- to here -->"

_TABLE = ["| | |", "|---|---|"]

COMMON = {one.name for one in annotator.params}
"""Options that are good for every command are described once, by people."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only tell whether it is up to date")
    arguments = parser.parse_args()
    before = FILE.read_text(encoding="utf-8")
    after = renewed(before)
    if arguments.check:
        if before != after:
            print("docs/cli.md is out of date: run `make docs`", file=sys.stderr)  # noqa: T201
        return int(before != after)
    FILE.write_text(after, encoding="utf-8")
    return 0


def renewed(text: str) -> str:
    """The document with all that is made made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail}"


def reference() -> str:
    """An overview, then a section per command."""
    every = [*commands_of(annotator, "annotator"), *commands_of(trainer, "trainer")]
    overview = ["| command | what it does |", "|---|---|"]
    for name, command in every:
        overview.append(f"| [`{name}`](#{name.replace(' ', '-')}) | {_summary(command)} |")
    sections = [_section(name, command) for name, command in every]
    return "\n".join([*overview, "", *_filters(), *sections])


def _summary(command: click.Command) -> str:
    return _paragraphs(command)[0].replace("\n", " ").rstrip(".").replace("|", "\\|")


def _paragraphs(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help or "").split("\n\n")


def _filters() -> list[str]:
    lines = ["### Filters", "", "What questions have in common.", "", *_TABLE]
    return [*lines, *(_row(one) for one in query.params if one.name in FILTERS), ""]


def _section(name: str, command: click.Command) -> str:
    lines = [f"### {name}", ""]
    for paragraph in _paragraphs(command):
        kept = paragraph.replace("\b\n", "")
        if kept.startswith("Example:"):
            lines += [re.sub("^  ", "    ", line) for line in kept.splitlines()[1:]]
        else:
            lines.append(kept)
        lines.append("")
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option)]
    options = [one for one in options if one.name not in COMMON and not one.hidden]
    filters = [one for one in options if one.name in FILTERS] if _is_question(options) else []
    if arguments or options:
        lines += _TABLE
        lines += [f"| `{_metavar(one, command)}` | |" for one in arguments]
        if filters:
            lines.append(f"| [filters](#filters) | {_which(filters)} |")
        lines += [_row(one) for one in options if one not in filters]
        lines.append("")
    return "\n".join(lines)


def _which(filters: list[click.Option]) -> str:
    taken = {one.name for one in filters}
    missing = [
        f"`{max(one.opts, key=len)}`"
        for one in query.params
        if one.name in FILTERS and one.name not in taken
    ]
    return f"all but {', '.join(missing)}" if missing else "all"


def _is_question(options: list[click.Option]) -> bool:
    return any(one.name == "on" for one in options)


def _row(option: click.Parameter) -> str:
    return f"| {_names(option)} | {_help(option)} |" if isinstance(option, click.Option) else ""


def _metavar(argument: click.Argument, command: click.Command) -> str:
    return argument.make_metavar(click.Context(command)).replace("|", "\\|")


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    others = "".join(f", `{name}`" for name in option.secondary_opts)
    if option.is_flag or option.count:
        return names + others
    return f"{names} {_value(option)}{others}"


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "\\|".join(f"`{choice}`" for choice in option.type.choices)
    return (option.metavar or option.type.name).upper().replace(" RANGE", "").replace("|", "\\|")


def _help(option: click.Option) -> str:
    text = " ".join((option.help or "").split()).replace("|", "\\|")
    notes = []
    if option.multiple and "repeated" not in text:
        notes.append("may be repeated")
    is_shown = (
        not option.is_flag and not option.multiple and isinstance(option.default, str | float)
    )
    if is_shown and not isinstance(option.default, bool):
        notes.append(f"default {option.default}")
    return f"{text} ({'; '.join(notes)})" if notes else text


if __name__ == "__main__":
    sys.exit(main())
