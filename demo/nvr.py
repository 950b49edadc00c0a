"""A pretended recorder: writes events into a tree the way ZoneMinder does.

Captures appear under their final name and are written in place, piece by piece, so a reader can
meet half of one. Beside them lie the things that are not captures: analysed copies, a snapshot,
hidden links and files. Standard library only, so that tests can use it freely.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from pathlib import Path


class Scheme(StrEnum):
    """ZoneMinder's three ways to lay out a monitor's events."""

    DEEP = "deep"
    MEDIUM = "medium"
    SHALLOW = "shallow"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of an event; numbers have gaps where a frame raised no alarm."""

    number: int
    taken_at: datetime
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """One event as the recorder knows it; `started_at` is aware."""

    event_id: int
    monitor_id: int
    monitor: str
    started_at: datetime
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a live event is written; each capture takes `pieces` writes."""

    between_frames_s: float = 0.4
    between_pieces_s: float = 0.02
    pieces: int = 6


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes below `root`; directories are named in `timezone`, None for the machine's own."""

    root: Path
    scheme: Scheme = Scheme.DEEP
    timezone: tzinfo | None = None
    pause: Callable[[float], None] = time.sleep

    def record(self, recording: Recording) -> tuple[Path, ...]:
        """Write a past event at once, its files dated as its frames; its captures' paths."""
        captures = tuple(self._write(recording, Pace(0, 0, 1)))
        for capture, frame in zip(captures, recording.frames, strict=True):
            taken_at_s = frame.taken_at.timestamp()
            for path in (capture, _analysed(capture)):
                os.utime(path, (taken_at_s, taken_at_s))
        return captures

    def record_live(self, recording: Recording, pace: Pace | None = None) -> Iterator[Path]:
        """Write an event at its pace, yielding each capture's path once the file is whole."""
        return self._write(recording, pace or Pace())

    def event_directory(self, recording: Recording) -> Path:
        """Where an event's captures lie, reached by the monitor's number."""
        monitor = self.root / str(recording.monitor_id)
        local = recording.started_at.astimezone(self.timezone)
        match self.scheme:
            case Scheme.DEEP:
                return monitor / local.strftime("%y/%m/%d/%H/%M/%S")
            case Scheme.MEDIUM:
                return monitor / local.strftime("%Y-%m-%d") / str(recording.event_id)
            case Scheme.SHALLOW:
                return monitor / str(recording.event_id)

    def _write(self, recording: Recording, pace: Pace) -> Iterator[Path]:
        directory = self.event_directory(recording)
        for index, frame in enumerate(recording.frames):
            if index == 0:
                self._open_event(recording, directory)
            else:
                self.pause(pace.between_frames_s)
            capture = directory / f"{frame.number:05d}-capture.jpg"
            self._write_in_place(capture, frame.jpeg, pace)
            self._write_in_place(_analysed(capture), frame.jpeg, pace)
            if index == 0:
                self._write_in_place(directory / "snapshot.jpg", frame.jpeg, pace)
            yield capture

    def _open_event(self, recording: Recording, directory: Path) -> None:
        """What the recorder makes just before the first frame."""
        directory.mkdir(parents=True, exist_ok=True)
        by_name = self.root / recording.monitor
        if not by_name.is_symlink():
            by_name.symlink_to(str(recording.monitor_id))
        hidden = f".{recording.event_id}"
        if self.scheme is Scheme.DEEP:
            day = directory.parents[2]
            (day / hidden).symlink_to(directory.relative_to(day))
        elif self.scheme is Scheme.SHALLOW:
            (directory / hidden).touch()

    def _write_in_place(self, path: Path, content: bytes, pace: Pace) -> None:
        piece = max(1, -(-len(content) // pace.pieces))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for start in range(0, len(content), piece):
                if start:
                    self.pause(pace.between_pieces_s)
                file.write(content[start : start + piece])


def _analysed(capture: Path) -> Path:
    return capture.with_name(capture.name.replace("-capture", "-analyse"))
