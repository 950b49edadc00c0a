from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain, count
from math import inf

import click

from annotator.cli import output
from annotator.cli.options import NumberRange, common_options, load_places
from annotator.errors import QueryError

MAX_STATEMENT = 1_000_000


@click.command()
@common_options
@click.argument("statement")
@click.option(
    "--timeout",
    "timeout_s",
    type=NumberRange(min=0, min_open=True, max=86400),
    default=30.0,
    show_default=True,
    help="Give up after so many seconds.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table"
)
def sql(statement: str, timeout_s: float, form: str) -> None:
    """Ask in SQL; nothing can be changed. `-` reads the statement from stdin.

    docs/database.md describes the views, with twenty questions to begin with.

    \b
    Example:
      annotator sql "SELECT label, count(*) AS times FROM sightings GROUP BY label"
    """
    from annotator.app import asking

    if statement == "-":
        statement = sys.stdin.read(MAX_STATEMENT + 1)
    if len(statement) > MAX_STATEMENT:
        raise QueryError("the statement is too long", f"ask in {MAX_STATEMENT:,} characters")
    with asking.sql(load_places(), statement, timeout_s) as answer:
        if form == "csv":
            output.csv_rows(answer.columns, (list(map(_plain, row)) for row in answer.rows))
        elif form == "table":
            output.table(answer.columns, _cells(answer.rows), folding=answer.columns)
        else:
            keys = _distinct(answer.columns)
            output.objects(
                form, (dict(zip(keys, map(_json, row), strict=True)) for row in answer.rows)
            )


def _cells(rows: Iterator[tuple[object, ...]]) -> Iterator[list[str]]:
    for row in rows:
        yield [_text(value) for value in row]


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _json(value: object) -> object:
    # JSON has no infinity.
    return str(value) if value in (inf, -inf) else _plain(value)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Keys of an object: the second "n" is "n:1", as SQLite calls it in a table made of a query."""
    keys: list[str] = []
    for column in columns:
        others = (f"{column}:{number}" for number in count(1))
        keys.append(next(key for key in chain([column], others) if key not in keys))
    return keys


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return "" if value is None else str(value)
