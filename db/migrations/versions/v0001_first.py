# ruff: noqa: S608 - the statements are put together from this file alone
"""The first schema.

The tables are STRICT and, where the natural key is short, WITHOUT ROWID: a capture is one entry of
one b-tree, clustered by event. No path is stored twice: a capture's path is put together from its
monitor's directory, its event's path and the event's frame format.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    # `directory` is the identity, since a capture's path is; the name may be changed in the NVR.
    """
    CREATE TABLE monitor (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        directory TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    # frame_format is for printf(frame): '%05d-capture.jpg'. started_at is in ms since 1970, UTC.
    """
    CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        path TEXT NOT NULL,
        started_at INTEGER,
        frame_format TEXT NOT NULL,
        UNIQUE (monitor_id, path)
    ) STRICT
    """,
    """
    CREATE TABLE provenance (
        id INTEGER PRIMARY KEY,
        detector TEXT NOT NULL,
        delegate TEXT NOT NULL,
        face_detector TEXT NOT NULL,
        embedder TEXT NOT NULL,
        recogniser TEXT NOT NULL,
        UNIQUE (detector, delegate, face_detector, embedder, recogniser)
    ) STRICT
    """,
    # What was annotated. A capture is in exactly one of capture, failure and backlog.
    # file_name is '' where the event's frame_format gives it. captured_at in ms, annotated_at in s.
    """
    CREATE TABLE capture (
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        captured_at INTEGER NOT NULL,
        annotated_at INTEGER NOT NULL,
        width INTEGER NOT NULL CHECK (width > 0),
        height INTEGER NOT NULL CHECK (height > 0),
        provenance_id INTEGER NOT NULL REFERENCES provenance (id),
        PRIMARY KEY (event_id, frame, file_name)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE label (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    # captured_at and monitor_id are copies, so that an index answers "the newest N" without a sort.
    """
    CREATE TABLE detection (
        id INTEGER PRIMARY KEY,
        event_id INTEGER NOT NULL,
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        captured_at INTEGER NOT NULL,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        label_id INTEGER NOT NULL REFERENCES label (id),
        class_id INTEGER NOT NULL,
        score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        FOREIGN KEY (event_id, frame, file_name)
            REFERENCES capture (event_id, frame, file_name) ON DELETE CASCADE,
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    """,
    "CREATE INDEX detection_by_capture ON detection (event_id, frame, file_name)",
    "CREATE INDEX detection_by_time ON detection (captured_at)",
    "CREATE INDEX detection_by_label ON detection (label_id, captured_at)",
    "CREATE INDEX detection_by_monitor ON detection (monitor_id, captured_at)",
    # verdict: the identity of a usable face, else the gate that stopped it. name: of a known face,
    # in full, so that an index on it serves plain SQL too. captured_at is a copy, as above.
    """
    CREATE TABLE face (
        id INTEGER PRIMARY KEY,
        detection_id INTEGER NOT NULL,
        captured_at INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        name TEXT CHECK (name <> 'unknown'),
        probability REAL,
        distance REAL,
        score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
        sharpness REAL NOT NULL,
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        FOREIGN KEY (detection_id) REFERENCES detection (id) ON DELETE CASCADE,
        CHECK ((name IS NOT NULL) = (verdict = 'known')),
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    """,
    "CREATE INDEX face_by_detection ON face (detection_id)",
    "CREATE INDEX face_by_name ON face (name, captured_at)",
    "CREATE INDEX face_by_verdict ON face (verdict, captured_at)",
    # Apart from face, so that reading faces does not read 512 bytes each.
    """
    CREATE TABLE embedding (
        face_id INTEGER PRIMARY KEY,
        vector BLOB NOT NULL CHECK (length(vector) = 512),
        FOREIGN KEY (face_id) REFERENCES face (id) ON DELETE CASCADE
    ) STRICT
    """,
    # A capture, or a directory (relative to the store), that could not be looked at. Times in ms.
    """
    CREATE TABLE failure (
        id INTEGER PRIMARY KEY,
        event_id INTEGER REFERENCES event (id),
        frame INTEGER,
        file_name TEXT,
        directory TEXT UNIQUE,
        reason TEXT NOT NULL,
        message TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        failed_at INTEGER NOT NULL,
        UNIQUE (event_id, frame, file_name),
        CHECK ((event_id IS NULL) = (directory IS NOT NULL)),
        CHECK ((event_id IS NULL) = (frame IS NULL) AND (frame IS NULL) = (file_name IS NULL))
    ) STRICT
    """,
    "CREATE INDEX failure_by_time ON failure (failed_at)",
    # Rows are written once and deleted once: what changes while a capture waits is in attempt.
    # origin: 0 live, 1 reconcile, 2 backfill. event_started_at: of the event, 0 where not known.
    """
    CREATE TABLE backlog (
        id INTEGER PRIMARY KEY,
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        origin INTEGER NOT NULL CHECK (origin IN (0, 1, 2)),
        event_started_at INTEGER NOT NULL,
        added_at INTEGER NOT NULL,
        UNIQUE (event_id, frame, file_name)
    ) STRICT
    """,
    "CREATE INDEX backlog_by_urgency ON backlog (origin, event_started_at DESC)",
    # Only for captures that were handed out at least once, so it stays a page or two.
    """
    CREATE TABLE attempt (
        backlog_id INTEGER PRIMARY KEY,
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        leased INTEGER NOT NULL CHECK (leased IN (0, 1)),
        not_before INTEGER,
        FOREIGN KEY (backlog_id) REFERENCES backlog (id) ON DELETE CASCADE
    ) STRICT
    """,
    # How many rows there are, since count(*) reads them all, and the newest captured_at ever
    # recorded. Kept by the triggers below.
    """
    CREATE TABLE tally (
        subject TEXT NOT NULL,
        part TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (subject, part)
    ) STRICT, WITHOUT ROWID
    """,
)

TALLIED = (
    ("capture", "''"),
    ("detection", "''"),
    ("face", "''"),
    ("failure", "{row}.reason"),
    ("backlog", "{row}.origin"),
)


def tally_triggers(table: str, part: str) -> tuple[str, str]:
    new, old = part.format(row="NEW"), part.format(row="OLD")
    return (
        f"""
        CREATE TRIGGER {table}_tally_insert AFTER INSERT ON {table} BEGIN
            INSERT INTO tally (subject, part, value) VALUES ('{table}', {new}, 1)
            ON CONFLICT (subject, part) DO UPDATE SET value = value + 1;
        END
        """,
        f"""
        CREATE TRIGGER {table}_tally_delete AFTER DELETE ON {table} BEGIN
            UPDATE tally SET value = value - 1 WHERE subject = '{table}' AND part = {old};
        END
        """,
    )


NEWEST_TRIGGER = """
    CREATE TRIGGER capture_newest AFTER INSERT ON capture BEGIN
        INSERT INTO tally (subject, part, value) VALUES ('newest captured_at', '', NEW.captured_at)
        ON CONFLICT (subject, part) DO UPDATE SET value = max(value, excluded.value);
    END
"""


def path_of(row: str) -> str:
    return (
        "iif(monitor.directory = '', '', monitor.directory || '/')"
        " || iif(event.path = '', '', event.path || '/')"
        f" || iif({row}.file_name = '', printf(event.frame_format, {row}.frame), {row}.file_name)"
    )


def local_time_of(milliseconds: str) -> str:
    """ISO text in the time zone of the machine that asks."""
    return f"strftime('%Y-%m-%d %H:%M:%f', {milliseconds} / 1000.0, 'unixepoch', 'localtime')"


def utc_time_of(milliseconds: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {milliseconds} / 1000.0, 'unixepoch')"


def sightings(*, captured_at: str, face_join: str) -> str:
    return f"""
    SELECT
        {local_time_of(captured_at)} AS local_time,
        {utc_time_of(captured_at)} AS utc_time,
        monitor.name AS monitor,
        event.path AS event,
        detection.frame AS frame,
        label.name AS label,
        detection.score AS score,
        detection.xmin AS xmin,
        detection.ymin AS ymin,
        detection.xmax AS xmax,
        detection.ymax AS ymax,
        face.name AS name,
        face.probability AS probability,
        face.verdict AS verdict,
        face.xmin AS face_xmin,
        face.ymin AS face_ymin,
        face.xmax AS face_xmax,
        face.ymax AS face_ymax,
        {path_of("detection")} AS path,
        {captured_at} AS captured_at,
        detection.class_id AS class_id,
        detection.event_id AS event_id,
        detection.id AS detection_id,
        face.id AS face_id
    FROM detection
    JOIN label ON label.id = detection.label_id
    JOIN event ON event.id = detection.event_id
    JOIN monitor ON monitor.id = detection.monitor_id
    {face_join} face ON face.detection_id = detection.id
    """


VIEWS = (
    # A row per detection, or per face of a detection that has faces.
    "CREATE VIEW sightings AS"
    + sightings(captured_at="detection.captured_at", face_join="LEFT JOIN"),
    # The rows of sightings that have a face; "newest of a name" needs no sort here.
    "CREATE VIEW faces AS" + sightings(captured_at="face.captured_at", face_join="JOIN"),
    # Every capture the database has met; state is annotated, failed or waiting.
    f"""
    CREATE VIEW captures AS
    SELECT
        {path_of("capture")} AS path,
        monitor.name AS monitor,
        event.path AS event,
        capture.frame AS frame,
        'annotated' AS state,
        {local_time_of("capture.captured_at")} AS local_time,
        {utc_time_of("capture.captured_at")} AS utc_time,
        {utc_time_of("capture.annotated_at * 1000")} AS annotated_utc_time,
        capture.width AS width,
        capture.height AS height,
        provenance.detector AS detector,
        provenance.delegate AS delegate,
        capture.captured_at AS captured_at,
        capture.event_id AS event_id
    FROM capture
    JOIN event ON event.id = capture.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    JOIN provenance ON provenance.id = capture.provenance_id
    UNION ALL
    SELECT
        {path_of("failure")}, monitor.name, event.path, failure.frame, 'failed',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, failure.event_id
    FROM failure
    JOIN event ON event.id = failure.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    UNION ALL
    SELECT
        {path_of("backlog")}, monitor.name, event.path, backlog.frame, 'waiting',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, backlog.event_id
    FROM backlog
    JOIN event ON event.id = backlog.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    """,
    # What could not be looked at; monitor, event and frame are NULL for a directory.
    f"""
    CREATE VIEW failures AS
    SELECT
        coalesce(failure.directory, {path_of("failure")}) AS path,
        failure.reason AS reason,
        failure.message AS message,
        failure.attempts AS attempts,
        {local_time_of("failure.failed_at")} AS local_time,
        {utc_time_of("failure.failed_at")} AS utc_time,
        monitor.name AS monitor,
        event.path AS event,
        failure.frame AS frame,
        failure.failed_at AS failed_at
    FROM failure
    LEFT JOIN event ON event.id = failure.event_id
    LEFT JOIN monitor ON monitor.id = event.monitor_id
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table, part in TALLIED:
        for trigger in tally_triggers(table, part):
            op.execute(trigger)
    op.execute(NEWEST_TRIGGER)
    for view in VIEWS:
        op.execute(view)
