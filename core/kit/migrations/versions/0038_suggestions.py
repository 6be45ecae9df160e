"""Playbooks, what was suggested to sellers, and what their verdicts taught."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.migrations.rls import protect

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "playbook_entries",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("on", postgresql.JSONB(), nullable=False),
        sa.Column("say", sa.String(), nullable=False),
        sa.Column("examples", postgresql.JSONB(), nullable=False),
        sa.Column("vector", postgresql.ARRAY(sa.REAL()), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        *_owned(),
    )
    op.create_index(op.f("ix_playbook_entries_tenant_id"), "playbook_entries", ["tenant_id"])
    op.create_index("playbook_entries_used", "playbook_entries", ["tenant_id", "language", "is_enabled"])
    op.execute("""
        CREATE TRIGGER forget_vector BEFORE UPDATE OF say, examples ON playbook_entries FOR EACH ROW
        WHEN ((OLD.say IS DISTINCT FROM NEW.say OR OLD.examples IS DISTINCT FROM NEW.examples)
              AND OLD.vector IS NOT DISTINCT FROM NEW.vector)
        EXECUTE FUNCTION forget_vector()""")
    op.create_table(
        "suggestions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("entry", sa.String(length=80), nullable=False),
        sa.Column("features", postgresql.JSONB(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("answered_at", _MOMENT, nullable=True),
        *_owned(),
    )
    op.create_index(op.f("ix_suggestions_tenant_id"), "suggestions", ["tenant_id"])
    op.create_index("suggestions_session", "suggestions", ["session_id"])
    op.create_table(
        "suggestion_rankings",
        sa.Column("weights", postgresql.JSONB(), nullable=False),
        sa.Column("verdicts", sa.Integer(), nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        *_owned(),
        sa.UniqueConstraint("tenant_id"),
    )
    op.create_index(op.f("ix_suggestion_rankings_tenant_id"), "suggestion_rankings", ["tenant_id"])
    for table in ("playbook_entries", "suggestions", "suggestion_rankings"):
        protect(table)


def _owned() -> tuple[sa.Column[object] | sa.PrimaryKeyConstraint, ...]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
