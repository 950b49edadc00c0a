"""Opening the database: for the one writer, which brings it up to date, or read-only.

Every read and write goes through `Database.reading` or `Database.writing`, which are also where
errors become DatabaseError.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, select

from annotator.errors import DatabaseError
from db.place import mounts_now, refuse_bad_place, require_database
from db.schema import SCHEMA_VERSION, alembic_version
from db.translate import database_errors

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""

PAGE_BYTES = 2048
"""Of a new database. Live captures come few at a time, and each transaction writes whole pages:
half of SQLite's usual size halves what an SD card has to write (benchmarks/database_writes.py)."""

CHECKPOINT_PAGES = 2000
"""As many bytes as SQLite's usual 1000 pages of 4096."""

WAL_LIMIT_BYTES = 64 * 2**20
"""What is kept of a write-ahead log that a long read let grow."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; usable from several threads, not across a fork.

    Whoever reads or writes has a connection of its own meanwhile, and never waits for one: one
    Database serves all threads of a process.
    """

    path: Path
    engine: Engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot: what others write meanwhile is not seen, and they do not wait."""
        with database_errors(self.path), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, all or nothing; a second writer waits until it is done."""
        # IMMEDIATE: a transaction that reads first and then writes cannot be kept waiting by
        # SQLite, it fails at once if another writer came between.
        writer = self.engine.execution_options(begin="IMMEDIATE")
        with database_errors(self.path), writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection; the last writer's folds the write-ahead log into the file."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_database(
    path: Path, *, forbidden_root: Path | None, busy_timeout_s: float = 30.0
) -> Database:
    """Open for writing; creates directory and file, and migrates to this version's schema.

    Raises DatabaseError where the path lies on the store (`forbidden_root`) or a network file
    system, is no database of annotator, is of a newer version, or cannot be written.
    """
    _check_sqlite()
    path = path.absolute()
    refuse_bad_place(path, forbidden_root, mounts_now())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"cannot make the directory of the database, {path.parent}: {error.strerror}",
            "make it, or set another `path` in the [database] section",
        ) from error

    def prepare(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {round(busy_timeout_s * 1000)}")
        # With WAL, NORMAL cannot damage the file. A power cut may take back the last transactions,
        # whole ones; then the captures are not known and the next reconcile finds them again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")

    def prepare_to_migrate(connection: sqlite3.Connection) -> None:
        prepare(connection)
        # Else no table could be made anew that others refer to, and within a transaction this
        # cannot be changed (https://www.sqlite.org/lang_altertable.html).
        connection.execute("PRAGMA foreign_keys = OFF")

    uri = f"file:{quote(str(path))}?mode=rwc"
    database = Database(path, _engine(uri, prepare))
    try:
        with database.reading() as connection:
            version = _version(connection, path)
        if version is not None:
            _refuse_newer(version, path)
        _use_write_ahead_log(database)
        if version != SCHEMA_VERSION:
            with Database(path, _engine(uri, prepare_to_migrate)) as migrating:
                _migrate(migrating)
    except BaseException:
        database.close()
        raise
    return database


def open_read_only(path: Path) -> Database:
    """Open for questions, also while the daemon writes; never changes anything.

    Raises DatabaseError where there is no database, or one of another version than this program's.
    """
    _check_sqlite()
    path = path.absolute()
    require_database(path)
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        return _checked_reader(path, uri)
    except DatabaseError:
        # In a directory that this user cannot write, SQLite cannot make the files that readers and
        # a writer share. Without a log there is no writer, and the file is complete in itself.
        if os.access(path.parent, os.W_OK) or Path(f"{path}-wal").exists():
            raise
        return _checked_reader(path, f"{uri}&immutable=1")


def _checked_reader(path: Path, uri: str) -> Database:
    def prepare(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA query_only = ON")

    database = Database(path, _engine(uri, prepare))
    try:
        with database.reading() as connection:
            version = _version(connection, path)
        if version is None or version < SCHEMA_VERSION:
            raise DatabaseError(
                f"the database {path} is of an older version of annotator",
                "run `annotator watch` or `annotator backfill`, which bring it up to date",
            )
        _refuse_newer(version, path)
    except BaseException:
        database.close()
        raise
    return database


def _use_write_ahead_log(database: Database) -> None:
    """With it readers and the writer do not block each other; the file remembers it."""
    with database_errors(database.path), closing(database.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        mode = cursor.fetchone()
        cursor.close()
    if mode != ("wal",):
        raise DatabaseError(
            f"the file system of {database.path} cannot hold a write-ahead log",
            "set `path` in the [database] section to a place on a local disk",
        )


def _migrate(database: Database) -> None:
    # Here, since it takes longer to import than all the rest, and is needed once.
    from alembic import command
    from alembic.config import Config

    config = Config()
    scripts = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(connection: Connection, path: Path) -> str | None:
    """The schema's version; None for an empty file."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if alembic_version.name not in tables:
        raise DatabaseError(
            f"{path} is a database of another program",
            "set another `path` in the [database] section",
        )
    version: str | None = connection.scalar(select(alembic_version.c.version_num))
    return version


def _refuse_newer(version: str, path: Path) -> None:
    if version > SCHEMA_VERSION:
        raise DatabaseError(
            f"the database {path} is of a newer version of annotator "
            f"(schema {version}, this program knows {SCHEMA_VERSION})",
            "update annotator, or set another `path` in the [database] section",
        )


def _engine(uri: str, prepare: Callable[[sqlite3.Connection], None]) -> Engine:
    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver starts no transactions of its own; see `begin` below.
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    # As many connections as are asked for at a time. The one used last comes first: what it has
    # read is still true unless somebody else wrote.
    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1, pool_use_lifo=True
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise DatabaseError(
            f"SQLite {sqlite3.sqlite_version} is too old, {needed} is needed",
            "use a newer Python or operating system",
        )
