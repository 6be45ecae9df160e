"""Trainings, and what happened in each; a drift's proposal names the one that tried it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.kit.migrations.rls import protect

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trainings",
        *(sa.Column(name, sa.String(length=16), nullable=False) for name in ("context", "algorithm", "action", "why")),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=300), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=2000), nullable=True),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"]),
        sa.ForeignKeyConstraint(["model_id"], ["model_versions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    open_ = sa.text("status IN ('queued', 'running')")
    columns = ["tenant_id", "context", "algorithm"]
    op.create_index("trainings_open", "trainings", columns, unique=True, postgresql_where=open_)
    op.create_table(
        "training_lines",
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["training_id"], ["trainings.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("training_lines_of", "training_lines", ["training_id", "id"])
    for table in ("trainings", "training_lines"):
        op.create_index(op.f(f"ix_{table}_tenant_id"), table, ["tenant_id"])
    protect("trainings", grants="SELECT, INSERT, UPDATE")
    protect("training_lines", grants="SELECT, INSERT")
    op.add_column("drift_proposals", sa.Column("training_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(None, "drift_proposals", "trainings", ["training_id"], ["id"])
    op.create_index(op.f("ix_drift_proposals_training_id"), "drift_proposals", ["training_id"])
