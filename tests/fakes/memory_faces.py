"""The faces of a MemoryStore: rows with ids, what is said of them, tags and relabellings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from annotator.domain import (
    UNKNOWN_NAME,
    Annotation,
    BoundingBox,
    Event,
    EventPerson,
    Face,
    FaceEvidence,
    FaceQuestion,
    Gate,
    Identification,
    Identity,
    Relabelling,
    Renaming,
    StoredFace,
    Tag,
)
from annotator.errors import QueryError
from annotator.names import person_name

_UNKNOWN = Identification(Identity.UNKNOWN)


@dataclass(slots=True)
class Row:
    """One face: where it is, what is said of it, and what was before a person spoke."""

    id: int
    annotation: Annotation
    place: tuple[int, int]
    face: Face
    said: Identification | None
    recogniser: str | None
    stranger: int | None = None
    tags: list[Tag] = field(default_factory=list)
    tagged_box: BoundingBox | None = None
    overruled: tuple[Identification | None, str | None] | None = None

    @property
    def path(self) -> str:
        return self.annotation.capture.path

    @property
    def event(self) -> Event:
        return self.annotation.capture.event

    @property
    def name(self) -> str | None:
        return self.said.name if self.said else None

    @property
    def called(self) -> str:
        return self.name or UNKNOWN_NAME

    @property
    def verdict(self) -> str:
        return str(self.said.identity if self.said else self.face.gate)

    @property
    def named_by_hand(self) -> bool:
        return any(not tag.negated for tag in self.tags)

    @property
    def is_embedded(self) -> bool:
        return self.face.embedding is not None

    @property
    def weight(self) -> float:
        """As docs/database.md has it."""
        box, sharpness = self.face.box, self.face.sharpness
        return min(box.width, box.height, 160) * sharpness / (sharpness + 300)

    def stored(self) -> StoredFace:
        assert self.said is not None and self.face.embedding is not None
        box = self.face.box
        return StoredFace(
            id=self.id,
            capture=self.annotation.capture,
            captured_at=self.annotation.captured_at,
            box=box,
            evidence=FaceEvidence(
                self.face.embedding,
                min(box.width, box.height),
                self.face.sharpness,
                self.face.mirrored,
            ),
            identification=self.said,
            recogniser=self.recogniser,
            stranger=self.stranger,
            by_hand=bool(self.tags),
            denied=tuple(sorted(tag.name for tag in self.tags if tag.negated)),
            track=self.face.track,
        )

    def denies(self, name: str | None) -> bool:
        return any(tag.negated and tag.name == name for tag in self.tags)

    def settle(self) -> None:
        """Say what follows from the tags and what was said before them."""
        assert self.overruled is not None
        self.said, self.recogniser = self.overruled
        named = [tag.name for tag in self.tags if not tag.negated]
        if named:
            self.said, self.recogniser = Identification(Identity.KNOWN, named[0]), None
        elif self.denies(self.name):
            self.said, self.recogniser = _UNKNOWN, None


class MemoryFaces:
    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.homeless: list[tuple[str, BoundingBox, Tag]] = []
        self._ids = count(1)

    def record(self, annotation: Annotation) -> None:
        path, found = annotation.capture.path, []
        for d, detection in enumerate(annotation.detections):
            for f, face in enumerate(detection.faces):
                who = face.identification
                is_answer = who is not None and who.identity is not Identity.NO_GALLERY
                recogniser = annotation.provenance.recogniser if is_answer else None
                row = Row(next(self._ids), annotation, (d, f), face, who, recogniser)
                self.rows[row.id] = row
                found.append(row)
        homeless = [one for one in self.homeless if one[0] == path]
        for one in homeless:
            _, box, tag = one
            fitting = [row for row in found if row.said and row.face.box.iou(box) >= 0.5]
            if fitting:
                row = max(fitting, key=lambda row: row.face.box.iou(box))
                row.overruled = row.overruled or (row.said, row.recogniser)
                row.tags.append(tag)
                row.tagged_box = box
                row.settle()
                self.homeless.remove(one)
        self.follow([row for row in found if row.tags])

    def forget(self, path: str) -> None:
        for row in [row for row in self.rows.values() if row.path == path]:
            box = row.tagged_box or row.face.box
            self.homeless += [(path, box, tag) for tag in row.tags]
            del self.rows[row.id]

    def by_place(self, path: str) -> dict[tuple[int, int], Row]:
        return {row.place: row for row in self.rows.values() if row.path == path}

    def require(self, face_ids: Sequence[int]) -> list[Row]:
        for face_id in face_ids:
            if face_id not in self.rows:
                raise QueryError(f"there is no face {face_id}", "ask for another")
            if self.rows[face_id].said is None:
                raise QueryError(f"face {face_id} cannot be told", "ask for another")
        return [self.rows[face_id] for face_id in dict.fromkeys(face_ids)]

    def follow(self, changed: Sequence[Row]) -> None:
        """Let the others of their tracks follow, where they were seen better elsewhere."""
        spoken = {row.id for row in changed}
        tracks = {(row.event, row.face.track) for row in changed if row.face.track is not None}
        for event, track in tracks:
            of_track = [
                row for row in self.rows.values() if (row.event, row.face.track) == (event, track)
            ]
            leaders = [row for row in of_track if row.named_by_hand or row.is_embedded]
            if not leaders:
                continue
            leader = max(leaders, key=lambda row: (row.named_by_hand, row.weight, -row.id))
            for row in of_track:
                if row.face.gate is Gate.SEEN_BETTER and row is not leader:
                    if row.named_by_hand or row.id in spoken:
                        continue
                    said, recogniser = leader.said, leader.recogniser
                    if row.denies(leader.name):
                        said, recogniser = _UNKNOWN, None
                    if _differ(row.said, said):
                        row.said, row.recogniser = said, recogniser

    def stored(self, question: FaceQuestion) -> Iterator[StoredFace]:
        for face_id in sorted(self.rows):
            row = self.rows[face_id]
            if row.is_embedded and _fits(row, question):
                yield row.stored()

    def people(self, event: Event) -> list[EventPerson]:
        having_a_say = [row for row in self.rows.values() if row.event == event and row.said]
        total = sum(row.weight for row in having_a_say if row.is_embedded)
        of_person: dict[str, list[Row]] = {}
        for row in having_a_say:
            of_person.setdefault(_elected(row, having_a_say), []).append(row)
        found = []
        for name, rows in of_person.items():
            called = [row for row in having_a_say if row.called == name]
            tracks = {row.face.track for row in called} - {None}
            in_track = [row for row in having_a_say if row.face.track in tracks]
            best = [r for r in called if r.is_embedded] or [r for r in in_track if r.is_embedded]
            if not best:
                continue
            weight = sum(row.weight for row in rows if row.is_embedded)
            person = EventPerson(
                event=event,
                name=name,
                share=weight / total if total else 0.0,
                faces=len(rows),
                first_at=min(row.annotation.captured_at for row in rows),
                last_at=max(row.annotation.captured_at for row in rows),
                best=max(best, key=lambda row: (row.weight, -row.id)).stored(),
            )
            found.append((any(row.named_by_hand for row in rows), person))
        found.sort(key=lambda one: (not one[0], -one[1].share, one[1].name))
        return [person for _, person in found]


class MemoryFaceBook:
    """The port `FaceBook`."""

    def __init__(self, faces: MemoryFaces) -> None:
        self._faces = faces
        self._runs: list[dict[int, tuple[Identification | None, str | None, str | None]]] = []
        self._last_stranger = 0

    def relabel(
        self, renamings: Iterable[Renaming], recogniser: str | None, *, dry_run: bool
    ) -> Relabelling:
        asked, rows = list(renamings), self._faces.rows
        before = {row.id: (row.said, row.recogniser) for row in rows.values()}
        touched = []
        for one in asked:
            row = rows.get(one.face_id)
            if row is None or row.named_by_hand or _differ(row.said, one.before):
                continue
            after, whose = one.after, recogniser
            if row.denies(after.name):
                after, whose = _UNKNOWN, None
            if _differ(row.said, after):
                row.said, row.recogniser = after, whose
                touched.append(row)
        self._faces.follow(touched)
        changed = [row for row in rows.values() if _differ(row.said, before[row.id][0])]
        changes = _counted((before[row.id][0], row) for row in changed)
        if dry_run:
            for row in changed:
                row.said, row.recogniser = before[row.id]
        elif changed:
            self._runs.append({row.id: (*before[row.id], row.name) for row in changed})
            return Relabelling(len(asked), changes, len(self._runs))
        return Relabelling(len(asked), changes)

    def undo_relabelling(self) -> Relabelling:
        if not self._runs:
            raise QueryError("there is no relabelling to take back", "make one")
        logged = self._runs.pop()
        changes = []
        for face_id, (said, recogniser, written) in logged.items():
            row = self._faces.rows.get(face_id)
            if row is None or row.named_by_hand or row.name != written:
                continue
            if said and row.denies(said.name):
                said, recogniser = _UNKNOWN, None
            if _differ(row.said, said):
                changes.append((row.said, replace(row, said=said)))
                row.said, row.recogniser = said, recogniser
        return Relabelling(len(logged), _counted(changes), len(self._runs) + 1)

    def tag(self, face_ids: Sequence[int], tag: Tag) -> int:
        tag = replace(tag, name=person_name(tag.name))
        tagged = self._faces.require(face_ids)
        before = {row.id: row.said for row in self._faces.rows.values()}
        for row in tagged:
            row.overruled = row.overruled or (row.said, row.recogniser)
            kept = [one for one in row.tags if one.name != tag.name]
            row.tags = [*(one for one in kept if tag.negated or one.negated), tag]
            row.settle()
        self._faces.follow(tagged)
        return sum(_differ(row.said, before[row.id]) for row in self._faces.rows.values())

    def untag(self, face_ids: Sequence[int]) -> int:
        spoken = [row for row in self._faces.require(face_ids) if row.tags]
        for row in spoken:
            row.tags = []
            row.settle()
            row.overruled = None
        self._faces.follow(spoken)
        return len(spoken)

    def group(self, strangers: Mapping[int, int | None]) -> None:
        for face_id, number in strangers.items():
            if face_id in self._faces.rows:
                self._faces.rows[face_id].stranger = number
            self._last_stranger = max(self._last_stranger, number or 0)

    def last_stranger(self) -> int:
        return self._last_stranger


def _differ(one: Identification | None, other: Identification | None) -> bool:
    """Whether the answers differ; None of a face that nobody can tell."""
    return (one and (one.identity, one.name)) != (other and (other.identity, other.name))


def _counted(
    changes: Iterable[tuple[Identification | None, Row]],
) -> tuple[tuple[str, str, int], ...]:
    counts = Counter(
        ((before and before.name) or str(before and before.identity), row.name or row.verdict)
        for before, row in changes
    )
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple((before, after, number) for (before, after), number in ordered)


def _elected(face: Row, rows: Sequence[Row]) -> str:
    """Whose a face is by the vote of its track."""
    if face.face.track is None:
        return face.called
    of_track = [row for row in rows if row.face.track == face.face.track]
    voters = [row for row in of_track if row.named_by_hand]
    voters = voters or [row for row in of_track if row.is_embedded]
    votes: dict[str, float] = {}
    for row in voters:
        votes[row.called] = votes.get(row.called, 0) + row.weight
    return min(votes, key=lambda name: (-votes[name], name)) if votes else face.called


def _fits(row: Row, question: FaceQuestion) -> bool:
    capture = row.annotation.capture
    called = UNKNOWN_NAME if row.verdict == Identity.UNKNOWN else row.name
    places = [path.rstrip("/") for path in question.paths]
    return (
        (not question.names or called in question.names)
        and (not question.strangers or row.stranger in question.strangers)
        and (not question.monitors or capture.monitor in question.monitors)
        and (not places or any(f"{row.path}/".startswith(f"{p}/".lstrip("/")) for p in places))
        and (not question.ids or row.id in question.ids)
        and (question.since is None or row.annotation.captured_at >= question.since)
        and (question.until is None or row.annotation.captured_at < question.until)
        and (question.by_hand is None or question.by_hand == bool(row.tags))
    )
