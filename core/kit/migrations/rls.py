"""Row-level security, in the words that each migration uses for its tables."""

from __future__ import annotations

from alembic import op

from core.kit.db import APP_ROLE, SYSTEM_ROLE

_MINE = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"


def protect(table: str, *, grants: str = "SELECT, INSERT, UPDATE, DELETE", key: str = "tenant_id") -> None:
    """The application sees and writes only rows whose `key` is the transaction's tenant; the owner is bound as well."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} TO {APP_ROLE} USING ({key} = {_MINE}) WITH CHECK ({key} = {_MINE})")
    op.execute(f"GRANT {grants} ON {table} TO {APP_ROLE}")


def admit_system(table: str, grants: str) -> None:
    """Let the machinery see every tenant's rows of a table, with these rights only."""
    op.execute(f"CREATE POLICY system ON {table} TO {SYSTEM_ROLE} USING (true) WITH CHECK (true)")
    op.execute(f"GRANT {grants} ON {table} TO {SYSTEM_ROLE}")
