"""An event is handled once by each resident of its tenant's host, and each resident's turns are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.kit.migrations.rls import protect

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("handled_events", sa.Column("resident", sa.String(length=32), nullable=False, server_default="agent"))
    op.alter_column("handled_events", "resident", server_default=None)
    op.drop_constraint("handled_events_pkey", "handled_events", type_="primary")
    op.create_primary_key("handled_events_pkey", "handled_events", ["id", "resident"])
    op.create_table(
        "resident_turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("resident", sa.String(length=32), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "resident"),
    )
    protect("resident_turns")
