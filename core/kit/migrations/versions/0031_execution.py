"""Tasks are carried out: each try is a row; a company may pause it, and whoever operates the product halts all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.kit.db import APP_ROLE, SYSTEM_ROLE
from core.kit.migrations.rls import protect

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task_attempts",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("destination", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "task_id", "number"),
    )
    op.create_index(op.f("ix_task_attempts_tenant_id"), "task_attempts", ["tenant_id"])
    op.create_index("task_attempts_log", "task_attempts", ["tenant_id", "id"])
    protect("task_attempts")
    op.create_table(
        "automation_pauses",
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id"),
    )
    op.create_index(op.f("ix_automation_pauses_tenant_id"), "automation_pauses", ["tenant_id"])
    protect("automation_pauses")
    op.create_table(
        "automation_halts",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(f"GRANT SELECT ON automation_halts TO {APP_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON automation_halts TO {SYSTEM_ROLE}")
