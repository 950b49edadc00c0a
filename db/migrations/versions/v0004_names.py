# ruff: noqa: S608 - the statements are put together from this file and those before
"""Who named a face, what people say of it, strangers, relabellings, and the people of an event.

Runs with foreign keys off (see `db.engine`), since a table that others refer to is made anew.
"""

from __future__ import annotations

from alembic import op

from db.migrations.versions.v0001_first import local_time_of, path_of, tally_triggers, utc_time_of
from db.migrations.versions.v0003_stations import sightings

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MAKE_ROOM = ("DROP VIEW sightings", "DROP VIEW faces")

NEW_FACE = (
    # Which bundle named a face: `name@sha256[:12]`.
    """
    CREATE TABLE recogniser (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    """
    INSERT INTO recogniser (name)
    SELECT DISTINCT recogniser FROM provenance WHERE recogniser <> '' ORDER BY recogniser
    """,
    # AUTOINCREMENT: people name faces by their ids, so none is ever used twice. event_id is a copy,
    # like captured_at. track: tells the faces of one person in an event from those of others.
    # seen_better: not embedded, named as another face of its track. recogniser_id: whose name and
    # verdict this is; NULL for nobody's, or a person's. stranger: of the unknown with that number.
    # weight: what the face's vote counts, in pixels of its shorter side: not more than 160 help,
    # and of a sharpness of 300 half of them count.
    """
    CREATE TABLE new_face (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
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
        event_id INTEGER NOT NULL,
        track INTEGER,
        seen_better INTEGER NOT NULL CHECK (seen_better IN (0, 1)),
        recogniser_id INTEGER,
        stranger INTEGER CHECK (stranger > 0),
        weight REAL AS (min(xmax - xmin, ymax - ymin, 160) * sharpness / (sharpness + 300)) VIRTUAL,
        FOREIGN KEY (detection_id) REFERENCES detection (id) ON DELETE CASCADE,
        FOREIGN KEY (recogniser_id) REFERENCES recogniser (id),
        CHECK ((name IS NOT NULL) = (verdict = 'known')),
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    """,
    """
    INSERT INTO new_face
    SELECT
        face.id, detection_id, face.captured_at, verdict, face.name, probability, distance,
        face.score, sharpness, face.xmin, face.ymin, face.xmax, face.ymax,
        detection.event_id, NULL, 0, iif(verdict IN ('known', 'unknown'), recogniser.id, NULL), NULL
    FROM face
    JOIN detection ON detection.id = detection_id
    JOIN capture USING (event_id, frame, file_name)
    JOIN provenance ON provenance.id = provenance_id
    LEFT JOIN recogniser ON recogniser.name = provenance.recogniser
    ORDER BY face.id
    """,
    "DROP TABLE face",
    "ALTER TABLE new_face RENAME TO face",
    "CREATE INDEX face_by_detection ON face (detection_id)",
    "CREATE INDEX face_by_name ON face (name, captured_at)",
    "CREATE INDEX face_by_verdict ON face (verdict, captured_at)",
    "CREATE INDEX face_by_event ON face (event_id, track, seen_better)",
    "CREATE INDEX face_by_stranger ON face (stranger) WHERE stranger IS NOT NULL",
    # The embedding of the face's mirror image, where that was made.
    "ALTER TABLE embedding ADD COLUMN mirrored BLOB CHECK (length(mirrored) = 512)",
    # The tally of faces holds: there are as many as before.
    *tally_triggers("face", "''"),
)

NEW_TABLES = (
    # A person's word: the face in this place of this capture is `name`, or is not. face_id: the row
    # that says so now; NULL while none is there, since the capture is to be annotated anew, or no
    # face was found in that place again.
    """
    CREATE TABLE tag (
        id INTEGER PRIMARY KEY,
        event_id INTEGER NOT NULL,
        frame INTEGER NOT NULL,
        file_name TEXT NOT NULL,
        xmin INTEGER NOT NULL,
        ymin INTEGER NOT NULL,
        xmax INTEGER NOT NULL,
        ymax INTEGER NOT NULL,
        name TEXT NOT NULL CHECK (name <> 'unknown'),
        negated INTEGER NOT NULL CHECK (negated IN (0, 1)),
        tagged_at INTEGER NOT NULL,
        face_id INTEGER,
        FOREIGN KEY (event_id) REFERENCES event (id) ON DELETE CASCADE,
        FOREIGN KEY (face_id) REFERENCES face (id) ON DELETE SET NULL,
        CHECK (0 <= xmin AND xmin < xmax AND 0 <= ymin AND ymin < ymax)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX tag_by_face ON tag (face_id, name)",
    "CREATE INDEX tag_by_capture ON tag (event_id, frame, file_name)",
    # What was said of a face before a person spoke; a row for each face that has a tag.
    """
    CREATE TABLE overruled (
        face_id INTEGER PRIMARY KEY,
        verdict TEXT NOT NULL,
        name TEXT,
        probability REAL,
        distance REAL,
        recogniser_id INTEGER,
        FOREIGN KEY (face_id) REFERENCES face (id) ON DELETE CASCADE
    ) STRICT
    """,
    # The last runs of `annotator relabel` that can be undone.
    """
    CREATE TABLE relabelling (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ran_at INTEGER NOT NULL,
        recogniser_id INTEGER
    ) STRICT
    """,
    # What each face said before and after. Without a reference to the face, which may be gone.
    """
    CREATE TABLE relabelled (
        relabelling_id INTEGER NOT NULL,
        face_id INTEGER NOT NULL,
        old_verdict TEXT NOT NULL,
        old_name TEXT,
        old_probability REAL,
        old_distance REAL,
        old_recogniser_id INTEGER,
        verdict TEXT NOT NULL,
        name TEXT,
        PRIMARY KEY (relabelling_id, face_id),
        FOREIGN KEY (relabelling_id) REFERENCES relabelling (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
)


MORE_OF_A_FACE = """
        detection.stationary_id AS stationary_id,
        face.track AS track,
        face.seen_better AS seen_better,
        face.stranger AS stranger,
        face.weight AS weight,
        iif(
            face.id IS NULL, NULL, EXISTS (SELECT 1 FROM overruled WHERE face_id = face.id)
        ) AS by_hand,
        (SELECT name FROM recogniser WHERE id = face.recogniser_id) AS recogniser
"""


def with_more(select: str) -> str:
    """The sightings of 0003 with the columns that are new at their end."""
    last = "detection.stationary_id AS stationary_id\n"
    if select.count(last) != 1:
        raise ValueError("the sightings of 0003 do not end as they did")
    return select.replace(last, MORE_OF_A_FACE.lstrip())


HAS_A_SAY = "verdict IN ('known', 'unknown', 'no gallery')"


# Whose a face is by the vote of its track, which is one person: the name that a person gave one of
# its faces, else the one that most weight says. What was seen better elsewhere has no vote.
ELECTED = f"""
    iif(
        face.track IS NULL,
        coalesce(face.name, 'unknown'),
        coalesce(
            (
                SELECT tag.name FROM tag JOIN face AS named ON named.id = tag.face_id
                WHERE tag.event_id = face.event_id AND NOT tag.negated
                    AND named.track = face.track
                GROUP BY 1 ORDER BY sum(named.weight) DESC, 1 LIMIT 1
            ),
            (
                SELECT coalesce(voice.name, 'unknown') FROM face AS voice
                WHERE voice.event_id = face.event_id AND voice.track = face.track
                    AND voice.seen_better = 0 AND voice.{HAS_A_SAY}
                GROUP BY 1 ORDER BY sum(voice.weight) DESC, 1 LIMIT 1
            ),
            face.name,
            'unknown'
        )
    )
"""

# In one step of grouping, and with the tables in this order, a question about some events or a time
# is answered from those alone (https://www.sqlite.org/optoverview.html, push-down and CROSS JOIN).
EVENT_PEOPLE_VIEW = f"""
    CREATE VIEW event_people AS
    WITH person AS (
        SELECT
            event.started_at,
            face.event_id,
            {ELECTED} AS name,
            max(EXISTS (
                SELECT 1 FROM tag WHERE tag.face_id = face.id AND NOT tag.negated
            )) AS by_hand,
            sum(iif(face.seen_better, 0, face.weight)) AS weight,
            count(*) AS faces,
            min(face.captured_at) AS first_at,
            max(face.captured_at) AS last_at
        FROM monitor
        CROSS JOIN event ON event.monitor_id = monitor.id
        CROSS JOIN face ON face.event_id = event.id
        WHERE face.{HAS_A_SAY}
        GROUP BY 1, 2, 3
    )
    SELECT
        monitor.name AS monitor,
        event.path AS event,
        person.name AS name,
        coalesce(
            person.weight / nullif((
                SELECT sum(iif(face.seen_better, 0, face.weight)) FROM face
                WHERE face.event_id = person.event_id AND face.{HAS_A_SAY}
            ), 0),
            0
        ) AS share,
        person.faces AS faces,
        {local_time_of("person.first_at")} AS first_local_time,
        {local_time_of("person.last_at")} AS last_local_time,
        {path_of("detection")} AS best_path,
        person.by_hand AS by_hand,
        {utc_time_of("person.first_at")} AS first_utc_time,
        {utc_time_of("person.last_at")} AS last_utc_time,
        person.first_at AS first_at,
        person.last_at AS last_at,
        person.started_at AS started_at,
        person.event_id AS event_id,
        best.id AS best_face_id
    FROM person
    JOIN event ON event.id = person.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    -- The clearest face of that name; where none of them was embedded, the clearest of its track.
    JOIN face AS best ON best.id = coalesce(
        (
            SELECT face.id FROM face
            WHERE face.event_id = person.event_id AND face.{HAS_A_SAY}
                AND NOT face.seen_better
                AND coalesce(face.name, 'unknown') = person.name
            ORDER BY face.weight DESC, face.id LIMIT 1
        ),
        (
            SELECT face.id FROM face
            JOIN face AS same ON same.event_id = face.event_id
                AND (same.track = face.track OR same.id = face.id)
            WHERE face.event_id = person.event_id AND face.{HAS_A_SAY}
                AND coalesce(same.name, 'unknown') = person.name
            ORDER BY face.seen_better, face.weight DESC, face.id LIMIT 1
        )
    )
    JOIN detection ON detection.id = best.detection_id
"""

VIEWS = (
    "CREATE VIEW sightings AS"
    + with_more(sightings(captured_at="detection.captured_at", face_join="LEFT JOIN")),
    "CREATE VIEW faces AS" + with_more(sightings(captured_at="face.captured_at", face_join="JOIN")),
    EVENT_PEOPLE_VIEW,
    # What people said of faces; face_id is NULL where the capture has no such face any more.
    f"""
    CREATE VIEW tags AS
    SELECT
        {local_time_of("tag.tagged_at")} AS tagged_local_time,
        tag.name AS name,
        tag.negated AS negated,
        coalesce(overruled.name, overruled.verdict) AS before,
        {path_of("tag")} AS path,
        monitor.name AS monitor,
        event.path AS event,
        tag.frame AS frame,
        tag.xmin AS xmin,
        tag.ymin AS ymin,
        tag.xmax AS xmax,
        tag.ymax AS ymax,
        {utc_time_of("tag.tagged_at")} AS tagged_utc_time,
        tag.tagged_at AS tagged_at,
        tag.event_id AS event_id,
        tag.face_id AS face_id
    FROM tag
    JOIN event ON event.id = tag.event_id
    JOIN monitor ON monitor.id = event.monitor_id
    LEFT JOIN overruled ON overruled.face_id = tag.face_id
    """,
)


def upgrade() -> None:
    for statement in (*MAKE_ROOM, *NEW_FACE, *NEW_TABLES, *VIEWS):
        op.execute(statement)
