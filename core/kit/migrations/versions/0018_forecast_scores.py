"""What forecasts were worth, once their deals are closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forecast_scores",
        sa.Column("id", sa.Uuid(), sa.ForeignKey("forecasts.id"), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("deal_id", sa.Uuid(), sa.ForeignKey("deals.id"), nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead_days", sa.Float(), nullable=False),
        sa.Column("squared_error", sa.Float(), nullable=False),
        sa.Column("log_loss", sa.Float(), nullable=False),
        sa.Column("off_days", sa.Integer(), nullable=False),
        sa.Column("date_held", sa.Boolean(), nullable=False),
    )
    op.create_index("forecast_scores_deal", "forecast_scores", ["deal_id"])
    protect("forecast_scores", grants="SELECT, INSERT, DELETE")
    op.execute(
        f"CREATE POLICY seen ON forecast_scores AS RESTRICTIVE TO {APP_ROLE} "
        "USING (sees_all() OR deal_id IN (SELECT deals.id FROM deals))"
    )
