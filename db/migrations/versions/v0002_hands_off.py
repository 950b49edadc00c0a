# ruff: noqa: S608 - the statements are put together from this file and the one before
"""Captures that are skipped, leases in turn and coarse to fine, failures that may be unfinished.

The backlog is made anew, WITHOUT ROWID, so that it needs one b-tree less, and its index lists each
monitor's captures by themselves. What waits or is leased at the upgrade goes on doing so.
"""

from __future__ import annotations

from alembic import op

from db.migrations.versions.v0001_first import local_time_of, path_of, tally_triggers, utc_time_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FINEST = 16

SMALL_CHANGES = (
    # The first frame that was met of an event. ZoneMinder counts from 1, which must do for the
    # events that are there already.
    "ALTER TABLE event ADD COLUMN first_frame INTEGER NOT NULL DEFAULT 1",
    # The file as it was when it was read, where that is known; the time in microseconds since 1970.
    "ALTER TABLE failure ADD COLUMN size INTEGER",
    """
    ALTER TABLE failure
    ADD COLUMN modified_us INTEGER CHECK ((size IS NULL) = (modified_us IS NULL))
    """,
    # What was left out on purpose. reason: 0 not every nth frame, 1 waited too long. A capture is
    # in exactly one of capture, failure, skipped and backlog.
    """
    CREATE TABLE skipped (
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        reason INTEGER NOT NULL CHECK (reason >= 0),
        PRIMARY KEY (event_id, frame, file_name)
    ) STRICT, WITHOUT ROWID
    """,
    # What the program remembers of its world.
    """
    CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

MAKE_ROOM = (
    # It reads the backlog, so the backlog could not be renamed.
    "DROP VIEW captures",
    "DROP TRIGGER backlog_tally_insert",
    "DROP TRIGGER backlog_tally_delete",
    "DROP INDEX backlog_by_urgency",
    "ALTER TABLE attempt RENAME TO old_attempt",
    "ALTER TABLE backlog RENAME TO old_backlog",
)

NEW_BACKLOG = (
    # origin: 0 live, 1 reconcile, 2 backfill. fineness: the place in the order coarse to fine
    # within the event, 0 where that order is not asked for. event_started_at: 0 where not known.
    """
    CREATE TABLE backlog (
        event_id INTEGER NOT NULL REFERENCES event (id),
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        monitor_id INTEGER NOT NULL REFERENCES monitor (id),
        origin INTEGER NOT NULL CHECK (origin IN (0, 1, 2)),
        fineness INTEGER NOT NULL,
        event_started_at INTEGER NOT NULL,
        added_at INTEGER NOT NULL,
        PRIMARY KEY (event_id, frame, file_name)
    ) STRICT, WITHOUT ROWID
    """,
    # Only for captures that were handed out at least once, so it stays a page or two.
    """
    CREATE TABLE attempt (
        event_id INTEGER NOT NULL,
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        leased INTEGER NOT NULL CHECK (leased IN (0, 1)),
        not_before INTEGER,
        PRIMARY KEY (event_id, frame, file_name),
        FOREIGN KEY (event_id, frame, file_name)
            REFERENCES backlog (event_id, frame, file_name) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
)


def fineness(distance: str) -> str:
    """0 for no distance, else less by one for each time that 2 divides it, but at least 1."""
    powers = " ".join(f"WHEN {1 << n} THEN {FINEST - n}" for n in range(FINEST))
    return f"CASE ({distance}) & -({distance}) WHEN 0 THEN 0 {powers} ELSE 1 END"


MOVE = (
    f"""
    INSERT INTO backlog
    SELECT event_id, frame, file_name, event.monitor_id, origin,
        iif(origin = 2, 0, {fineness("frame - event.first_frame")}), event_started_at, added_at
    FROM old_backlog JOIN event ON event.id = event_id
    ORDER BY event_id, frame, file_name
    """,
    """
    INSERT INTO attempt
    SELECT event_id, frame, file_name, attempts, leased, not_before
    FROM old_attempt JOIN old_backlog ON old_backlog.id = backlog_id
    """,
    "DROP TABLE old_attempt",
    "DROP TABLE old_backlog",
    """
    CREATE INDEX backlog_by_urgency
    ON backlog (monitor_id, origin, fineness, event_started_at DESC, event_id, frame)
    """,
    "CREATE INDEX backlog_by_age ON backlog (monitor_id, origin, added_at)",
)

NEWEST = (
    # From here on by monitor. At first what its newest event tells: to look at every capture of a
    # large database would keep the daemon from starting for minutes. The row with the part '' stays
    # as the newest of all before.
    """
    INSERT INTO tally
    SELECT 'newest captured_at', newest.monitor_id, (
        SELECT max(captured_at) FROM capture WHERE capture.event_id = newest.id
    ) AS captured_at
    FROM (SELECT monitor_id, id, max(started_at) FROM event GROUP BY monitor_id) AS newest
    WHERE captured_at IS NOT NULL
    """,
    "DROP TRIGGER capture_newest",
    """
    CREATE TRIGGER capture_newest AFTER INSERT ON capture BEGIN
        INSERT INTO tally (subject, part, value)
        SELECT 'newest captured_at', monitor_id, NEW.captured_at
        FROM event WHERE id = NEW.event_id
        ON CONFLICT (subject, part) DO UPDATE SET value = max(value, excluded.value);
    END
    """,
)


def not_annotated(table: str, state: str, reason: str) -> str:
    return f"""
    SELECT
        {path_of(table)}, monitor.name, event.path, {table}.frame, '{state}',
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {table}.event_id, {reason}
    FROM {table}
    JOIN event ON event.id = {table}.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    """


CAPTURES_VIEW = " UNION ALL ".join(
    (
        # Every capture the database has met; state is annotated, failed, skipped or waiting.
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
            NULL AS reason
        FROM capture
        JOIN event ON event.id = capture.event_id
        JOIN monitor ON monitor.id = event.monitor_id
        JOIN provenance ON provenance.id = capture.provenance_id
        """,
        not_annotated("failure", "failed", "failure.reason"),
        not_annotated(
            "skipped",
            "skipped",
            "CASE skipped.reason WHEN 0 THEN 'not every nth frame'"
            " WHEN 1 THEN 'waited too long' END",
        ),
        not_annotated("backlog", "waiting", "NULL"),
    )
)


def upgrade() -> None:
    for statement in (*SMALL_CHANGES, *MAKE_ROOM, *NEW_BACKLOG, *MOVE, *NEWEST):
        op.execute(statement)
    # The tally of the backlog holds: as many wait as before.
    for table, part in (("backlog", "{row}.origin"), ("skipped", "{row}.reason")):
        for trigger in tally_triggers(table, part):
            op.execute(trigger)
    op.execute(CAPTURES_VIEW)
