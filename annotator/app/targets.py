"""What a person means: a face's id, a stranger, an event or a capture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.domain import UNKNOWN_NAME, Event, FaceQuestion, Frame, StoredFace
from annotator.errors import QueryError
from annotator.names import stranger_name, stranger_number

if TYPE_CHECKING:
    from db.queries import SqlQueries

MAX_DIGITS = 18
"""What is longer is no id: SQLite counts to 2^63."""


@dataclass(frozen=True, slots=True)
class Place:
    """An event, or one capture of it, which need not be there."""

    event: Event
    file_name: str | None = None


def faces_meant(
    queries: SqlQueries, root: Path | None, target: str, denied: str | None, *, everybody: bool
) -> list[int]:
    """The ids of the faces of one target, among them only those with an embedding.

    Of an event or a capture all faces have to be one person's, unless `everybody` is meant. A name
    that is `denied` is meant for the faces that have it, if any do.
    """
    if _is_id(target):
        return [int(target)]
    stranger = stranger_number(target)
    if stranger is not None:
        faces = list(queries.stored_faces(FaceQuestion(strangers=(stranger,))))
        if not faces:
            raise QueryError(
                f"no face is of {stranger_name(stranger)}", "`trainer cluster` finds strangers"
            )
        return [face.id for face in faces]
    faces = faces_at(queries, root, target)
    if not faces:
        raise QueryError(
            f"{target} is no event or capture with a face that could be told",
            "give one as `annotator query` prints it, a `face_id` of `annotator query --format "
            "jsonl`, or a stranger such as stranger-017",
        )
    if denied is not None:
        faces = [face for face in faces if face.identification.name == denied] or faces
    people = people_of(faces)
    if len(people) > 1 and not everybody:
        raise QueryError(
            f"{target} shows {len(people)} people:\n"
            + "\n".join(f"  {_description(person)}" for person in people),
            "name the faces by their numbers, or mean them all with --all",
        )
    return [face.id for face in faces]


def people_of(faces: Iterable[StoredFace]) -> list[list[StoredFace]]:
    """Faces of one event by whose they seem to be.

    The faces of a track are one person's, and so are tracks that are all said to be the same.
    Without tracks, faces that are said to be the same are one person's, but in one capture nobody
    is there twice.
    """
    tracks: dict[tuple[object, ...], list[StoredFace]] = {}
    for face in faces:
        key: tuple[object, ...] = ("track", face.track)
        nth = 0
        while face.track is None:
            key = ("name", face.identification.name, nth)
            if all(face.capture != other.capture for other in tracks.get(key, ())):
                break
            nth += 1
        tracks.setdefault(key, []).append(face)
    people: dict[object, list[StoredFace]] = {}
    for key, members in tracks.items():
        names = {one.identification.name for one in members} - {None}
        is_named = key[0] == "track" and len(names) == 1
        people.setdefault(names.pop() if is_named else key, []).extend(members)
    return list(people.values())


def _description(person: Sequence[StoredFace]) -> str:
    names = sorted({one.identification.name or UNKNOWN_NAME for one in person})
    ids = ", ".join(str(one.id) for one in person[:8]) + (", ..." if len(person) > 8 else "")
    return f"{' or '.join(names)}: {'face' if len(person) == 1 else 'faces'} {ids}"


def names_a_place(target: str) -> bool:
    """Whether it can be an event or a capture, not a face's id or a stranger."""
    return not _is_id(target) and stranger_number(target) is None


def _is_id(target: str) -> bool:
    return target.isdecimal() and len(target) <= MAX_DIGITS


def faces_at(queries: SqlQueries, root: Path | None, target: str) -> list[StoredFace]:
    """The faces with an embedding of the event or capture at a path."""
    path = path_below(root, target)
    event = event_meant(queries, path)
    asked = FaceQuestion(paths=(event.directory if event else path,))
    return [
        face
        for face in queries.stored_faces(asked)
        if (face.capture.event == event if event else face.capture.path == path)
    ]


def frames_meant(queries: SqlQueries, root: Path | None, target: str) -> tuple[Frame, ...] | None:
    """The annotated captures of an event, or one capture; None where it is neither.

    Raises QueryError where several events are called so.
    """
    place = place_meant(queries, root, target)
    if place is None:
        return None
    frames = queries.frames(place.event)
    if place.file_name is None:
        return frames
    return tuple(one for one in frames if one.capture.file_name == place.file_name) or None


def place_meant(queries: SqlQueries, root: Path | None, target: str) -> Place | None:
    """The event at a path, or the capture of an event; None where neither event is known.

    Raises QueryError where several events are called so.
    """
    path = path_below(root, target)
    event = event_meant(queries, path)
    if event is not None:
        return Place(event)
    directory, _, name = path.rpartition("/")
    event = event_meant(queries, directory)
    return None if event is None else Place(event, name)


def event_meant(queries: SqlQueries, path: str) -> Event | None:
    """The event with this path below its monitor's directory, or below the store's root by the
    monitor's directory or its name; None where there is none.

    Raises QueryError where there are several.
    """
    events = queries.events_called(path)
    # A path from the root is never another monitor's, such as "" in a store without events.
    events = tuple(one for one in events if one.directory == path) or events
    if len(events) > 1:
        raise QueryError(
            f"{path} is an event of several monitors",
            f"say which: {', '.join(sorted(one.directory for one in events))}",
        )
    return events[0] if events else None


def path_below(root: Path | None, target: str) -> str:
    """A path as typed, relative to the store where it lies in it; by its letters alone, since the
    store may hang."""
    path, here = Path(target), Path(target).absolute()
    if root is not None and here.is_relative_to(root.absolute()):
        path = here.relative_to(root.absolute())
    return "" if path == Path() else path.as_posix()
