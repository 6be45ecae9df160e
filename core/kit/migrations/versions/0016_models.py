"""Versions of models, and what happened to them. Those of no tenant are read by every tenant and written by none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import admit_system, protect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _versions()
    _changes()
    for table, grants in (("model_versions", "SELECT, INSERT, UPDATE"), ("model_changes", "SELECT, INSERT")):
        protect(table, grants=grants)
        op.execute(f"CREATE POLICY for_all ON {table} FOR SELECT TO {APP_ROLE} USING (tenant_id IS NULL)")
        admit_system(table, grants)


def _versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("context", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("alias", sa.String(length=16), nullable=True),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("replaced", sa.Uuid(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("deals", sa.Integer(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(), nullable=False),
        sa.Column("baseline", postgresql.JSONB(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("leaks", postgresql.JSONB(), nullable=False),
        sa.Column("importance", postgresql.JSONB(), nullable=False),
        sa.Column("verdict", postgresql.JSONB(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("object_key", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("learnt_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["replaced"], ["model_versions.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "version"),
    )
    op.create_index(op.f("ix_model_versions_tenant_id"), "model_versions", ["tenant_id"])
    op.create_index(
        "model_versions_alias",
        "model_versions",
        ["context", "scope", "alias"],
        unique=True,
        postgresql_where=sa.text("alias IS NOT NULL"),
    )


def _changes() -> None:
    op.create_table(
        "model_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("other", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_model_changes_tenant_id"), "model_changes", ["tenant_id"])
    op.create_index(op.f("ix_model_changes_version_id"), "model_changes", ["version_id"])
