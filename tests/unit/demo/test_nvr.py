"""The pretended recorder writes what ZoneMinder writes, the way it writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from demo.nvr import Frame, Pace, Recorder, Recording, Scheme

STARTED = datetime(2026, 4, 4, 4, 30, 7, tzinfo=UTC)
JPEG = bytes(range(256)) * 5


def recording(event_id: int = 17, frames: int = 2) -> Recording:
    return Recording(
        event_id,
        monitor_id=3,
        monitor="FrontDoor",
        started_at=STARTED,
        frames=tuple(
            Frame(12 + 4 * step, STARTED + timedelta(seconds=step), JPEG) for step in range(frames)
        ),
    )


@pytest.mark.parametrize(
    ("scheme", "directory"),
    [
        (Scheme.DEEP, "3/26/04/04/06/30/07"),
        (Scheme.MEDIUM, "3/2026-04-04/17"),
        (Scheme.SHALLOW, "3/17"),
    ],
)
def test_captures_lie_where_the_scheme_puts_them_in_the_recorders_time_zone(
    tmp_path: Path, scheme: Scheme, directory: str
) -> None:
    recorder = Recorder(tmp_path, scheme, timezone(timedelta(hours=2)))
    captures = recorder.record(recording())
    assert captures == (
        tmp_path / directory / "00012-capture.jpg",
        tmp_path / directory / "00016-capture.jpg",
    )
    assert all(capture.read_bytes() == JPEG for capture in captures)
    by_name = tmp_path / "FrontDoor" / directory.removeprefix("3/") / "00012-capture.jpg"
    assert by_name.samefile(captures[0])


def test_beside_the_captures_lies_what_is_none(tmp_path: Path) -> None:
    (capture, *_) = Recorder(tmp_path, Scheme.DEEP, UTC).record(recording(frames=1))
    names = sorted(path.name for path in capture.parent.iterdir())
    assert names == ["00012-analyse.jpg", "00012-capture.jpg", "snapshot.jpg"]
    link = tmp_path / "3/26/04/04/.17"
    assert link.is_symlink()
    assert link.samefile(capture.parent)


def test_a_shallow_event_has_a_hidden_file_with_its_number(tmp_path: Path) -> None:
    Recorder(tmp_path, Scheme.SHALLOW).record(recording())
    assert (tmp_path / "3/17/.17").read_bytes() == b""


def test_past_files_are_dated_as_their_frames(tmp_path: Path) -> None:
    captures = Recorder(tmp_path, Scheme.MEDIUM, UTC).record(recording())
    dates = [datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in captures]
    assert dates == [STARTED, STARTED + timedelta(seconds=1)]


def test_two_events_share_a_monitor(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Scheme.MEDIUM, UTC)
    first, second = recorder.record(recording(17)), recorder.record(recording(18))
    assert {path.parent.name for path in (*first, *second)} == {"17", "18"}


def test_a_live_capture_is_seen_half_written_and_yielded_whole(tmp_path: Path) -> None:
    sizes: list[list[int]] = []
    pauses: list[float] = []

    def look(seconds: float) -> None:
        pauses.append(seconds)
        sizes.append([path.stat().st_size for path in sorted(tmp_path.rglob("3/**/*-capture.jpg"))])

    recorder = Recorder(tmp_path, Scheme.MEDIUM, UTC, pause=look)
    pace = Pace(between_frames_s=2.0, between_pieces_s=0.5, pieces=2)
    live = recorder.record_live(recording(), pace)

    assert not list(tmp_path.iterdir())  # directories are made just before the first frame
    assert next(live).stat().st_size == len(JPEG)
    assert sizes[0] == [len(JPEG) // 2]
    assert 2.0 not in pauses
    assert next(live).stat().st_size == len(JPEG)
    assert pauses.count(2.0) == 1
    assert [len(JPEG), len(JPEG) // 2] in sizes
    assert next(live, None) is None
