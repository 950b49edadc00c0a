"""Everything that can go wrong, as one tree; every message says what to do next.

    AnnotatorError                      exit code
    ├── ConfigError                     4  annotator.toml cannot be used
    ├── StoreError                      5  the event tree
    │   ├── StoreUnavailable               the mount or the root is not there (nothing is counted)
    │   └── CaptureUnreadable              one capture cannot be looked at; becomes a Failure
    ├── ModelError                      6  a model file is missing, wrong or does not fit
    ├── DatabaseError                   7  the database cannot be used
    ├── BusyError                       8  another annotator runs
    ├── RuntimeUnavailable              9  TFLite, dlib or the accelerator cannot be used
    │   └── DeviceLost                        an Edge TPU is missing, held, or has failed
    ├── ServiceError                    10 systemd cannot be used, or a service does not run
    ├── DeliveryError                   11 a notice could not be delivered
    ├── InputError                      2  a file that cannot be taken in
    └── QueryError                      2  a question that cannot be answered as asked

Other exit codes: 0 done; 1 a bug; 2 wrong use of a command; 3 done, but some captures could not be
looked at; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

from annotator.domain import FileStamp, Reason

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_INTERRUPTED = 130


class AnnotatorError(Exception):
    """`str(error)` is the message; `next_step` tells a person what to do about it."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


class ConfigError(AnnotatorError):
    exit_code = 4


class StoreError(AnnotatorError):
    exit_code = 5


class StoreUnavailable(StoreError):
    """The store as a whole cannot be reached; says nothing about any one capture."""


class CaptureUnreadable(StoreError):
    """One capture cannot be looked at.

    `final` is False where the file may only be unfinished, so that a later try may succeed;
    `stamp` is the file as it was read, where that is known.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        final: bool = True,
        stamp: FileStamp | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.final = final
        self.stamp = stamp


class ModelError(AnnotatorError):
    exit_code = 6


class DatabaseError(AnnotatorError):
    exit_code = 7


class DatabaseUnwritable(DatabaseError):
    """Passing trouble: the disk is full, or somebody else holds the file. Worth trying again."""


class BusyError(AnnotatorError):
    exit_code = 8


class RuntimeUnavailable(AnnotatorError):
    exit_code = 9


class DeviceLost(RuntimeUnavailable):
    """An Edge TPU is missing, is held by another process, or has failed: it may come back."""


class ServiceError(AnnotatorError):
    exit_code = 10


class DeliveryError(AnnotatorError):
    """A notice did not get through; `final` says that trying again cannot help."""

    exit_code = 11

    def __init__(self, message: str, next_step: str = "", *, final: bool = False) -> None:
        super().__init__(message, next_step)
        self.final = final


class QueryError(AnnotatorError):
    exit_code = EXIT_USAGE


class InputError(AnnotatorError):
    """A file that somebody gave to be read is not what it should be."""

    exit_code = EXIT_USAGE
