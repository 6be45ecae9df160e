"""Drift: a tenant's thresholds, what was seen of each version, and what is proposed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.migrations.rls import protect

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drift_settings",
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("psi", "ks", "auc_drop", "brier_rise", "ece")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("least_rows", "least_deals", "window_days")),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id"),
    )
    op.create_table(
        "drift_reports",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deals", sa.Integer(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("score", postgresql.JSONB(), nullable=True),
        sa.Column("quality", postgresql.JSONB(), nullable=True),
        sa.Column("findings", postgresql.JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("drift_reports_version", "drift_reports", ["version_id", "id"])
    op.create_table(
        "drift_proposals",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["drift_reports.id"]),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    open_ = sa.text("status = 'open'")
    columns = ["tenant_id", "version_id"]
    op.create_index("drift_proposals_open", "drift_proposals", columns, unique=True, postgresql_where=open_)
    for table in ("drift_settings", "drift_reports", "drift_proposals"):
        op.create_index(op.f(f"ix_{table}_tenant_id"), table, ["tenant_id"])
    protect("drift_settings", grants="SELECT, INSERT, UPDATE")
    protect("drift_reports", grants="SELECT, INSERT")
    protect("drift_proposals", grants="SELECT, INSERT, UPDATE")
