"""What the documents say is so."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from annotator import errors
from annotator.cli.main import cli
from annotator.clock import SystemClock
from annotator.domain import Capture, Event, Origin
from db.backlog import SqlBacklog
from db.engine import open_database
from trainer.cli import cli as trainer

PROJECT = Path(__file__).parents[2]
CLI = (PROJECT / "docs" / "cli.md").read_text()
DATABASE = (PROJECT / "docs" / "database.md").read_text()


def commands(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


ALL = [*commands(cli, ("annotator",)), *commands(trainer, ("trainer",))]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_is_documented_and_has_an_example(name: str, command: click.Command) -> None:
    program, *words = name.split()
    row = next((line for line in CLI.splitlines() if f"`{program} {words[0]}" in line), "")
    assert all(word in row for word in words), f"{name} is not in docs/cli.md"
    assert command.help
    assert f"Example:\n  {name}" in inspect.cleandoc(command.help).replace("\b", "")
    for option in command.params:
        longest = max(option.opts, key=len)
        if isinstance(option, click.Option) and name.startswith("annotator"):
            assert f"`{longest}" in CLI, f"{longest} of {name} is not in docs/cli.md"


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


@pytest.mark.parametrize("question", re.findall(r"```sql\n(.*?)```", DATABASE, flags=re.DOTALL))
def test_the_questions_in_the_document_are_answered(question: str, tmp_path: Path) -> None:
    program = shutil.which("sqlite3")
    if program is None:
        pytest.skip("Debian's sqlite3 program is not installed")
    path = tmp_path / "annotator.sqlite"
    with open_database(path, forbidden_root=None) as database:
        event = Event("FrontDoor", "1", "24/05/01/12/00/00")
        SqlBacklog(database, SystemClock()).add(
            [Capture(event, "00001-capture.jpg", 1)], Origin.LIVE
        )
    done = subprocess.run(
        [program, "-readonly", "-bail", str(path), question], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
