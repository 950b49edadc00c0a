"""SQLite's errors -> DatabaseError with a next step; nothing else leaves db/."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from annotator.errors import DatabaseError, DatabaseUnwritable


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn every error of the database below this into a DatabaseError about `path`."""
    try:
        yield
    except DBAPIError as error:
        raise explained(error.orig or error, path) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explained(error, path) from error
    except (UnicodeEncodeError, OverflowError) as error:
        # The driver's own complaint about a value: a name that is not UTF-8, a number over 64 bits.
        raise DatabaseError(
            f"{path}: a value cannot be stored: {error}", "rename the file or directory it is from"
        ) from error


def explained(error: BaseException, path: Path) -> DatabaseError:
    """What one error of SQLite means for a person. Codes: https://www.sqlite.org/rescode.html

    What may pass without anybody mending the file is DatabaseUnwritable: the transaction is undone,
    and the same open database works again once the trouble is over.
    """
    # The low byte is the primary code; the rest tells variants apart.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # no room for the file that readers and writers share
        code = sqlite3.SQLITE_FULL
    match code & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return DatabaseError(
                f"{path} is not a database",
                "move that file away, or set another `path` in the [database] section",
            )
        case sqlite3.SQLITE_CORRUPT:
            return DatabaseError(
                f"the database {path} is damaged: {error}",
                "stop annotator, restore a backup, or save what can be read with "
                f"`sqlite3 {path} .recover | sqlite3 mended.sqlite`",
            )
        case sqlite3.SQLITE_FULL:
            return DatabaseUnwritable(
                f"no room left on the disk for the database {path}",
                "free some space; captures that were not recorded are found again",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return DatabaseError(
                f"the database {path} or its directory cannot be written: {error}",
                "run as the user that owns both, or set another `path` in the [database] section",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            return DatabaseError(
                f"the database {path} cannot be opened: {error}",
                "check that this user may read the file and its directory",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseUnwritable(
                f"another program keeps the database {path} locked",
                f"close it (`fuser {path}` names it), then try again",
            )
        case sqlite3.SQLITE_IOERR:
            return DatabaseUnwritable(
                f"the disk failed under the database {path}: {error}",
                "look at `dmesg`, and replace the card or disk if it fails again",
            )
    return DatabaseError(f"{path}: {error}", "this is a fault in annotator; please report it")
