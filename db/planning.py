"""Ways to tell SQLite how to go about a question."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Join,
    UnaryExpression,
    bindparam,
    func,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import custom_op


def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """`+column`, by whose index SQLite does not go (https://www.sqlite.org/optoverview.html)."""
    return UnaryExpression(column, operator=custom_op("+"))


class CrossJoin(Join):
    """`left CROSS JOIN right ON ...`: for each row of the left, look into the right, and never the
    other way round."""

    inherit_cache = True

    def __init__(self, left: FromClause, right: FromClause, on: ColumnElement[bool]) -> None:
        super().__init__(left, right, on)


@compiles(CrossJoin)
def _compiled(join: CrossJoin, compiler: SQLCompiler, **how: Any) -> str:
    how.pop("asfrom", None)
    left, right = (compiler.process(side, asfrom=True, **how) for side in (join.left, join.right))
    on: Any = join.onclause
    return f"{left} CROSS JOIN {right} ON {compiler.process(on, **how)}"


def each_of(name: str, columns: Iterable[str]) -> CTE:
    """Rows of values as a table: the parameter `name` is their JSON, an array of arrays."""
    rows = func.json_each(bindparam(name)).table_valued("value")
    values = [
        func.json_extract(rows.c.value, f"$[{place}]", type_=Integer).label(column)
        for place, column in enumerate(columns)
    ]
    # Materialised, so that the JSON is read once and not for each row that is joined.
    return select(*values).cte(f"each_of_{name}").prefix_with("MATERIALIZED")
