"""What the core needs from the world.

Adapters fit these by shape; fakes pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from annotator.config import DetectionSettings, FaceSettings
from annotator.domain import (
    Annotation,
    BoundingBox,
    By,
    Capture,
    CaptureContent,
    CaptureQuery,
    Count,
    Detection,
    Event,
    EventPerson,
    EventSummary,
    Face,
    FaceModels,
    FaceMoment,
    FaceQuestion,
    Failure,
    Frame,
    Lease,
    Origin,
    PersonSummary,
    Provenance,
    Reason,
    Relabelling,
    Renaming,
    Sighting,
    SkipReason,
    StoredFace,
    Tag,
    Totals,
    Window,
)


class Clock(Protocol):
    def now(self) -> datetime:
        """The time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None: ...


class CaptureStore(Protocol):
    """The event tree."""

    def check(self) -> None:
        """Raise StoreUnavailable unless the store is really there."""

    def walk(self, window: Window) -> Iterator[tuple[Event, tuple[Capture, ...]] | Failure]:
        """Each event of the window with all its captures, newest event first, frames ascending.

        A directory that cannot be listed comes as a Failure without a capture and the walk goes
        on. Raises StoreUnavailable where the store itself goes away.
        """

    def read(self, capture: Capture) -> CaptureContent:
        """The capture's bytes. Raises CaptureUnreadable, or StoreUnavailable."""


class Picture(Protocol):
    """A decoded capture; only the Vision that made it can look inside."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


class Vision(Protocol):
    """Everything that looks at pixels."""

    def decode(self, jpeg: bytes, settings: DetectionSettings | None) -> Picture:
        """As finely as these settings need it; None decodes at full resolution at once.

        Raises CaptureUnreadable where the bytes are not a picture that can be looked at. May be
        called from one other thread than the rest.
        """

    def objects(self, picture: Picture, settings: DetectionSettings) -> tuple[Detection, ...]:
        """All candidates of at least `settings.lowest_score`, best score first, without faces.

        The other limits are `annotator.filters`' affair. Raises RuntimeUnavailable where what runs
        the network has failed.
        """

    def faces(
        self,
        picture: Picture,
        persons: Sequence[BoundingBox],
        settings: FaceSettings,
        moment: FaceMoment | None = None,
    ) -> Sequence[tuple[Face, ...]]:
        """For each person's box its faces, gated, embedded and identified; no face twice.

        With `outside_persons` one more at the end: the faces in nobody's box. With a `moment`,
        faces are followed through its event, and embedded only where they are seen better than
        before.
        """

    def glance(self, picture: Picture) -> Glance:
        """What `Glance.changed` needs of a picture; small enough to keep."""

    def provenance(self, settings: DetectionSettings) -> Provenance:
        """What detections made with these settings rest on; loads it. Raises AnnotatorError."""

    def face_models(self, settings: FaceSettings) -> FaceModels:
        """What faces found with these settings rest on; loads it. Raises AnnotatorError."""

    def try_out(self, settings: DetectionSettings) -> float:
        """Run the settings' network on an empty picture, the first time aside; the milliseconds
        that takes. Raises AnnotatorError."""

    def reload(self) -> None:
        """Let go of what runs on an accelerator; the next use loads it anew."""


class Glance(Protocol):
    """What a picture looks like from afar."""

    def changed(self, before: Glance) -> float:
        """The share of the picture, 0 to 1, in which something moved since `before`."""


class Backlog(Protocol):
    """The waiting captures; survives a power cut."""

    def add(self, captures: Sequence[Capture], origin: Origin) -> int:
        """Make captures wait that the database has never met; the number that is new.

        A capture that is known already, waiting or done, stays as it is; only a backfill, which is
        asked for by hand, makes wait again what was skipped.
        """

    def skip(self, captures: Sequence[Capture], reason: SkipReason) -> int:
        """Leave captures out on purpose that the database has never met; how many that were."""

    def monitors(self) -> tuple[str, ...]:
        """The names of all monitors that the database has met."""

    def expire(self, monitor: str, before: datetime) -> int:
        """Skip (TOO_OLD) a monitor's captures that wait, not leased, since before then.

        How many; of very many only the first ten thousand, so that no call takes long.
        Backfill is exempt: it is asked for by hand and may take as long as it takes.
        """

    def retry(self, reasons: Sequence[Reason], paths: Sequence[str]) -> int:
        """Make failed captures wait again, as backfill; how many.

        Only those that failed for one of `reasons`, and whose path is one of `paths` or lies below
        one; an empty filter filters nothing.
        """

    def redo_fallback(self, window: Window) -> int:
        """Make wait again, as backfill, what was annotated on the CPU in an Edge TPU's place.

        How many. Until such a capture is looked at anew its annotation stays; a failure to do so
        ends the waiting and leaves it.
        """

    def take_up_again(self, captures: Sequence[Capture]) -> int:
        """Make failed captures wait again, as reconcile: their files have changed; how many."""

    def lease(self, count: int) -> tuple[Lease, ...]:
        """The most urgent captures; the attempt is written on return.

        Live goes before reconcile before backfill, and within each the monitors take turns. Of one
        monitor's live and reconciled captures the coarse ones come first (an event's first, then
        its middle, quarters ...), newest event first, so that under overload every event gets an
        early answer; its backfilled ones come newest event first, frames ascending.
        """

    def give_back(
        self, leases: Sequence[Lease], *, not_before: datetime | None, attempted: bool
    ) -> None:
        """Put leased captures back; `attempted=False` takes the attempt back too."""

    def free_all(self) -> int:
        """At start: whatever a previous run had leased waits again; how many that were."""

    def waiting(self, origin: Origin | None = None) -> int:
        """How many captures wait or are leased."""


class AnnotationStore(Protocol):
    """Where results go."""

    def record(self, annotations: Sequence[Annotation], failures: Sequence[Failure]) -> None:
        """Write a batch in one transaction and take its captures off the backlog.

        Recording a capture again replaces what was there; only a failure never takes away what
        was seen.
        """

    def unfinished(self, since: datetime) -> tuple[Failure, ...]:
        """Captures that failed since then as EMPTY or TRUNCATED: a change may make them good."""

    def store_identity(self) -> str | None:
        """What the store was on when captures were first taken from it; None before."""

    def set_store_identity(self, identity: str) -> None: ...

    def clear_directory_failures(self, directories: Iterable[str]) -> None:
        """These directories could be listed: failures of them and of those above are over."""


class SightingQueries(Protocol):
    """Read-only questions."""

    def sightings(self, query: CaptureQuery) -> Iterable[Sighting]:
        """In the order that is asked for; streamed: what is recorded meanwhile may be in the rest.

        This and all that takes a query raises QueryError at once for a monitor, label, name,
        stranger or event that the database never met, naming the nearest one.
        """

    def count(self, query: CaptureQuery) -> int:
        """How many sightings there are, whatever the limit."""

    def newest_mark(self) -> int:
        """Where the newest sighting stands, for `sightings_since`."""

    def sightings_since(self, query: CaptureQuery, mark: int) -> tuple[tuple[Sighting, ...], int]:
        """What was recorded after `mark`, as it was recorded, and the mark after it.

        Of a thousand detections at most: the mark tells where the next call goes on.
        """

    def events(self, query: CaptureQuery) -> Iterable[EventSummary]:
        """Events with a sighting that fits, with all their labels and people; streamed.

        Each stands where its newest (oldest, best) sighting that fits stands in the order.
        """

    def empty_events(self, query: CaptureQuery) -> Iterable[EventSummary]:
        """Events that were looked at as a whole, and nothing was seen in any capture.

        Of the query only monitors, times, order and limit count; an event has the time at which it
        began. What may still be going on is left out.
        """

    def people(self, query: CaptureQuery) -> tuple[PersonSummary, ...]:
        """Everybody with a face that fits, seen last first."""

    def stats(self, query: CaptureQuery, by: Sequence[By]) -> tuple[Count, ...]:
        """How often by one key or two, in the order of the keys (days, hours and weekdays as they
        come, all else most often first); what never was is not there."""

    def frames(self, event: Event) -> tuple[Frame, ...]:
        """The annotated captures of an event, frames ascending."""

    def seen_in(self, capture: Capture) -> tuple[Sighting, ...] | None:
        """What was seen in one capture; None where it has not been annotated."""

    def sample(self, window: Window, count: int) -> tuple[Capture, ...]:
        """At most `count` annotated captures, spread evenly over those of the window; the same
        ones each time that nothing was annotated in between."""

    def stored_faces(self, question: FaceQuestion) -> Iterator[StoredFace]:
        """The faces with an embedding that fit, by id; streamed, for there may be very many."""

    def event_people(self, window: Window) -> Iterator[EventPerson]:
        """Each event's people, newest event first, the surest first."""

    def totals(self) -> Totals: ...

    def failures(self, limit: int | None = None) -> Iterable[Failure]:
        """Newest first."""


class FaceBook(Protocol):
    """What people and recognisers say of the faces of the database.

    A person's word wins: nothing here changes the name of a face that was tagged, except another
    tag, and no face gets a name that a person said it has not. A tag stays with its face when the
    capture is annotated anew.
    """

    def relabel(
        self, renamings: Iterable[Renaming], recogniser: str | None, *, dry_run: bool
    ) -> Relabelling:
        """Write new identifications in one transaction, and what was there before; the faces that
        were seen better elsewhere follow those of their track. Counts are for all of them."""

    def undo_relabelling(self) -> Relabelling:
        """Take back the last relabelling that was not taken back; one that a tag, or a new
        annotation, came after keeps those. Raises QueryError where there is none."""

    def tag(self, face_ids: Sequence[int], tag: Tag) -> int:
        """How many faces now say something else. Their old identification is kept."""

    def untag(self, face_ids: Sequence[int]) -> int:
        """Forget what people said of these faces; they are what they were before. How many."""

    def group(self, strangers: Mapping[int, int | None]) -> None:
        """Which stranger each face (by id) was grouped with; None with none."""

    def last_stranger(self) -> int:
        """The highest number that a stranger ever had, also one who is nobody's any more; 0 before
        the first. So no number comes to mean somebody else."""


class Watch(Protocol):
    """Tells of new captures; a hint only, the tree is the truth."""

    def start(self, on_capture: Callable[[Capture], None]) -> None: ...

    def alive(self) -> bool:
        """False once the watch has died and needs to be made anew."""

    def stop(self) -> None:
        """Returns when no thread of the watch is left."""
