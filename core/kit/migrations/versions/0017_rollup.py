"""What was forecast for groups of deals, and people's own numbers beside it.

Who sees a group's numbers: a seller his own, a leader his sellers' and his team's, a manager all.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

AMOUNTS = ("won_cents", "expected_cents", "low_cents", "p10_cents", "p50_cents", "p90_cents", "high_cents")
COUNTS = ("won_count", "count_low", "count_p50", "count_high")


def upgrade() -> None:
    op.create_table(
        "forecast_snapshots",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("correlation", JSONB(), nullable=False),
    )
    op.create_index("forecast_snapshots_at", "forecast_snapshots", ["tenant_id", "at"])
    op.create_index(
        "forecast_snapshots_nightly", "forecast_snapshots", ["tenant_id", "day"], unique=True,
        postgresql_where=sa.text("kind = 'nightly'"),
    )  # fmt: skip
    op.create_table(
        "forecast_figures",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("snapshot_id", sa.Uuid(), sa.ForeignKey("forecast_snapshots.id", ondelete="CASCADE"), nullable=False),
        *_group(),
        sa.Column("month", sa.Date()),
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in AMOUNTS],
        *[sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS],
        sa.Column("expected_count", sa.Float(), nullable=False),
    )
    op.create_index("forecast_figures_snapshot", "forecast_figures", ["snapshot_id", "dimension", "key"])
    op.create_table(
        "forecast_overrides",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False, index=True),
        *_group(),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("value_cents", sa.BigInteger()),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *[
            sa.Column(f"model_{name}_cents", sa.BigInteger(), nullable=False)
            for name in ("expected", "p10", "p50", "p90")
        ],
        sa.UniqueConstraint(
            "tenant_id", "dimension", "key", "currency", "month", "version", name="forecast_overrides_version"
        ),
    )
    protect("forecast_snapshots", grants="SELECT, INSERT")
    protect("forecast_figures", grants="SELECT, INSERT")
    # Versions are only added; a person's name may be struck out of a reason.
    protect("forecast_overrides", grants="SELECT, INSERT, UPDATE (reason)")
    _narrow()


def _group() -> list[sa.Column[str]]:
    return [
        sa.Column("dimension", sa.String(8), nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
    ]


def _narrow() -> None:
    team = "SELECT team FROM users WHERE users.id = my_user_id() AND current_setting('app.sees', true) = 'team'"
    seller = f"key = my_user_id()::text OR key IN (SELECT users.id::text FROM users WHERE users.team = ({team}))"
    seen = f"(dimension = 'seller' AND ({seller})) OR (dimension = 'team' AND key = ({team}))"
    for table in ("forecast_figures", "forecast_overrides"):
        op.execute(f"CREATE POLICY seen ON {table} AS RESTRICTIVE TO {APP_ROLE} USING (sees_all() OR {seen})")
