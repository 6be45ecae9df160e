"""Consent, retention and requests of persons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _consents()
    _settings()
    _requests()
    # History: what was recorded stays, but for a person's name in it.
    protect("consents", grants="SELECT, INSERT, UPDATE (evidence)")
    protect("privacy_settings", grants="SELECT, INSERT, UPDATE")
    protect("person_requests", grants="SELECT, INSERT, UPDATE")
    protect("tombstones", grants="SELECT, INSERT")
    # A database's complaint may quote a value; erasure takes the person out of it.
    op.execute(f"GRANT UPDATE (error) ON deliveries TO {APP_ROLE}")
    op.alter_column("calls", "object_key", existing_type=sa.String(300), nullable=True)


def _consents() -> None:
    op.create_table(
        "consents",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=24), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence", sa.String(length=2000), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_consents_tenant_id"), "consents", ["tenant_id"])
    op.create_index("consents_contact", "consents", ["contact_id", "purpose"])


def _settings() -> None:
    op.create_table(
        "privacy_settings",
        sa.Column("recording_basis", sa.String(length=24), nullable=False),
        sa.Column("analysis_basis", sa.String(length=24), nullable=False),
        sa.Column("marketing_basis", sa.String(length=24), nullable=False),
        sa.Column("audio_days", sa.Integer(), nullable=True),
        sa.Column("transcript_days", sa.Integer(), nullable=True),
        sa.Column("draft_days", sa.Integer(), nullable=True),
        sa.Column("contact_days", sa.Integer(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id"),
    )
    op.create_index(op.f("ix_privacy_settings_tenant_id"), "privacy_settings", ["tenant_id"])


def _requests() -> None:
    op.create_table(
        "person_requests",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("object_key", sa.String(length=300), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_person_requests_tenant_id"), "person_requests", ["tenant_id"])
    op.create_table(
        "tombstones",
        sa.Column("email_hash", sa.LargeBinary(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "email_hash"),
    )
    op.create_index(op.f("ix_tombstones_tenant_id"), "tombstones", ["tenant_id"])
