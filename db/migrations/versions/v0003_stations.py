# ruff: noqa: S608 - the statements are put together from this file and those before
"""Annotations made on the fallback or inherited, and detections that are one stationary object's.

Runs with foreign keys off (see `db.engine`), since a table that others refer to is made anew.
"""

from __future__ import annotations

from alembic import op

from db.migrations.versions.v0001_first import local_time_of, path_of, utc_time_of
from db.migrations.versions.v0002_hands_off import not_annotated

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MAKE_ROOM = (
    "DROP VIEW captures",
    "DROP VIEW sightings",
    "DROP VIEW faces",
    "DROP INDEX detection_by_time",
    "DROP INDEX detection_by_label",
    "DROP INDEX detection_by_monitor",
)

NEW_PROVENANCE = (
    "CREATE TEMP TABLE old_provenance AS SELECT * FROM provenance",
    "DROP TABLE provenance",
    # fallback: the CPU stood in for an Edge TPU that was away.
    """
    CREATE TABLE provenance (
        id INTEGER PRIMARY KEY,
        detector TEXT NOT NULL,
        delegate TEXT NOT NULL,
        fallback INTEGER NOT NULL CHECK (fallback IN (0, 1)),
        face_detector TEXT NOT NULL,
        embedder TEXT NOT NULL,
        recogniser TEXT NOT NULL,
        UNIQUE (detector, delegate, fallback, face_detector, embedder, recogniser)
    ) STRICT
    """,
    """
    INSERT INTO provenance
    SELECT id, detector, delegate, 0, face_detector, embedder, recogniser FROM old_provenance
    """,
    "DROP TABLE temp.old_provenance",
)

CHANGES = (
    # The file name of the capture of the same event that was looked at in this one's place. A
    # capture in `capture` may be in `backlog` too, to be looked at again; else it is in exactly one
    # of capture, failure, skipped and backlog.
    "ALTER TABLE capture ADD COLUMN inherited_from TEXT",
    # One stay of a stationary object: a run of detections of one label in one place. The first and
    # the last of them are told by the key of their captures; times are in ms. While it is there,
    # last_* and sightings may be a minute behind, which spares writes. stale: a detection at its
    # end was deleted.
    """
    CREATE TABLE stationary (
        id INTEGER PRIMARY KEY,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        label_id INTEGER NOT NULL REFERENCES label (id),
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        first_seen INTEGER NOT NULL,
        first_event_id INTEGER NOT NULL,
        first_frame INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        last_event_id INTEGER NOT NULL,
        last_frame INTEGER NOT NULL,
        sightings INTEGER NOT NULL,
        there INTEGER NOT NULL CHECK (there IN (0, 1)),
        stale INTEGER NOT NULL CHECK (stale IN (0, 1)),
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    """,
    "CREATE INDEX stationary_by_time ON stationary (monitor_id, label_id, first_seen)",
    # Not REFERENCES: to delete a stay would look through all detections. stay: 0 arrived, 1 still
    # there, 2 left.
    "ALTER TABLE detection ADD COLUMN stationary_id INTEGER",
    """
    ALTER TABLE detection ADD COLUMN stay INTEGER
    CHECK (stay IN (0, 1, 2) AND stationary_id IS NOT NULL OR stay IS NULL)
    """,
    # With stay, so that what is still there is passed over without reading its rows; downwards, so
    # that an index that is read backwards gives first of one capture what is not stationary.
    "CREATE INDEX detection_by_time ON detection (captured_at, stay DESC)",
    "CREATE INDEX detection_by_label ON detection (label_id, captured_at, stay DESC)",
    "CREATE INDEX detection_by_monitor ON detection (monitor_id, captured_at, stay DESC)",
    """
    CREATE TRIGGER detection_stationary_delete AFTER DELETE ON detection
    WHEN OLD.stationary_id IS NOT NULL BEGIN
        UPDATE stationary SET
            sightings = sightings - 1,
            stale = stale OR OLD.captured_at <= first_seen OR OLD.captured_at >= last_seen
        WHERE id = OLD.stationary_id;
    END
    """,
    # To count the captures between two.
    "CREATE INDEX event_by_start ON event (monitor_id, started_at)",
)


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
        face.id AS face_id,
        CASE detection.stay
            WHEN 0 THEN 'arrived' WHEN 1 THEN 'still there' WHEN 2 THEN 'left'
        END AS stay,
        detection.stationary_id AS stationary_id
    FROM detection
    JOIN label ON label.id = detection.label_id
    JOIN event ON event.id = detection.event_id
    JOIN monitor ON monitor.id = detection.monitor_id
    {face_join} face ON face.detection_id = detection.id
    """


CAPTURES_VIEW = " UNION ALL ".join(
    (
        # Every capture the database has met, once; state is annotated, failed, skipped or waiting.
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
            capture.event_id AS event_id,
            NULL AS reason,
            provenance.fallback AS fallback,
            capture.inherited_from AS inherited_from
        FROM capture
        JOIN event ON event.id = capture.event_id
        JOIN monitor ON monitor.id = event.monitor_id
        JOIN provenance ON provenance.id = capture.provenance_id
        """,
        not_annotated("failure", "failed", "failure.reason, NULL, NULL"),
        not_annotated(
            "skipped",
            "skipped",
            "CASE skipped.reason WHEN 0 THEN 'not every nth frame'"
            " WHEN 1 THEN 'waited too long' END, NULL, NULL",
        ),
        not_annotated("backlog", "waiting", "NULL, NULL, NULL")
        + """
        WHERE NOT EXISTS (
            SELECT 1 FROM capture
            WHERE capture.event_id = backlog.event_id AND capture.frame = backlog.frame
                AND capture.file_name = backlog.file_name
        )
        """,
    )
)

VIEWS = (
    "CREATE VIEW sightings AS"
    + sightings(captured_at="detection.captured_at", face_join="LEFT JOIN"),
    "CREATE VIEW faces AS" + sightings(captured_at="face.captured_at", face_join="JOIN"),
    CAPTURES_VIEW,
    # A row per stay of a stationary object; state is still there or left.
    f"""
    CREATE VIEW stationary_objects AS
    SELECT
        monitor.name AS monitor,
        label.name AS label,
        {local_time_of("stationary.first_seen")} AS arrived_local_time,
        {local_time_of("stationary.last_seen")} AS last_seen_local_time,
        iif(stationary.there, 'still there', 'left') AS state,
        stationary.sightings AS sightings,
        stationary.xmin AS xmin,
        stationary.ymin AS ymin,
        stationary.xmax AS xmax,
        stationary.ymax AS ymax,
        {utc_time_of("stationary.first_seen")} AS arrived_utc_time,
        {utc_time_of("stationary.last_seen")} AS last_seen_utc_time,
        stationary.first_seen AS arrived_at,
        stationary.last_seen AS last_seen_at,
        stationary.id AS stationary_id
    FROM stationary
    JOIN label ON label.id = stationary.label_id
    JOIN monitor ON monitor.id = stationary.monitor_id
    """,
)


def upgrade() -> None:
    for statement in (*MAKE_ROOM, *NEW_PROVENANCE, *CHANGES, *VIEWS):
        op.execute(statement)
