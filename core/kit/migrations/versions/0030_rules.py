"""Rules: what they say in versions, what waits, what they did, and the working days that they count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _rules()
    _course()
    op.create_table(
        "work_calendars",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("subdivision", sa.String(length=8), nullable=True),
        sa.Column("weekend", postgresql.JSONB(), nullable=False),
        sa.Column("closed", postgresql.JSONB(), nullable=False),
        sa.Column("open", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    for table in ("rules", "rule_versions", "rule_waits", "rule_firings", "work_calendars"):
        protect(table)
    # Whoever sees a deal sees what was done about it.
    for table in ("rule_waits", "rule_firings"):
        op.execute(
            f"CREATE POLICY seen ON {table} AS RESTRICTIVE TO {APP_ROLE} "
            "USING (sees_all() OR deal_id IN (SELECT deals.id FROM deals))"
        )
    op.add_column("tasks", sa.Column("rule_id", sa.Uuid(), nullable=True))
    op.create_foreign_key("tasks_rule_id_fkey", "tasks", "rules", ["rule_id"], ["id"])
    op.drop_constraint("tasks_tenant_id_event_id_kind_key", "tasks", type_="unique")
    op.create_unique_constraint(
        "tasks_once", "tasks", ["tenant_id", "event_id", "kind", "rule_id"], postgresql_nulls_not_distinct=True
    )


def _rules() -> None:
    op.create_table(
        "rules",
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        *_owned(),
    )
    op.create_index(op.f("ix_rules_tenant_id"), "rules", ["tenant_id"])
    op.create_index("rules_enabled", "rules", ["tenant_id", "is_enabled", "trigger"])
    op.create_table(
        "rule_versions",
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        *_owned(),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"]),
        sa.UniqueConstraint("rule_id", "version"),
    )
    op.create_index(op.f("ix_rule_versions_tenant_id"), "rule_versions", ["tenant_id"])


def _course() -> None:
    op.create_table(
        "rule_waits",
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("moment", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("until_answered", sa.Boolean(), nullable=False),
        *_owned(),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"]),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"]),
        sa.UniqueConstraint("rule_id", "deal_id"),
    )
    op.create_index(op.f("ix_rule_waits_tenant_id"), "rule_waits", ["tenant_id"])
    op.create_index("rule_waits_deal", "rule_waits", ["deal_id"])
    op.create_table(
        "rule_firings",
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("seen", postgresql.JSONB(), nullable=False),
        sa.Column("done", postgresql.JSONB(), nullable=False),
        *_owned(),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"]),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"]),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"]),
        sa.UniqueConstraint("tenant_id", "rule_id", "event_id"),
    )
    op.create_index(op.f("ix_rule_firings_tenant_id"), "rule_firings", ["tenant_id"])
    op.create_index("rule_firings_recent", "rule_firings", ["rule_id", "at"])
    op.create_index("rule_firings_deal", "rule_firings", ["deal_id"])


def _owned() -> tuple[sa.Column[object] | sa.PrimaryKeyConstraint, ...]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
