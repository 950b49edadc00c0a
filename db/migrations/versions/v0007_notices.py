"""What rules of [[notify]] had to say, and how far it got."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = (
    # What rings once: a rule, an event and a person ('' where the rule is not about any). No
    # REFERENCES: what was told stays told, also where the event is pruned. event: its directory.
    # captured_at is the sighting's; sighting: what is told, as JSON. AUTOINCREMENT: receivers know
    # notices by their ids.
    """
    CREATE TABLE notice (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        rule TEXT NOT NULL,
        event TEXT NOT NULL,
        person TEXT NOT NULL,
        captured_at INTEGER NOT NULL,
        raised_at INTEGER NOT NULL,
        sighting TEXT NOT NULL CHECK (json_valid(sighting)),
        UNIQUE (rule, event, person)
    ) STRICT
    """,
    "CREATE INDEX notice_by_person ON notice (rule, person, captured_at)",
    "CREATE INDEX notice_by_age ON notice (raised_at)",
    # A notice on its way to one target. state: 0 waits, 1 delivered, 2 given up. Not tried before
    # due_at. why: what the newest try failed of.
    """
    CREATE TABLE delivery (
        notice_id INTEGER NOT NULL,
        target TEXT NOT NULL,
        state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
        attempts INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (notice_id, target),
        FOREIGN KEY (notice_id) REFERENCES notice (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX delivery_open ON delivery (target, state, due_at) WHERE state <> 1",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
