"""The database as Datasette has it: our connections, and no counting of millions of rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasette.app import Datasette
from datasette.database import Database, Results

COUNT_TIME_LIMIT_MS = 100
"""Beyond it a page says that there are rows, and not how many."""


class ReadDatabase(Database):  # type: ignore[misc]  # Datasette has no types
    """Only the views are for people: every table is hidden, which Datasette shows on request."""

    def __init__(self, datasette: Datasette, path: Path, connect: Callable[[], Any]) -> None:
        super().__init__(datasette, path=str(path), is_mutable=True)
        self._open = connect

    def connect(self, write: bool = False) -> Any:
        if write:
            raise RuntimeError("nothing is written here")
        connection = self._open()
        self._all_file_connections.append(connection)
        return connection

    async def execute(
        self,
        sql: str,
        params: Any = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = True,
    ) -> Results:
        # Datasette counts what a page is a part of, for as long as any question may take.
        if sql.startswith("select count(*) from ") and not truncate:
            custom_time_limit = min(custom_time_limit or COUNT_TIME_LIMIT_MS, COUNT_TIME_LIMIT_MS)
        # What is wrong with a question is said on its page; the terminal need not repeat it.
        return await super().execute(
            sql, params, truncate, custom_time_limit, page_size, log_sql_errors=False
        )

    async def hidden_table_names(self) -> list[str]:
        names: list[str] = await self.table_names()
        return names
