# ruff: noqa: S608 - the statements are put together from this file and those before
"""What the recorder has deleted, and captures of which only little is kept."""

from __future__ import annotations

from alembic import op

from db.migrations.versions.v0001_first import local_time_of, path_of, utc_time_of
from db.migrations.versions.v0003_stations import CAPTURES_VIEW

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CHANGES = (
    # When the recorder was found to have deleted the event, in ms; NULL while it has it.
    "ALTER TABLE event ADD COLUMN gone_at INTEGER",
    # When everything old enough was folded, in ms; NULL where there may be something to fold.
    "ALTER TABLE event ADD COLUMN folded_at INTEGER",
    "CREATE INDEX event_unfolded ON event (monitor_id, began_at) WHERE folded_at IS NULL",
    "CREATE INDEX event_gone ON event (gone_at) WHERE gone_at IS NOT NULL",
    # Captures of which no row is kept, as runs: the frames from first_frame to last_frame, step
    # apart, all with the event's usual file names; one with another name is a run by itself. seen:
    # 0 where nothing was seen in any, 1 where something was seen in each and was pruned. A capture
    # here is nowhere else. first_at, last_at: when the earliest and the latest were taken, in ms.
    """
    CREATE TABLE folded (
        event_id INTEGER NOT NULL REFERENCES event (id),
        first_frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        last_frame INTEGER NOT NULL,
        step INTEGER NOT NULL CHECK (step > 0),
        seen INTEGER NOT NULL CHECK (seen IN (0, 1)),
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        width INTEGER NOT NULL CHECK (width > 0),
        height INTEGER NOT NULL CHECK (height > 0),
        provenance_id INTEGER NOT NULL REFERENCES provenance (id),
        captures INTEGER AS ((last_frame - first_frame) / step + 1) VIRTUAL,
        PRIMARY KEY (event_id, first_frame, file_name),
        CHECK (0 <= first_frame AND first_frame <= last_frame),
        CHECK ((last_frame - first_frame) % step = 0),
        CHECK ((last_frame - first_frame) / step < 100000),
        CHECK (file_name = '' OR first_frame = last_frame),
        CHECK (first_at <= last_at)
    ) STRICT, WITHOUT ROWID
    """,
    # What was annotated is counted as such wherever it is kept. Runs are never updated.
    """
    CREATE TRIGGER folded_tally_insert AFTER INSERT ON folded BEGIN
        INSERT INTO tally (subject, part, value)
        VALUES (iif(NEW.seen, 'pruned', 'capture'), '', NEW.captures)
        ON CONFLICT (subject, part) DO UPDATE SET value = value + excluded.value;
    END
    """,
    """
    CREATE TRIGGER folded_tally_delete AFTER DELETE ON folded BEGIN
        UPDATE tally SET value = value - OLD.captures
        WHERE subject = iif(OLD.seen, 'pruned', 'capture') AND part = '';
    END
    """,
)

# A number for each capture of a run: as many zeros as a JSON array, of which json_each gives the
# places. Unlike a recursive query it is made for the runs that are asked for only.
RUN = """
    (
        SELECT folded.*, first_frame + place.key * step AS frame,
            first_at + iif(captures = 1, 0, (last_at - first_at) * place.key / (captures - 1))
                AS captured_at
        FROM folded
        CROSS JOIN json_each(
            '[' || substr(replace(hex(zeroblob(captures)), '00', ',0'), 2) || ']'
        ) AS place
    ) AS run
"""

# The times are spread evenly over those of the run.
FOLDED_CAPTURES = f"""
    SELECT
        {path_of("run")}, monitor.name, event.path, run.frame,
        iif(run.seen, 'pruned', 'annotated'),
        {local_time_of("run.captured_at")}, {utc_time_of("run.captured_at")}, NULL,
        run.width, run.height, provenance.detector, provenance.delegate,
        run.captured_at, run.event_id, NULL, provenance.fallback, NULL
    FROM {RUN}
    JOIN event ON event.id = run.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    JOIN provenance ON provenance.id = run.provenance_id
"""

# A row per event of which anything was annotated. labels: without what is only still there; names:
# as the faces have them, those that are seen most clearly first (event_people has the vote).
EVENTS_VIEW = f"""
    CREATE VIEW events AS
    WITH summary AS (
        SELECT
            id,
            max(
                began_at,
                coalesce((SELECT max(captured_at) FROM capture WHERE event_id = event.id), 0),
                coalesce((SELECT max(last_at) FROM folded WHERE event_id = event.id), 0)
            ) AS ended_at
        FROM event
    )
    SELECT
        {local_time_of("event.began_at")} AS local_time,
        monitor.name AS monitor,
        event.path AS event,
        (summary.ended_at - event.began_at) / 1000.0 AS duration_s,
        (SELECT count(*) FROM capture WHERE event_id = event.id)
            + (SELECT coalesce(sum(captures), 0) FROM folded WHERE event_id = event.id) AS captures,
        (
            SELECT group_concat(name, ', ') FROM (
                SELECT DISTINCT label.name AS name
                FROM detection JOIN label ON label.id = detection.label_id
                WHERE detection.event_id = event.id AND detection.stay IS NOT 1 ORDER BY 1
            )
        ) AS labels,
        (
            SELECT group_concat(name, ', ') FROM (
                SELECT coalesce(name, 'unknown') AS name FROM face
                WHERE face.event_id = event.id AND verdict IN ('known', 'unknown')
                GROUP BY 1 ORDER BY sum(weight) DESC, 1
            )
        ) AS names,
        (SELECT count(*) FROM failure WHERE event_id = event.id)
            + (
                SELECT count(*) FROM backlog WHERE event_id = event.id AND NOT EXISTS (
                    SELECT 1 FROM capture
                    WHERE capture.event_id = backlog.event_id AND capture.frame = backlog.frame
                        AND capture.file_name = backlog.file_name
                )
            ) AS unseen,
        event.gone_at IS NOT NULL AS gone,
        {utc_time_of("event.began_at")} AS utc_time,
        event.began_at AS began_at,
        summary.ended_at AS ended_at,
        event.id AS event_id
    FROM event
    JOIN summary ON summary.id = event.id
    JOIN monitor ON monitor.id = event.monitor_id
    WHERE event.began_at IS NOT NULL
"""


def upgrade() -> None:
    for statement in CHANGES:
        op.execute(statement)
    op.execute("DROP VIEW captures")
    op.execute(f"{CAPTURES_VIEW} UNION ALL {FOLDED_CAPTURES}")
    op.execute(EVENTS_VIEW)
