"""The tables as SQLAlchemy knows them, to build statements with.

They are created by the migrations alone, which also hold what is not needed here: checks, triggers
and the views for plain SQL. A test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = "0007"
"""The newest migration; a database of any other version is not read."""

metadata = MetaData()


def _box() -> tuple[Column[int], ...]:
    return tuple(Column(side, Integer, nullable=False) for side in ("xmin", "ymin", "xmax", "ymax"))


alembic_version = Table(
    "alembic_version", MetaData(), Column("version_num", Text, primary_key=True, nullable=False)
)

monitor = Table(
    "monitor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("directory", Text, nullable=False, unique=True),
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitor_id", Integer, ForeignKey("monitor.id"), nullable=False),
    Column("path", Text, nullable=False),
    Column("started_at", Integer),
    Column("frame_format", Text, nullable=False),
    Column("first_frame", Integer, nullable=False),
    Column("began_at", Integer),  # kept by a trigger, as the counts below
    Column("gone_at", Integer),
    Column("folded_at", Integer),
    UniqueConstraint("monitor_id", "path"),
    Index("event_by_start", "monitor_id", "started_at"),
    Index("event_by_beginning", "began_at"),
    Index("event_unfolded", "monitor_id", "began_at"),
    Index("event_gone", "gone_at"),
)

provenance = Table(
    "provenance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("detector", Text, nullable=False),
    Column("delegate", Text, nullable=False),
    Column("fallback", Integer, nullable=False),
    Column("face_detector", Text, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("recogniser", Text, nullable=False),
    UniqueConstraint("detector", "delegate", "fallback", "face_detector", "embedder", "recogniser"),
)

capture = Table(
    "capture",
    metadata,
    Column("event_id", Integer, ForeignKey("event.id"), primary_key=True),
    Column("frame", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("captured_at", Integer, nullable=False),
    Column("annotated_at", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("provenance_id", Integer, ForeignKey("provenance.id"), nullable=False),
    Column("inherited_from", Text),
)

folded = Table(
    "folded",
    metadata,
    Column("event_id", Integer, ForeignKey("event.id"), primary_key=True),
    Column("first_frame", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("last_frame", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("first_at", Integer, nullable=False),
    Column("last_at", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("provenance_id", Integer, ForeignKey("provenance.id"), nullable=False),
    Column("captures", Integer),  # generated: never written
)

label = Table(
    "label",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

stationary = Table(
    "stationary",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitor_id", Integer, ForeignKey("monitor.id"), nullable=False),
    Column("label_id", Integer, ForeignKey("label.id"), nullable=False),
    *_box(),
    Column("first_seen", Integer, nullable=False),
    Column("first_event_id", Integer, nullable=False),
    Column("first_frame", Integer, nullable=False),
    Column("last_seen", Integer, nullable=False),
    Column("last_event_id", Integer, nullable=False),
    Column("last_frame", Integer, nullable=False),
    Column("sightings", Integer, nullable=False),
    Column("there", Integer, nullable=False),
    Column("stale", Integer, nullable=False),
    Index("stationary_by_time", "monitor_id", "label_id", "first_seen"),
)

detection = Table(
    "detection",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", Integer, nullable=False),
    Column("frame", Integer, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("captured_at", Integer, nullable=False),
    Column("monitor_id", Integer, ForeignKey("monitor.id"), nullable=False),
    Column("label_id", Integer, ForeignKey("label.id"), nullable=False),
    Column("class_id", Integer, nullable=False),
    Column("score", REAL, nullable=False),
    *_box(),
    Column("stationary_id", Integer),
    Column("stay", Integer),
    ForeignKeyConstraint(
        ["event_id", "frame", "file_name"],
        ["capture.event_id", "capture.frame", "capture.file_name"],
        ondelete="CASCADE",
    ),
    Index("detection_by_capture", "event_id", "frame", "file_name"),
)
_late_first = detection.c.stay.desc()
Index("detection_by_time", detection.c.captured_at, _late_first)
Index("detection_by_label", detection.c.label_id, detection.c.captured_at, _late_first)
Index("detection_by_monitor", detection.c.monitor_id, detection.c.captured_at, _late_first)

recogniser = Table(
    "recogniser",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

face = Table(
    "face",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("detection_id", Integer, ForeignKey("detection.id", ondelete="CASCADE"), nullable=False),
    Column("captured_at", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("name", Text),
    Column("probability", REAL),
    Column("distance", REAL),
    Column("score", REAL, nullable=False),
    Column("sharpness", REAL, nullable=False),
    *_box(),
    Column("event_id", Integer, nullable=False),
    Column("track", Integer),
    Column("seen_better", Integer, nullable=False),
    Column("recogniser_id", Integer, ForeignKey("recogniser.id")),
    Column("stranger", Integer),
    Column("weight", REAL),  # generated: never written
    Index("face_by_detection", "detection_id"),
    Index("face_by_name", "name", "captured_at"),
    Index("face_by_verdict", "verdict", "captured_at"),
    Index("face_by_event", "event_id", "track", "seen_better"),
    Index("face_by_stranger", "stranger"),
)

embedding = Table(
    "embedding",
    metadata,
    Column("face_id", Integer, ForeignKey("face.id", ondelete="CASCADE"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    Column("mirrored", LargeBinary),
)

tag = Table(
    "tag",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", Integer, ForeignKey("event.id", ondelete="CASCADE"), nullable=False),
    Column("frame", Integer, nullable=False),
    Column("file_name", Text, nullable=False),
    *_box(),
    Column("name", Text, nullable=False),
    Column("negated", Integer, nullable=False),
    Column("tagged_at", Integer, nullable=False),
    Column("face_id", Integer, ForeignKey("face.id", ondelete="SET NULL")),
    Index("tag_by_face", "face_id", "name", unique=True),
    Index("tag_by_capture", "event_id", "frame", "file_name"),
)

overruled = Table(
    "overruled",
    metadata,
    Column("face_id", Integer, ForeignKey("face.id", ondelete="CASCADE"), primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("name", Text),
    Column("probability", REAL),
    Column("distance", REAL),
    Column("recogniser_id", Integer),
)

relabelling = Table(
    "relabelling",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ran_at", Integer, nullable=False),
    Column("recogniser_id", Integer),
)

relabelled = Table(
    "relabelled",
    metadata,
    Column(
        "relabelling_id",
        Integer,
        ForeignKey("relabelling.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("face_id", Integer, primary_key=True),
    Column("old_verdict", Text, nullable=False),
    Column("old_name", Text),
    Column("old_probability", REAL),
    Column("old_distance", REAL),
    Column("old_recogniser_id", Integer),
    Column("verdict", Text, nullable=False),
    Column("name", Text),
)

failure = Table(
    "failure",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", Integer, ForeignKey("event.id")),
    Column("frame", Integer),
    Column("file_name", Text),
    Column("directory", Text, unique=True),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_at", Integer, nullable=False),
    Column("size", Integer),
    Column("modified_us", Integer),
    UniqueConstraint("event_id", "frame", "file_name"),
    Index("failure_by_time", "failed_at"),
)

skipped = Table(
    "skipped",
    metadata,
    Column("event_id", Integer, ForeignKey("event.id"), primary_key=True),
    Column("frame", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("reason", Integer, nullable=False),
)

backlog = Table(
    "backlog",
    metadata,
    Column("event_id", Integer, ForeignKey("event.id"), primary_key=True),
    Column("frame", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("monitor_id", Integer, ForeignKey("monitor.id"), nullable=False),
    Column("origin", Integer, nullable=False),
    Column("fineness", Integer, nullable=False),
    Column("event_started_at", Integer, nullable=False),
    Column("added_at", Integer, nullable=False),
)
Index(
    "backlog_by_urgency",
    backlog.c.monitor_id,
    backlog.c.origin,
    backlog.c.fineness,
    backlog.c.event_started_at.desc(),
    backlog.c.event_id,
    backlog.c.frame,
)
Index("backlog_by_age", backlog.c.monitor_id, backlog.c.origin, backlog.c.added_at)

attempt = Table(
    "attempt",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("frame", Integer, primary_key=True),
    Column("file_name", Text, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("leased", Integer, nullable=False),
    Column("not_before", Integer),
    ForeignKeyConstraint(
        ["event_id", "frame", "file_name"],
        ["backlog.event_id", "backlog.frame", "backlog.file_name"],
        ondelete="CASCADE",
    ),
)

event_people = Table(
    "event_people",
    MetaData(),  # a view
    *(Column(name, Text) for name in ("monitor", "event", "name", "best_path")),
    Column("share", REAL),
    *(Column(name, Integer) for name in ("faces", "by_hand", "first_at", "last_at")),
    *(Column(name, Integer) for name in ("started_at", "event_id", "best_face_id")),
)

label_count = Table(
    "label_count",
    metadata,
    *(
        Column(name, Integer, primary_key=True)
        for name in ("label_id", "quarter", "event_id", "still")
    ),
    Column("monitor_id", Integer, nullable=False),
    Column("detections", Integer, nullable=False),
    Column("sightings", Integer, nullable=False),
)

name_count = Table(
    "name_count",
    metadata,
    Column("name", Text, primary_key=True),
    *(Column(name, Integer, primary_key=True) for name in ("quarter", "event_id", "still")),
    Column("monitor_id", Integer, nullable=False),
    Column("faces", Integer, nullable=False),
)

tally = Table(
    "tally",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

notice = Table(
    "notice",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("captured_at", Integer, nullable=False),
    Column("raised_at", Integer, nullable=False),
    Column("sighting", Text, nullable=False),
    UniqueConstraint("rule", "event", "person"),
    Index("notice_by_person", "rule", "person", "captured_at"),
    Index("notice_by_age", "raised_at"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("notice_id", Integer, ForeignKey("notice.id", ondelete="CASCADE"), primary_key=True),
    Column("target", Text, primary_key=True),
    Column("state", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Index("delivery_open", "target", "state", "due_at"),
)
