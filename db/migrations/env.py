"""What Alembic runs; the caller brings the connection and its transaction."""

from __future__ import annotations

from alembic import context

# SQLite can roll back DDL; `transactional_ddl` tells Alembic to rely on the caller's transaction.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
