"""What the follow-up agent learns from: what came of each decision, and how well each arm of its bandit does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.kit.migrations.rls import protect

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent_decisions", sa.Column("usual", sa.String(length=32), nullable=True))
    op.add_column("agent_decisions", sa.Column("hour", sa.SmallInteger(), nullable=True))
    op.add_column("agent_decisions", sa.Column("said", sa.String(length=16), nullable=True))
    op.add_column("agent_decisions", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("agent_decisions", sa.Column("answered", sa.Boolean(), nullable=True))
    op.create_table(
        "agent_arms",
        sa.Column("dimension", sa.String(length=16), nullable=False),
        sa.Column("context", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("won", sa.Float(), nullable=False),
        sa.Column("lost", sa.Float(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "dimension", "context", "name"),
    )
    op.create_index(op.f("ix_agent_arms_tenant_id"), "agent_arms", ["tenant_id"])
    protect("agent_arms")
