"""The SQL that somebody who knows the database well writes for the questions of `questions.py`.

Each gives the very lines that `annotator` prints, as JSON, but for blanks and the last digits.
"""

from __future__ import annotations

QUARTER_MS = 15 * 60 * 1000


def utc(milliseconds: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%f+00:00', {milliseconds} / 1000.0, 'unixepoch')"


def box(table: str) -> str:
    sides = ", ".join(f"'{side}', {table}.{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
    return f"json_object({sides})"


SIGHTING = f"""
    json_object(
        'captured_at', {utc("detection.captured_at")}, 'monitor', monitor.name,
        'event', event.path, 'frame', detection.frame, 'label', label.name, 'id', class_id,
        'score', detection.score, 'box', {box("detection")}, 'face', face.name,
        'faceProba', face.probability, 'faceBox', iif(face.id IS NULL, NULL, {box("face")}),
        'verdict', face.verdict,
        'path', iif(directory = '', '', directory || '/')
            || iif(event.path = '', '', event.path || '/')
            || iif(file_name = '', printf(frame_format, detection.frame), file_name),
        'stay', CASE stay WHEN 0 THEN 'arrived' WHEN 1 THEN 'still there' WHEN 2 THEN 'left' END,
        'stranger', iif(face.stranger IS NULL, NULL, printf('stranger-%03d', face.stranger)),
        'face_id', face.id
    )
"""
OF_DETECTION = """
    JOIN label ON label.id = detection.label_id JOIN event ON event.id = detection.event_id
    JOIN monitor ON monitor.id = detection.monitor_id
"""
DETECTIONS = f"""
    SELECT {SIGHTING} FROM detection {OF_DETECTION}
    LEFT JOIN face ON face.detection_id = detection.id
"""
FACES = f"""
    SELECT {SIGHTING} FROM face CROSS JOIN detection ON detection.id = detection_id {OF_DETECTION}
"""
NEWEST_DETECTION_FIRST = """
    ORDER BY detection.captured_at DESC, stay, detection.id DESC, face.id DESC
"""
NEWEST_FACE_FIRST = "ORDER BY face.captured_at DESC, face.id DESC"


def event(labels: str, people: str, best: str, unseen: str) -> str:
    return f"""
        json_object(
            'monitor', monitor.name, 'event', event.path,
            'directory', iif(directory = '', event.path, directory || '/' || event.path),
            'began_at', {utc("began_at")}, 'ended_at', {utc("ended_at")},
            'duration_s', (ended_at - began_at) / 1000.0,
            'captures', (SELECT count(*) FROM capture WHERE event_id = event.id)
                + (SELECT coalesce(sum(captures), 0) FROM folded WHERE event_id = event.id),
            'unseen', {unseen}, 'labels', json({labels}), 'people', json({people}),
            'best', json({best}), 'gone', json(iif(gone_at IS NULL, 'false', 'true'))
        )
    """


ENDED_AT = """
    max(
        coalesce((SELECT max(captured_at) FROM capture WHERE event_id = event.id), 0),
        coalesce((SELECT max(last_at) FROM folded WHERE event_id = event.id), 0)
    )
"""


def empty_events(since_ms: int) -> str:
    return f"""
        WITH empty AS MATERIALIZED (
            SELECT id, {ENDED_AT} AS ended_at FROM event
            WHERE began_at >= {since_ms} AND gone_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM detection WHERE event_id = event.id)
                AND NOT EXISTS (SELECT 1 FROM failure WHERE event_id = event.id)
                AND NOT EXISTS (SELECT 1 FROM backlog WHERE event_id = event.id)
                AND NOT EXISTS (SELECT 1 FROM folded WHERE event_id = event.id AND seen = 1)
        )
        SELECT {event("'[]'", "'[]'", "'null'", "0")}
        FROM empty CROSS JOIN event ON event.id = empty.id
        CROSS JOIN monitor ON monitor.id = event.monitor_id
        WHERE ended_at < (unixepoch() - 300) * 1000
        ORDER BY began_at DESC, event.id DESC
    """


UNSEEN = """
    (SELECT count(*) FROM failure WHERE event_id = event.id) + (
        SELECT count(*) FROM backlog WHERE event_id = event.id AND NOT EXISTS (
            SELECT 1 FROM capture
            WHERE capture.event_id = backlog.event_id AND capture.frame = backlog.frame
                AND capture.file_name = backlog.file_name
        )
    )
"""
LABELS = """
    (
        SELECT json_group_array(
            json_object('label', name, 'detections', detections, 'best_score', best)
        )
        FROM (
            SELECT label.name, count(*) AS detections, max(score) AS best
            FROM detection JOIN label ON label.id = label_id
            WHERE event_id = event.id AND stay IS NOT 1
            GROUP BY label_id ORDER BY 3 DESC, 2 DESC, 1
        )
    )
"""


def events(asked: str) -> str:
    """`asked` gives the ids, and `at` to sort them by."""
    people = "coalesce((SELECT people FROM said WHERE said.event_id = event.id), '[]')"
    return f"""
        WITH asked AS MATERIALIZED ({asked}),
        voice AS MATERIALIZED (
            SELECT face.event_id, track, coalesce(name, 'unknown') AS name, count(*) AS faces,
                sum(iif(seen_better, NULL, weight)) AS weight,
                sum(iif(
                    EXISTS (SELECT 1 FROM tag WHERE face_id = face.id AND NOT negated),
                    weight, NULL
                )) AS by_hand
            FROM asked CROSS JOIN face ON face.event_id = asked.id
            WHERE verdict IN ('known', 'unknown', 'no gallery')
            GROUP BY 1, 2, 3
        ),
        heard AS (
            SELECT event_id, weight, faces, by_hand,
                iif(
                    track IS NULL OR max(coalesce(weight, by_hand)) OVER track IS NULL,
                    name,
                    first_value(name) OVER (track ORDER BY by_hand DESC, weight DESC, name)
                ) AS name
            FROM voice WINDOW track AS (PARTITION BY event_id, track)
        ),
        person AS (
            SELECT event_id, name, max(by_hand IS NOT NULL) AS by_hand,
                coalesce(sum(weight), 0) AS weight, sum(faces) AS faces
            FROM heard GROUP BY 1, 2
        ),
        said AS MATERIALIZED (
            SELECT event_id, json_group_array(json_object(
                'name', name, 'share', coalesce(weight / nullif(total, 0), 0), 'faces', faces
            )) AS people
            FROM (
                SELECT *, sum(weight) OVER (PARTITION BY event_id) AS total
                FROM person ORDER BY event_id, by_hand DESC, weight DESC, name
            )
            GROUP BY 1
        ),
        shown AS MATERIALIZED (
            SELECT event.id AS event_id, at, {ENDED_AT} AS ended_at, (
                SELECT id FROM face WHERE face.event_id = event.id AND name IS NOT NULL
                ORDER BY weight DESC LIMIT 1
            ) AS known_id
            FROM asked AS event
        )
        SELECT {event(LABELS, people, SIGHTING, UNSEEN)}
        FROM shown CROSS JOIN event ON event.id = shown.event_id
        CROSS JOIN monitor ON monitor.id = event.monitor_id
        LEFT JOIN face AS known ON known.id = known_id
        CROSS JOIN detection ON detection.id = coalesce(known.detection_id, (
            SELECT id FROM detection WHERE event_id = shown.event_id
            ORDER BY stay IS NOT 1 DESC, score DESC, captured_at, id DESC LIMIT 1
        ))
        CROSS JOIN label ON label.id = detection.label_id
        LEFT JOIN face ON face.id = coalesce(
            known_id, (SELECT max(id) FROM face WHERE detection_id = detection.id)
        )
        ORDER BY at DESC
    """


NEWEST_EVENTS = """
    SELECT event_id AS id, max(captured_at) AS at FROM (
        SELECT event_id, captured_at FROM detection WHERE stay IS NOT 1
        ORDER BY captured_at DESC LIMIT 3000
    ) GROUP BY 1 ORDER BY 2 DESC LIMIT 20
"""


def events_of(name: str, since_ms: int) -> str:
    return f"""
        SELECT event_id AS id, max(captured_at) AS at FROM face
        WHERE name = '{name}' AND captured_at >= {since_ms}
            AND (SELECT stay IS NOT 1 FROM detection WHERE id = detection_id)
        GROUP BY 1
    """


def face_of(who: str, where: str, direction: str) -> str:
    """The first or last face of somebody."""
    return f"""
        (
            SELECT face.id FROM face CROSS JOIN detection ON detection.id = detection_id
            WHERE {who} AND stay IS NOT 1 {where}
            ORDER BY face.captured_at {direction}, face.id {direction} LIMIT 1
        )
    """


def of_face(face_id: str) -> str:
    return f"({FACES} WHERE face.id = {face_id})"


KNOWN = "face.name = counted.name"
NOBODY = "face.verdict = 'unknown' AND counted.name = 'unknown'"
IN_LAST_QUARTER = f"""
    AND face.captured_at >= {QUARTER_MS} * last AND face.captured_at < {QUARTER_MS} * (last + 1)
    AND +detection.monitor_id = counted.monitor_id
"""


def end(where: str, direction: str) -> str:
    return f"coalesce({face_of(KNOWN, where, direction)}, {face_of(NOBODY, where, direction)})"


# An event is of one monitor, so that those of all monitors add up.
PEOPLE = f"""
    WITH counted AS MATERIALIZED (
        SELECT name, monitor_id, count(DISTINCT event_id) AS events, sum(faces) AS faces,
            max(quarter) AS last
        FROM name_count WHERE still = 0 GROUP BY name, monitor_id
    ),
    seen AS MATERIALIZED (
        SELECT counted.name, monitor.name AS monitor, events, faces, (
            SELECT captured_at FROM face WHERE id = {end(IN_LAST_QUARTER, "DESC")}
        ) AS last_at
        FROM counted JOIN monitor ON monitor.id = monitor_id ORDER BY 1, 3 DESC, 4 DESC, 2
    ),
    counts AS MATERIALIZED (
        SELECT name, sum(events) AS events, sum(faces) AS faces, max(last_at) AS last_at,
            json_group_array(json_object(
                'monitor', monitor, 'events', events, 'faces', faces, 'last_at', {utc("last_at")}
            )) AS monitors
        FROM seen GROUP BY name
    ),
    person AS MATERIALIZED (
        SELECT counted.*, {end("", "ASC")} AS first_id, {end("", "DESC")} AS last_id
        FROM counts AS counted
    )
    SELECT json_object(
        'name', name, 'events', events, 'faces', faces, 'first', json({of_face("first_id")}),
        'last', json({of_face("last_id")}), 'monitors', json(monitors)
    )
    FROM person ORDER BY last_at DESC, name
"""

PERSON_COUNT = """
    SELECT sum(sightings) FROM label_count JOIN label ON label.id = label_id
    WHERE label.name = 'person' AND still = 0
"""
BY_LABEL = """
    SELECT json_object('label', name, 'events', events, 'sightings', sightings) FROM (
        SELECT label.name, count(DISTINCT event_id) AS events, sum(detections) AS sightings
        FROM label CROSS JOIN label_count ON label_id = label.id
        WHERE still = 0 GROUP BY label_id ORDER BY 2 DESC, 1
    )
"""


def by_clock(key: str, said: str, order: str) -> str:
    """Of people, by what `strftime` makes of the hours, where clocks are off by whole ones."""
    return f"""
        SELECT json_object({said}, 'events', events, 'sightings', sightings) FROM (
            SELECT strftime('{key}', hour * 3600, 'unixepoch', 'localtime') AS key,
                sum(events) AS events, sum(sightings) AS sightings
            FROM (
                SELECT quarter / 4 AS hour, count(DISTINCT event_id) AS events,
                    sum(detections) AS sightings
                FROM label_count WHERE label_id = (SELECT id FROM label WHERE name = 'person')
                    AND still = 0 GROUP BY 1
            ) GROUP BY 1
        ) ORDER BY {order}
    """


DAYS = '["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]'
BY_HOUR = by_clock("%H", "'hour', key", "key")
BY_WEEKDAY_AND_HOUR = by_clock(
    "%w %H",
    f"'weekday', json_extract('{DAYS}', '$[' || substr(key, 1, 1) || ']'), 'hour', substr(key, 3)",
    "(substr(key, 1, 1) + 6) % 7, key",
)
