"""What the documents say is so."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from annotator import errors
from annotator.cli.main import cli
from annotator.cli.tree import commands_of
from trainer.cli import cli as trainer

PROJECT = Path(__file__).parents[2]
CLI = (PROJECT / "docs" / "cli.md").read_text()
DATABASE = (PROJECT / "docs" / "database.md").read_text()


ALL = [*commands_of(cli, "annotator"), *commands_of(trainer, "trainer")]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_has_an_example(name: str, command: click.Command) -> None:
    assert command.help
    assert f"Example:\n  {name}" in inspect.cleandoc(command.help).replace("\b", "")


def test_the_commands_are_described_as_they_are() -> None:
    generate = runpy.run_path(str(PROJECT / "docs" / "generate.py"))
    assert generate["renewed"](CLI) == CLI, "docs/cli.md is out of date: run `make docs`"


def tree(error: type[errors.AnnotatorError]) -> Iterator[type[errors.AnnotatorError]]:
    yield error
    for below in error.__subclasses__():
        yield from tree(below)


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", CLI, flags=re.MULTILINE)}
    used = {error.exit_code for error in tree(errors.AnnotatorError)}
    others = {
        errors.EXIT_OK,
        errors.EXIT_BUG,
        errors.EXIT_USAGE,
        errors.EXIT_PARTIAL,
        errors.EXIT_INTERRUPTED,
    }
    assert documented == used | others


@pytest.mark.parametrize(
    "document", ["README.md", *(f"docs/{p.name}" for p in PROJECT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(document: str) -> None:
    path = PROJECT / document
    for target in re.findall(r"\]\(([^)#]+?)\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{document} names {target}"
