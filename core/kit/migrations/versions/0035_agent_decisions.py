"""What the follow-up agent made of each event, with its reasons: also where it did nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_decisions",
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("why", sa.String(length=32), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column("template", sa.String(length=32), nullable=True),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("signals", postgresql.JSONB(), nullable=False),
        sa.Column("odds", postgresql.JSONB(), nullable=True),
        sa.Column("helps", sa.String(length=32), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"]),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "event_id"),
    )
    op.create_index(op.f("ix_agent_decisions_tenant_id"), "agent_decisions", ["tenant_id"])
    op.create_index("agent_decisions_deal", "agent_decisions", ["deal_id", "id"])
    op.create_index("agent_decisions_task", "agent_decisions", ["task_id"])
    protect("agent_decisions")
    # Whoever sees a deal sees what was decided about it.
    op.execute(
        f"CREATE POLICY seen ON agent_decisions AS RESTRICTIVE TO {APP_ROLE} "
        "USING (sees_all() OR deal_id IN (SELECT deals.id FROM deals))"
    )
