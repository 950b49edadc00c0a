"""The event tree on disk: its monitors, one directory at a time, and the bytes of a capture.

Nothing outside the root is ever read: no symbolic link is followed, except ZoneMinder's own, which
give a monitor's directory a name (`PlayroomDoor` -> `5`). Nothing stays open between calls, and a
file is never asked for its size before it is read, since a network mount then cuts it there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

from annotator.config import StoreSettings
from annotator.domain import (
    Capture,
    CaptureContent,
    Event,
    Failure,
    FileStamp,
    Reason,
    Window,
)
from annotator.errors import CaptureUnreadable, ConfigError
from annotator.nvr.beneath import is_mount_gone, is_shortage, opened
from annotator.nvr.jpeg import require_whole
from annotator.nvr.layout import (
    Branch,
    Layout,
    Monitor,
    is_text,
    layout_named,
    natural_key,
    printable,
)
from annotator.nvr.listing import Listing, Roll
from annotator.nvr.mount import RootProbe, unavailable
from annotator.nvr.picture import content_of
from annotator.nvr.throttle import Throttle
from annotator.nvr.walk import walk

_LATEST_TIME_S = datetime(9998, 1, 1, tzinfo=UTC).timestamp()

# Where a file system keeps what a check rescued; never a monitor, and only root may list it.
_NEVER_A_MONITOR = "lost+found"


Sort = Callable[[str, bool], Capture | Branch | None]
"""Tells what an entry of a directory is, by its name and whether it is a directory."""

Ask = Callable[[str], Capture | Branch | None]
"""Tells what of that name is in a directory now, where a listing may be old. Raises OSError."""


def _at_once() -> None:
    pass


class EventTree:
    """The CaptureStore of a directory; captures over `max_capture_bytes` are not read.

    `pause` is called before each listing of a walk. To build one never touches the disk.
    """

    def __init__(
        self,
        root: str | Path,
        layout: Layout,
        *,
        max_capture_bytes: int,
        pause: Callable[[], None] = _at_once,
    ) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would touch the mount
        self.layout = layout
        self.max_capture_bytes = max_capture_bytes
        self.pause = pause
        self._probe = RootProbe(self.root)
        # A capture directly in the root belongs to a monitor named as the root directory is.
        self._root_monitor = Monitor(self.root.name or "root", "")
        self._known = {"": self._root_monitor}

    def check(self, expected: str | None = None) -> None:
        """Raise StoreUnavailable unless the root can be listed and is what it was before.

        `expected` is the identity it must have (`annotator.nvr.mount.identify`), if any.
        """
        self._probe.check(expected)

    def recognise(self) -> None:
        """Raise StoreUnavailable if the root is no longer the store it was; never blocks."""
        self._probe.recognise()

    @property
    def is_local(self) -> bool:
        """Whether it was last recognised on a disk of this computer; False where not known."""
        mount = self._probe.mount
        return mount is not None and not mount.may_block

    def monitors(self) -> Roll:
        """The monitors: one per real directory in the root, however many names it has.

        Of several links to one directory the first by name counts. Where captures may lie in the
        root, the root is a monitor too. Raises StoreUnavailable.
        """
        try:
            directories, links = self._list_root()
        except OSError as error:
            raise unavailable(self.root, error) from error
        self._probe.recognise()
        failures = [_not_text(name) for name in sorted(directories) if not is_text(name)]
        aliases = dict[str, str]()
        for name, target in sorted(links.items()):
            if target is None and self.layout.parse(name) is None:
                failures.append(_leads_out(name))
            elif target in directories:
                aliases[name] = target
        named = {directory: name for name, directory in reversed(aliases.items()) if is_text(name)}
        found = {
            directory: Monitor(named.get(directory, directory), directory)
            for directory in directories
            if is_text(directory)
        }
        if self.layout.has_captures_in_root:
            found[""] = self._root_monitor
        aliased = {name: found[to] for name, to in aliases.items() if to in found}
        self._known = {"": self._root_monitor, **aliased, **found}
        by_name = sorted(found.values(), key=lambda monitor: natural_key(monitor.name))
        return Roll(tuple(by_name), tuple(failures))

    def walk(self, window: Window) -> Iterator[tuple[Event, tuple[Capture, ...]] | Failure]:
        """Each event of the window with all its captures, newest event first, frames ascending.

        Holds one directory's listing and the names still to be visited. Directories whose names
        put them outside the window are not listed. Where names tell no date, events come first and
        by name, highest first; a directory last changed before `since` holds nothing that began
        after it, and `until` leaves nothing out. Monitors go by their name or their directory.
        `window.paths`, absolute or relative to the root, name captures or directories. Raises
        StoreUnavailable where the store goes away.
        """
        return walk(self, window)

    def look(self, branch: Branch, since: datetime | None = None) -> Listing:
        """List one directory. Raises OSError.

        With `since`, whatever its names do not date is left out if it has not changed since.
        """
        event, place, sort = self.layout.event(branch), self.layout.place(branch), self.sort(branch)
        captures, branches = list[Capture](), list[Branch]()
        if place is None:
            return Listing(event, (), (), ())
        with self.entries(branch) as (descriptor, entries):
            is_stale = not place.is_dated and _is_older(partial(os.fstat, descriptor), since)
            for entry in entries:
                found = sort(entry.name, entry.is_dir(follow_symlinks=False))
                if isinstance(found, Branch):
                    if self._may_hold(found, entry, since):
                        branches.append(found)
                elif found and not is_stale:
                    captures.append(found)
        captures.sort(key=lambda capture: (capture.frame, capture.file_name))
        paths = [capture.path for capture in captures] + [below.path for below in branches]
        return Listing(
            event,
            tuple(capture for capture in captures if is_text(capture.file_name)),
            tuple(below for below in branches if is_text(below.parts[-1])),
            tuple(_not_text(path) for path in paths if not is_text(path)),
        )

    @contextmanager
    def entries(self, branch: Branch) -> Iterator[tuple[int, Iterator[os.DirEntry[str]]]]:
        """An open directory and what is in it, hidden names left out. Raises OSError."""
        with (
            opened(self.root, branch.path, os.O_DIRECTORY) as descriptor,
            os.scandir(descriptor) as entries,
        ):
            yield descriptor, (entry for entry in entries if not entry.name.startswith("."))

    @contextmanager
    def asking(self, branch: Branch) -> Iterator[Ask]:
        """Questions about names in one directory, as Ask, without listing it. Raises OSError."""
        sort = self.sort(branch)

        def ask(name: str) -> Capture | Branch | None:
            try:
                mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            except FileNotFoundError:
                return None
            return sort(name, stat.S_ISDIR(mode))

        with opened(self.root, branch.path, os.O_DIRECTORY | os.O_PATH) as descriptor:
            yield ask

    def sort(self, branch: Branch) -> Sort:
        """How to tell what the entries of a directory are; for all others the answer is None."""
        event, place = self.layout.event(branch), self.layout.place(branch)

        def sort(name: str, is_directory: bool) -> Capture | Branch | None:
            if place is None:
                return None
            if is_directory:
                below = Branch(branch.monitor, (*branch.parts, name))
                return below if place.leads and self.layout.place(below) else None
            frame = place.frame(name) if place.frame else None
            return None if frame is None else Capture(event, name, frame)

        return sort

    def read(self, capture: Capture) -> CaptureContent:
        """The capture's bytes, complete as its end marker shows, and its modification time.

        Raises CaptureUnreadable, or StoreUnavailable where the store itself is gone. Reads at most
        `max_capture_bytes` + 1 bytes, and nothing but a regular file.
        """
        self.absolute(capture)
        try:
            with opened(self.root, capture.path, 0) as descriptor:
                jpeg = content_of(descriptor, self.max_capture_bytes)
                modified_at = _moment(os.fstat(descriptor).st_mtime)
        except OSError as error:
            raise self._unreadable(capture, error) from error
        try:
            require_whole(jpeg, self.max_capture_bytes)
        except CaptureUnreadable as error:
            # By what came and not by what the system tells, so that a whole file of which a dying
            # connection brought less looks changed the next time.
            error.stamp = FileStamp(len(jpeg), modified_at)
            raise
        return CaptureContent(jpeg, modified_at)

    def stamp(self, capture: Capture) -> FileStamp | None:
        """The file as it is now; None if it is gone. Raises CaptureUnreadable, StoreUnavailable.

        On a network mount a read soon after this may be cut at the size told here.
        """
        self.absolute(capture)
        directory, _, name = capture.path.rpartition("/")
        try:
            with opened(self.root, directory, os.O_DIRECTORY | os.O_PATH) as descriptor:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError as error:
            unreadable = self._unreadable(capture, error)
            if unreadable.reason is Reason.VANISHED:
                return None
            raise unreadable from error
        return FileStamp(found.st_size, _moment(found.st_mtime))

    def capture(self, path: str | Path) -> Capture | None:
        """The capture that a path, absolute or relative to the root, names; None for any other.

        Judges the path, not the file. Raises StoreUnavailable where a monitor's name must be
        looked up and the root cannot be listed.
        """
        relative = self.relative(path)
        if relative is None:
            return None
        return self.layout.parse(relative, self._names_for(PurePosixPath(relative).parent))

    def branch(self, path: str | Path) -> Branch | None:
        """The directory that a path names; as `capture`."""
        relative = self.relative(path)
        if relative is None:
            return None
        return self.layout.branch(relative, self._names_for(PurePosixPath(relative)))

    def absolute(self, capture: Capture) -> Path:
        """Where the capture is on this computer; CaptureUnreadable for a path out of the root."""
        names = capture.path.split("/")
        if not is_text(capture.path) or "\0" in capture.path or {"", ".", ".."} & set(names):
            raise CaptureUnreadable(Reason.UNREADABLE, "it is not a path inside the store")
        return self.root.joinpath(*names)

    def relative(self, path: str | Path) -> str | None:
        """A path relative to the root, "" for the root itself; None for one outside."""
        if "\0" in str(path):
            return None
        root = PurePosixPath(self.root)
        inside = root / path  # an absolute path replaces the root
        if not inside.is_relative_to(root):
            # Perhaps the same place by another way.
            root = PurePosixPath(os.path.realpath(root))
            inside = PurePosixPath(os.path.realpath(inside))
        if not inside.is_relative_to(root):
            return None
        return "" if inside == root else str(inside.relative_to(root))

    def failure(self, branch: Branch, error: OSError) -> Failure:
        """What an error from listing a directory means. May raise StoreUnavailable."""
        self._require_store(error)
        path = printable(branch.path) or "."
        if isinstance(error, FileNotFoundError):
            return Failure(path, Reason.VANISHED, "it is not there; check its name")
        return Failure(
            path,
            Reason.UNREADABLE,
            f"it cannot be listed: {os.strerror(error.errno or 0)}; "
            "see its owner and mode with `ls -ld`",
        )

    def _names_for(self, directory: PurePosixPath) -> Mapping[str, Monitor]:
        """The monitors by each of their names; asked for anew if the directory's is not there."""
        if directory.parts and directory.parts[0] not in self._known:
            self.monitors()
        return self._known

    def _list_root(self) -> tuple[set[str], dict[str, str | None]]:
        """The root's directories, and where its links lead inside the root, None for outside."""
        directories, links = set[str](), dict[str, str | None]()
        with os.scandir(self.root) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == _NEVER_A_MONITOR:
                    continue
                if entry.is_symlink():
                    links[entry.name] = self._target(Path(entry.path))
                elif entry.is_dir(follow_symlinks=False):
                    directories.add(entry.name)
        return directories, links

    def _target(self, link: Path) -> str | None:
        """Where a link in the root leads, as a path in it; None for outside. Raises OSError."""
        try:
            target = link.readlink()
        except OSError as error:
            if is_mount_gone(error):
                raise
            return None  # sshfs does not even let links be read that lead out of its mount
        return self.relative(os.path.normpath(self.root / target))

    def _may_hold(self, branch: Branch, entry: os.DirEntry[str], since: datetime | None) -> bool:
        """Whether a directory leads to captures that began at or after `since`."""
        place = self.layout.place(branch)
        if since is None or place is None or place.is_dated or place.leads:
            return True
        return not _is_older(partial(entry.stat, follow_symlinks=False), since)

    def _unreadable(self, capture: Capture, error: OSError) -> CaptureUnreadable:
        self._require_store(error)
        if isinstance(error, FileNotFoundError):
            return CaptureUnreadable(Reason.VANISHED, "it is no longer there")
        return CaptureUnreadable(
            Reason.UNREADABLE,
            f"it cannot be read: {os.strerror(error.errno or 0)}",
            final=not is_shortage(error),
        )

    def _require_store(self, error: OSError) -> None:
        """Raise StoreUnavailable if an error tells of the store rather than of one entry."""
        if is_mount_gone(error):
            raise unavailable(self.root, error) from error
        self.check()


def open_tree(settings: StoreSettings, *, listings_per_s: float | None = None) -> EventTree:
    """The store that the [store] section describes. Raises ConfigError where it names none.

    Its walks list at most so many directories per second.
    """
    if settings.root is None:
        raise ConfigError(
            "no event store is named",
            "set `root` in the [store] section of annotator.toml, or pass --store DIR",
        )
    return EventTree(
        settings.root,
        layout_named(settings.layout, settings.timezone),
        max_capture_bytes=settings.max_capture_bytes,
        pause=Throttle(listings_per_s) if listings_per_s else _at_once,
    )


def _moment(modified_s: float) -> datetime:
    # A damaged file system may tell any time at all.
    return datetime.fromtimestamp(min(max(0.0, modified_s), _LATEST_TIME_S), UTC)


def _not_text(path: str) -> Failure:
    return Failure(
        printable(path),
        Reason.UNREADABLE,
        "its name is not UTF-8; rename it on the recorder",
    )


def _leads_out(name: str) -> Failure:
    return Failure(
        printable(name),
        Reason.UNREADABLE,
        "it is a link out of the store and is not followed; let it point to a "
        "directory beside it, or watch its target as a store of its own",
    )


def _is_older(ask: Callable[[], os.stat_result], since: datetime | None) -> bool:
    """Whether something was last changed before `since`; no, if it does not say."""
    try:
        return since is not None and ask().st_mtime < since.timestamp()
    except OSError:
        return False
