"""What is exported can be taken in elsewhere, and is then the same."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.config import RetentionSettings
from annotator.domain import (
    EMBEDDING_BYTES,
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Face,
    FaceQuestion,
    FileStamp,
    Gate,
    Identification,
    Identity,
    Origin,
    Provenance,
    Reason,
    SkipReason,
    Tag,
    Window,
)
from annotator.errors import InputError
from annotator.transfer import MAX_RUN, Record, decode_record, encode_record
from db.backlog import SqlBacklog
from db.engine import Database
from db.export import SqlExport
from db.face_book import SqlFaceBook
from db.gone import SqlEventRoll
from db.intake import SqlIntake, TakenIn
from db.prune import SqlPruning
from db.queries import SqlQueries
from db.runs import MOST_FRAMES
from db.store import SqlStore
from tests.contracts.backlog import (
    CAR,
    NOON,
    annotation,
    captures,
    detection,
    event,
    face,
    failure,
    stationary_at,
    stood_in,
)
from tests.databases import Databases
from tests.fakes.clock import ManualClock

DAY = timedelta(days=1)
LATER = NOON + 100 * DAY
Make = Callable[[], Database]


@pytest.fixture
def empty(databases: Databases) -> Iterator[Make]:
    """Makes empty databases."""
    with ExitStack() as made:
        yield lambda: made.enter_context(databases.fresh())


def exported(database: Database, window: Window | None = None) -> list[bytes]:
    return [encode_record(one) for one in SqlExport(database, window or Window()).records()]


def import_into(
    database: Database, lines: list[bytes], *, replace: bool = False, origin: str = "a file"
) -> TakenIn:
    intake = SqlIntake(database, ManualClock(LATER), stationary_at, origin=origin, replace=replace)
    records: list[tuple[int, Record]] = [
        (number, decode_record(line, number)) for number, line in enumerate(lines, 1)
    ]
    taken = list(intake.take_in(records))
    return TakenIn(
        sum(one.annotated for one in taken),
        sum(one.known for one in taken),
        sum(one.others for one in taken),
    )


def furnish(database: Database) -> None:
    """Something of everything."""
    clock = ManualClock(NOON)
    store = SqlStore(database, clock, stationary_at)
    backlog, book = SqlBacklog(database, clock), SqlFaceBook(database, clock)
    anna = face(Identity.KNOWN, "Anna")
    strangers = [
        replace(face(Identity.UNKNOWN), box=BoundingBox(x, 12, x + 30, 44), track=track)
        for track, x in enumerate((100, 200, 300))
    ]
    better = replace(anna, gate=Gate.SEEN_BETTER, embedding=None, track=7)
    made_by = Provenance("ssd@1", "edgetpu", False, "blaze@2", "dlib@3", "family@4")
    one, two, three, four, *rest = captures(event(), *range(1, 40))
    blurred = Face(BoundingBox(50, 10, 80, 40), 0.625, 3.5, Gate.BLURRED)
    people = detection(faces=[anna, *strangers, better, blurred])
    store.record([replace(annotation(one, people, CAR), provenance=made_by)], [])
    store.record([replace(annotation(two), inherited_from=one)], [])
    store.record([stood_in(three, detection("cat"))], [])
    store.record([annotation(each) for each in rest[:20]], [])
    stamped = replace(failure(four), stamp=FileStamp(123, NOON + timedelta(microseconds=7)))
    store.record([], [stamped, failure(rest[20], Reason.VANISHED)])
    backlog.skip(rest[21:23], SkipReason.TOO_OLD)
    backlog.add(rest[23:24], Origin.LIVE)
    photos = [Capture(Event("Photos", "Photos", "", NOON), f"{n}.jpg", 0) for n in "abc"]
    store.record([annotation(photos[0], detection("dog")), annotation(photos[1])], [])
    parked = [annotation(each, CAR) for each in captures(event(7, "Street"), *range(1, 60))]
    store.record(parked, [])
    known = {each.identification.name or each.box.xmin: each.id
             for each in SqlQueries(database).stored_faces(FaceQuestion())}  # fmt: skip
    book.tag([known[100]], Tag("Eva", NOON + DAY))
    book.tag([known[200]], Tag("Anna", NOON + DAY, negated=True))
    book.tag([known["Anna"]], Tag("Bob", NOON + DAY))
    book.group({known[300]: 4})
    homeless = captures(event(3, "Hall"), 1)[0]
    store.record([annotation(homeless, detection(faces=[face(Identity.UNKNOWN)]))], [])
    (last,) = SqlQueries(database).stored_faces(FaceQuestion(paths=(homeless.path,)))
    book.tag([last.id], Tag("Carl", NOON))
    store.record([annotation(homeless)], [])
    old = captures(event(20, "Old"), *range(1, 50))
    store.record([annotation(each, detection()) for each in old[:9]], [])
    store.record([annotation(each) for each in old[9:]], [])
    clock.sleep(50 * DAY.total_seconds())
    rules = RetentionSettings(detections_days=1, empty_days=1, unknown_embeddings_days=1)
    of_monitor = {"Old": rules, "Hall": RetentionSettings(empty_days=1)}
    pruning = SqlPruning(database, clock, lambda name: of_monitor.get(name, RetentionSettings()))
    list(pruning.turns())
    roll = SqlEventRoll(database, clock)
    roll.mark([each.id for each in roll.events() if each.event.monitor == "Old"], gone=True)


def test_what_was_exported_is_exported_again_after_an_import(
    database: Database, empty: Make
) -> None:
    furnish(database)
    lines = exported(database)
    kinds = {json.loads(line)["kind"] for line in lines}
    assert len(kinds) == 8, "one of each"
    copy = empty()
    taken = import_into(copy, lines)
    assert exported(copy) == lines
    assert SqlQueries(copy).totals().annotated == SqlQueries(database).totals().annotated
    assert taken.annotated == sum(
        getattr(SqlQueries(database).totals(), name) for name in ("annotated", "pruned")
    )
    assert (taken.known, taken.others) == (0, 4)


def test_the_same_questions_get_the_same_answers(database: Database, empty: Make) -> None:
    furnish(database)
    copy = empty()
    import_into(copy, exported(database))
    one, other = SqlQueries(database), SqlQueries(copy)
    assert [(each.name, each.share) for each in other.event_people(Window())] == [
        (each.name, each.share) for each in one.event_people(Window())
    ]
    totals = replace(one.totals(), waiting={}, oldest_waiting={})
    assert other.totals() == totals
    views = ("captures", "sightings", "faces", "tags", "failures", "stationary_objects", "events")
    for view in views:
        assert plain(copy, view) == plain(database, view), view
    with copy.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def plain(database: Database, view: str) -> list[dict[str, Any]]:
    """What a view says, but for what waits and for ids."""
    with database.reading() as connection:
        rows = connection.exec_driver_sql(f"SELECT * FROM {view}").mappings()
        kept = [
            {name: value for name, value in row.items() if not name.endswith("_id")}
            for row in rows
            if row.get("state") != "waiting"
        ]
    for row in kept:
        row.pop("unseen", None)
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def test_taken_in_again_nothing_changes(database: Database, empty: Make) -> None:
    furnish(database)
    lines, copy = exported(database), empty()
    first = import_into(copy, lines)
    again = import_into(copy, lines)
    assert (again.annotated, again.others) == (0, 0)
    assert again.known == first.annotated + first.others
    assert import_into(copy, lines, replace=True).annotated > 0
    assert exported(copy) == lines


def test_what_is_known_stays_unless_it_is_to_be_replaced(database: Database) -> None:
    clock = ManualClock()
    store = SqlStore(database, clock)
    one, two = captures(event(), 1, 2)
    store.record([annotation(each, detection("cat")) for each in (one, two)], [])
    lines = exported(database)
    store.record([annotation(one, detection("dog"))], [])
    assert import_into(database, lines) == TakenIn(0, 2, 0)
    seen = SqlQueries(database).seen_in(one)
    assert seen is not None
    assert seen[0].label == "dog"
    assert import_into(database, lines, replace=True) == TakenIn(2, 0, 0)
    seen = SqlQueries(database).seen_in(one)
    assert seen is not None
    assert [each.label for each in seen] == ["cat"]


def test_an_annotation_is_better_than_a_failure_or_a_wait(database: Database, empty: Make) -> None:
    one, two, three = captures(event(), 1, 2, 3)
    SqlStore(database, ManualClock()).record([annotation(each) for each in (one, two, three)], [])
    copy = empty()
    backlog = SqlBacklog(copy, ManualClock())
    SqlStore(copy, ManualClock()).record([], [failure(one)])
    backlog.skip([two], SkipReason.TOO_OLD)
    backlog.add([three], Origin.LIVE)
    assert import_into(copy, exported(database)).annotated == 3
    assert SqlQueries(copy).totals().annotated == 3
    assert (SqlQueries(copy).totals().failed, backlog.waiting()) == (0, 0)


def test_databases_are_merged(database: Database, empty: Make) -> None:
    other = empty()
    every = captures(event(), *range(1, 21))
    SqlStore(database, ManualClock()).record([annotation(each) for each in every[:12]], [])
    SqlStore(other, ManualClock()).record([annotation(each) for each in every[8:]], [])
    rules = RetentionSettings(empty_days=1)
    list(SqlPruning(other, ManualClock(LATER), lambda name: rules).turns())
    assert import_into(database, exported(other)) == TakenIn(8, 4, 0)
    assert SqlQueries(database).totals().annotated == 20
    assert SqlBacklog(database, ManualClock()).add(every, Origin.LIVE) == 0


def test_strangers_keep_their_numbers_only_where_nobody_else_has_them(
    database: Database, empty: Make
) -> None:
    furnish(database)
    lines = exported(database)
    copy = empty()
    middle = len(lines) // 2
    import_into(copy, lines[:middle])
    import_into(copy, lines)
    assert exported(copy) == lines, "an import that was broken off goes on"
    other = empty()
    SqlFaceBook(other, ManualClock()).group({1: 4})
    import_into(other, lines)
    strangers = {each.stranger for each in SqlQueries(other).stored_faces(FaceQuestion())}
    assert strangers == {None}


def test_only_events_of_the_window_are_exported(database: Database) -> None:
    furnish(database)
    street = exported(database, Window(monitors=("Street",)))
    assert {json.loads(line).get("monitor") for line in street} == {None, "Street"}
    assert len(exported(database, Window(since=LATER))) == 1


def test_each_turn_is_small_and_whole(database: Database, empty: Make) -> None:
    every = captures(event(), *range(350))
    SqlStore(database, ManualClock()).record([annotation(each) for each in every], [])
    copy = empty()
    intake = SqlIntake(copy, ManualClock(), stationary_at, origin="a file")
    records = [(n, decode_record(line, n)) for n, line in enumerate(exported(database), 1)]
    sizes = []
    for taken in intake.take_in(records):
        sizes.append(taken.annotated)
        assert SqlQueries(copy).totals().annotated == sum(sizes)
    assert sizes == [100, 100, 100, 50]


HEADER = b'{"kind":"annotator export","version":1}'
EVENT = (
    b'{"kind":"event","monitor":"Door","monitor_directory":"Door","path":"1",'
    b'"names":"%05d-capture.jpg","first_frame":1}'
)
MADE_BY = b'{"kind":"provenance","id":0,"detector":"d","delegate":"cpu"}'
TIME = b'"captured_at":"2024-05-01T12:00:00Z","annotated_at":"2024-05-01T12:00:00Z"'
CAPTURE = b'{"kind":"capture","frame":1,%s,"width":64,"height":48,"made_by":0}' % TIME
FAILURE = (
    b'{"kind":"failure","frame":1,"reason":"corrupt","message":"","attempts":1,'
    b'"failed_at":"2024-05-01T12:00:00+00:00","stamp":{"size":1,"modified_at":"2024-05-01T12:00:00Z"}}'
)


def test_a_file_written_by_hand_is_taken_in(database: Database) -> None:
    assert import_into(database, [HEADER, EVENT, MADE_BY, CAPTURE]).annotated == 1
    assert SqlQueries(database).seen_in(*captures(Event("Door", "Door", "1"), 1)) == ()


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([EVENT], "line 1: no header"),
        ([HEADER, HEADER], "line 2: a header"),
        ([HEADER.replace(b"1", b"2")], "version 2"),
        ([HEADER, CAPTURE], "line 2: it belongs to no event"),
        ([HEADER, EVENT, CAPTURE], "line 3: nothing is known of what made it"),
        ([HEADER, EVENT, MADE_BY, MADE_BY], "line 4: there is a 0 already"),
        ([HEADER, b"{"], "line 2: Invalid JSON"),
        ([HEADER, b'{"kind":"cat"}'], "line 2: .*'cat'"),
        ([HEADER, EVENT.replace(b'"1"', b'"../1"')], "line 2: .*below the store"),
        ([HEADER, EVENT.replace(b"%05d", b"%s")], "line 2: .*such as"),
        ([HEADER, EVENT.replace(b"%05d", b"%0999d")], "line 2: .*such as"),
        ([HEADER, EVENT, MADE_BY, CAPTURE.replace(b"64", b"0")], "line 4: .*width"),
        ([HEADER, EVENT, MADE_BY, CAPTURE.replace(b"2024-", b"0001-")], "line 4: .*1970"),
        ([HEADER, EVENT, MADE_BY, CAPTURE.replace(b"2024-", b"9999-")], "line 4: .*1970"),
        ([HEADER, EVENT, FAILURE.replace(b"Z", b"")], "line 3: .*time zone"),
        ([HEADER, EVENT, FAILURE.replace(b"2024-", b"0001-")], "line 3: .*1970"),
        ([HEADER[:-1] + b',"last_stranger":999999999}'], "line 1: .*last_stranger"),
        ([HEADER, EVENT, MADE_BY, CAPTURE.replace(b"1,", b"-1,", 1)], "line 4: .*frame"),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(
    database: Database, lines: list[bytes], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        import_into(database, lines)
    assert caught.value.next_step
    assert caught.value.exit_code == 2


def test_an_embedding_of_no_numbers_is_refused(database: Database) -> None:
    """Nobody could be recognised any more, nor could `trainer train` learn."""
    SqlStore(database, ManualClock()).record(
        [annotation(*captures(event(), 1), detection(faces=[face(Identity.UNKNOWN)]))], []
    )
    lines = [json.loads(line) for line in exported(database)]
    (whose,) = lines[-1]["detections"][0]["faces"]
    whose["embedding"] = urlsafe_b64encode(b"\xff" * EMBEDDING_BYTES).decode()
    with pytest.raises(InputError, match=r"line 4: .*finite"):
        import_into(database, [json.dumps(line).encode() for line in lines])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["frame", "box", "kind", "faces"]), children, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.sampled_from(["frame", "width", "file", "detections", "made_by", "captured_at"]),
       value=json_values)  # fmt: skip
def test_whatever_a_line_says_it_is_taken_in_or_refused(
    database: Database, key: str, value: Any
) -> None:
    line = json.dumps({**json.loads(CAPTURE), key: value}).encode()
    try:
        import_into(database, [HEADER, EVENT, MADE_BY, line])
    except InputError as error:
        assert "line 4" in str(error)


def test_a_run_is_as_long_as_the_database_can_hold() -> None:
    assert MAX_RUN == MOST_FRAMES


faces = st.builds(
    lambda known, x, track, score: Face(
        BoundingBox(x, 10, x + 20, 40),
        score,
        120.5,
        Gate.USABLE,
        bytes([x % 255]) * EMBEDDING_BYTES,  # four times 255 is no number
        Identification(Identity.KNOWN, "Anna", score)
        if known
        else Identification(Identity.UNKNOWN, None, score, 0.5),
        track,
    ),
    st.booleans(),
    st.integers(0, 500),
    st.none() | st.integers(0, 3),
    st.floats(0, 1),
)
detections = st.builds(
    Detection,
    st.sampled_from(["person", "car", "Katze"]),
    st.integers(0, 90),
    st.floats(0, 1),
    st.builds(
        lambda x, y: BoundingBox(x, y, x + 30, y + 40), st.integers(0, 900), st.integers(0, 900)
    ),
    st.lists(faces, max_size=2).map(tuple),
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seen=st.lists(st.lists(detections, max_size=3), min_size=1, max_size=12), fold=st.booleans())
def test_export_import_export_gives_the_same_text(
    databases: Databases, seen: list[list[Detection]], fold: bool
) -> None:
    with databases.fresh() as one, databases.fresh() as other:
        found: list[Annotation] = [
            annotation(each, *seen[n % len(seen)])
            for n, each in enumerate(captures(event(), *range(0, 60, 3)) + captures(event(2), 5, 6))
        ]
        SqlStore(one, ManualClock(), stationary_at).record(found, [])
        if fold:
            rules = RetentionSettings(empty_days=1, by_label={"car": 1})
            list(SqlPruning(one, ManualClock(LATER), lambda name: rules).turns())
        lines = exported(one)
        import_into(other, lines)
        assert exported(other) == lines
