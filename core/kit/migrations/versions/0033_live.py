"""Live sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_sessions",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("deal_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"]),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"]),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_live_sessions_deal_id"), "live_sessions", ["deal_id"])
    op.create_index(op.f("ix_live_sessions_tenant_id"), "live_sessions", ["tenant_id"])
    protect("live_sessions")
    team = "SELECT team FROM users WHERE users.id = my_user_id() AND current_setting('app.sees', true) = 'team'"
    seen = (
        f"owner_id = my_user_id() OR owner_id IN (SELECT users.id FROM users WHERE users.team = ({team})) "
        "OR deal_id IN (SELECT deals.id FROM deals)"
    )
    op.execute(f"CREATE POLICY seen ON live_sessions AS RESTRICTIVE TO {APP_ROLE} USING (sees_all() OR {seen})")
