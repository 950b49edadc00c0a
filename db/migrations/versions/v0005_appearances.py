# ruff: noqa: S608 - the statements are put together from this file and those before
"""Counts that questions about months and years are answered from, and views of events and people.

The counts are exact: each row is kept by the triggers below, one up or down for each detection or
face. By quarters of an hour, since every time zone is off by a multiple of one, so that hours and
days of any zone can be put together from them; by event, so that events can be counted too.
"""

from __future__ import annotations

from alembic import op

from db.migrations.versions.v0001_first import local_time_of, utc_time_of
from db.migrations.versions.v0004_names import EVENT_PEOPLE_VIEW

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

QUARTER_MS = 15 * 60 * 1000

NEW_TABLES = (
    # How many detections of a label there are in a quarter of an hour of an event. quarter:
    # captured_at / 900000. still: 1 for those that are only still there. sightings: as many rows as
    # the view has, one per detection or face. No REFERENCES: to delete an event would look through
    # all counts, and they go with its detections.
    """
    CREATE TABLE label_count (
        label_id INTEGER NOT NULL,
        quarter INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        still INTEGER NOT NULL CHECK (still IN (0, 1)),
        monitor_id INTEGER NOT NULL,
        detections INTEGER NOT NULL CHECK (detections >= 0),
        sightings INTEGER NOT NULL CHECK (sightings >= detections),
        PRIMARY KEY (label_id, quarter, event_id, still)
    ) STRICT, WITHOUT ROWID
    """,
    # The same of faces. name: of a known face, or 'unknown' for one that is nobody in the gallery.
    """
    CREATE TABLE name_count (
        name TEXT NOT NULL,
        quarter INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        still INTEGER NOT NULL CHECK (still IN (0, 1)),
        monitor_id INTEGER NOT NULL,
        faces INTEGER NOT NULL CHECK (faces >= 0),
        PRIMARY KEY (name, quarter, event_id, still)
    ) STRICT, WITHOUT ROWID
    """,
    # When the earliest capture that was ever annotated was taken, in ms; NULL before there is one.
    "ALTER TABLE event ADD COLUMN began_at INTEGER",
    "CREATE INDEX event_by_beginning ON event (began_at)",
)


def quarter_of(row: str) -> str:
    return f"{row}.captured_at / {QUARTER_MS}"


def is_still(detection: str) -> str:
    return f"({detection}.stay IS 1)"


def is_called(face: str) -> str:
    """Who a face is said to be; NULL where nobody said anything."""
    return f"iif({face}.verdict = 'unknown', 'unknown', {face}.name)"


FILL = (
    f"""
    INSERT INTO label_count
    SELECT label_id, {quarter_of("detection")}, event_id, {is_still("detection")},
        min(monitor_id), count(*), count(*)
    FROM detection GROUP BY 1, 2, 3, 4
    """,
    # The rows of a detection with several faces, but for the first.
    f"""
    UPDATE label_count SET sightings = sightings + more.rows
    FROM (
        SELECT label_id, {quarter_of("detection")} AS quarter, event_id,
            {is_still("detection")} AS still, sum(faces - 1) AS rows
        FROM (
            SELECT detection_id, count(*) AS faces FROM face
            GROUP BY detection_id HAVING count(*) > 1
        )
        CROSS JOIN detection ON detection.id = detection_id
        GROUP BY 1, 2, 3, 4
    ) AS more
    WHERE label_count.label_id = more.label_id AND label_count.quarter = more.quarter
        AND label_count.event_id = more.event_id AND label_count.still = more.still
    """,
    f"""
    INSERT INTO name_count
    SELECT {is_called("face")} AS called, {quarter_of("face")}, face.event_id,
        {is_still("detection")}, min(detection.monitor_id), count(*)
    FROM face JOIN detection ON detection.id = face.detection_id
    WHERE called IS NOT NULL GROUP BY 1, 2, 3, 4
    """,
    """
    UPDATE event
    SET began_at = (SELECT min(captured_at) FROM capture WHERE capture.event_id = event.id)
    """,
)


def rows_of(detection: str) -> str:
    """How many sightings a detection is."""
    return f"(SELECT max(count(*), 1) FROM face WHERE detection_id = {detection}.id)"


def label_up(row: str, sightings: str = "1") -> str:
    return f"""
        INSERT INTO label_count VALUES (
            {row}.label_id, {quarter_of(row)}, {row}.event_id, {is_still(row)}, {row}.monitor_id,
            1, {sightings}
        )
        ON CONFLICT DO UPDATE
        SET detections = detections + 1, sightings = sightings + excluded.sightings;
    """


def label_down(row: str, sightings: str = "1") -> str:
    of_row = f"""
        WHERE label_id = {row}.label_id AND quarter = {quarter_of(row)}
            AND event_id = {row}.event_id AND still = {is_still(row)}
    """
    return f"""
        UPDATE label_count
        SET detections = detections - 1, sightings = sightings - {sightings} {of_row};
        DELETE FROM label_count {of_row} AND detections = 0;
    """


def sightings_changed(row: str, by: str) -> str:
    """For a face of a detection that has another one."""
    return f"""
        UPDATE label_count SET sightings = sightings {by}
        WHERE (label_id, quarter, event_id, still) = (
            SELECT label_id, {quarter_of("detection")}, event_id, {is_still("detection")}
            FROM detection WHERE id = {row}.detection_id
        );
    """


def has_another(row: str) -> str:
    return f"EXISTS (SELECT 1 FROM face WHERE detection_id = {row}.detection_id AND id <> {row}.id)"


def name_up(row: str) -> str:
    return f"""
        INSERT INTO name_count
        SELECT {is_called(row)}, {quarter_of(row)}, event_id, {is_still("detection")}, monitor_id, 1
        FROM detection WHERE id = {row}.detection_id AND {is_called(row)} IS NOT NULL
        ON CONFLICT DO UPDATE SET faces = faces + 1;
    """


def name_down(row: str) -> str:
    of_row = f"""
        WHERE name = {is_called(row)} AND quarter = {quarter_of(row)}
            AND event_id = {row}.event_id AND still = (
                SELECT {is_still("detection")} FROM detection WHERE id = {row}.detection_id
            )
    """
    return f"""
        UPDATE name_count SET faces = faces - 1 {of_row};
        DELETE FROM name_count {of_row} AND faces = 0;
    """


def names_moved() -> str:
    """The faces of a detection that is only still there by now, or is not any more."""
    its_faces = f"FROM face WHERE detection_id = NEW.id AND {is_called('face')} IS NOT NULL"
    of_old = f"""
        WHERE quarter = {quarter_of("OLD")} AND event_id = OLD.event_id
            AND still = {is_still("OLD")} AND name IN (SELECT {is_called("face")} {its_faces})
    """
    return f"""
        UPDATE name_count
        SET faces = faces - (SELECT count(*) {its_faces} AND {is_called("face")} = name_count.name)
        {of_old};
        DELETE FROM name_count {of_old} AND faces = 0;
        INSERT INTO name_count
        SELECT {is_called("face")}, {quarter_of("NEW")}, NEW.event_id, {is_still("NEW")},
            NEW.monitor_id, count(*)
        {its_faces} GROUP BY 1
        ON CONFLICT DO UPDATE SET faces = faces + excluded.faces;
    """


TRIGGERS = (
    f"""
    CREATE TRIGGER detection_count_insert AFTER INSERT ON detection BEGIN {label_up("NEW")} END
    """,
    f"""
    CREATE TRIGGER detection_count_delete AFTER DELETE ON detection BEGIN {label_down("OLD")} END
    """,
    # Its faces go first, while it is there to tell whether it is one that is only still there.
    """
    CREATE TRIGGER detection_faces_delete BEFORE DELETE ON detection BEGIN
        DELETE FROM face WHERE detection_id = OLD.id;
    END
    """,
    # Nothing else that is counted by changes while a detection is there.
    f"""
    CREATE TRIGGER detection_count_update AFTER UPDATE OF stay ON detection
    WHEN {is_still("OLD")} <> {is_still("NEW")} BEGIN
        {label_down("OLD", rows_of("OLD"))} {label_up("NEW", rows_of("NEW"))} {names_moved()}
    END
    """,
    f"""
    CREATE TRIGGER face_count_insert AFTER INSERT ON face
    WHEN {is_called("NEW")} IS NOT NULL BEGIN {name_up("NEW")} END
    """,
    f"""
    CREATE TRIGGER face_count_delete AFTER DELETE ON face
    WHEN {is_called("OLD")} IS NOT NULL BEGIN {name_down("OLD")} END
    """,
    f"""
    CREATE TRIGGER face_count_update AFTER UPDATE OF name, verdict ON face
    WHEN {is_called("OLD")} IS NOT {is_called("NEW")} BEGIN
        {name_down("OLD")} {name_up("NEW")}
    END
    """,
    f"""
    CREATE TRIGGER face_sightings_insert AFTER INSERT ON face
    WHEN {has_another("NEW")} BEGIN {sightings_changed("NEW", "+ 1")} END
    """,
    f"""
    CREATE TRIGGER face_sightings_delete AFTER DELETE ON face
    WHEN {has_another("OLD")} BEGIN {sightings_changed("OLD", "- 1")} END
    """,
    """
    CREATE TRIGGER capture_beginning AFTER INSERT ON capture BEGIN
        UPDATE event SET began_at = NEW.captured_at
        WHERE id = NEW.event_id AND (began_at IS NULL OR began_at > NEW.captured_at);
    END
    """,
)


def by_events(view: str) -> str:
    """The view with the ids of its events from the table that it begins with: a question about some
    of them passes over the others sooner."""
    before = "            face.event_id,\n"
    if view.count(before) != 1:
        raise ValueError("the people of 0004 are not put together as they were")
    return view.replace(before, "            event.id AS event_id,\n")


FIRST_OR_LAST = """iif(
    name = 'unknown',
    (SELECT {which}(captured_at) FROM face WHERE verdict = 'unknown'),
    (SELECT {which}(captured_at) FROM face WHERE face.name = counted.name)
)"""

VIEWS = (
    "DROP VIEW event_people",
    by_events(EVENT_PEOPLE_VIEW),
    # A row per quarter of an hour of an event in which a label was seen.
    f"""
    CREATE VIEW label_counts AS
    SELECT
        {local_time_of(f"quarter * {QUARTER_MS}")} AS local_time,
        label.name AS label,
        monitor.name AS monitor,
        event.path AS event,
        still AS still_there,
        detections,
        sightings,
        {utc_time_of(f"quarter * {QUARTER_MS}")} AS utc_time,
        quarter * {QUARTER_MS} AS quarter_at,
        event_id
    FROM label_count
    JOIN label ON label.id = label_id
    JOIN event ON event.id = event_id
    JOIN monitor ON monitor.id = label_count.monitor_id
    """,
    f"""
    CREATE VIEW name_counts AS
    SELECT
        {local_time_of(f"quarter * {QUARTER_MS}")} AS local_time,
        name_count.name AS name,
        monitor.name AS monitor,
        event.path AS event,
        still AS still_there,
        faces,
        {utc_time_of(f"quarter * {QUARTER_MS}")} AS utc_time,
        quarter * {QUARTER_MS} AS quarter_at,
        event_id
    FROM name_count
    JOIN event ON event.id = event_id
    JOIN monitor ON monitor.id = name_count.monitor_id
    """,
    # Everybody with a face, as it is named now; 'unknown' are all those who are nobody.
    f"""
    CREATE VIEW people AS
    WITH counted AS (
        SELECT name, count(DISTINCT event_id) AS events, sum(faces) AS faces
        FROM name_count GROUP BY name
    ),
    person AS (
        SELECT
            name, events, faces,
            {FIRST_OR_LAST.format(which="min")} AS first_at,
            {FIRST_OR_LAST.format(which="max")} AS last_at
        FROM counted
    )
    SELECT
        name,
        events,
        faces,
        {local_time_of("first_at")} AS first_local_time,
        {local_time_of("last_at")} AS last_local_time,
        {utc_time_of("first_at")} AS first_utc_time,
        {utc_time_of("last_at")} AS last_utc_time,
        first_at,
        last_at
    FROM person
    """,
)


def upgrade() -> None:
    for statement in (*NEW_TABLES, *FILL, *TRIGGERS, *VIEWS):
        op.execute(statement)
