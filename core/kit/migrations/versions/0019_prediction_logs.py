"""The log of predictions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prediction_logs",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("context", sa.String(length=16), nullable=False),
        sa.Column("deal_id", sa.Uuid()),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("input", postgresql.JSONB(), nullable=False),
        sa.Column("output", postgresql.JSONB(), nullable=False),
        sa.Column("outside", postgresql.JSONB(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
    )
    op.create_index("prediction_logs_newest", "prediction_logs", ["tenant_id", "context", "id"])
    op.create_index("prediction_logs_deal", "prediction_logs", ["deal_id", "id"])
    op.create_index("prediction_logs_at", "prediction_logs", ["tenant_id", "at"])
    op.add_column("privacy_settings", sa.Column("prediction_days", sa.Integer()))
    # Rows are written and, when their time is over, deleted; nobody changes one.
    protect("prediction_logs", grants="SELECT, INSERT, DELETE")
    seen = "sees_all() OR deal_id IS NULL OR deal_id IN (SELECT deals.id FROM deals)"
    op.execute(f"CREATE POLICY seen ON prediction_logs AS RESTRICTIVE TO {APP_ROLE} USING ({seen})")
