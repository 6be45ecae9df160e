"""Pipeline health: the sums, what each deal added to them, how they stood, and targets."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TEAM = "SELECT team FROM users WHERE users.id = my_user_id() AND current_setting('app.sees', true) = 'team'"
_PEOPLE = f"SELECT users.id FROM users WHERE users.team = ({_TEAM})"
_GROUP = f"""(dimension = 'seller' AND (key = my_user_id()::text OR key IN (SELECT p.id::text FROM ({_PEOPLE}) AS p))
              OR dimension = 'team' AND key = ({_TEAM}))"""


def upgrade() -> None:
    _sums()
    _groups()
    for table in ("health_states", "health_deals", "health_cells", "health_points", "sales_targets"):
        protect(table)
    _narrow("health_deals", "id IN (SELECT deals.id FROM deals)")
    _narrow("health_cells", f"owner_id = my_user_id() OR owner_id IN ({_PEOPLE}) OR team = ({_TEAM})")
    _narrow("health_points", _GROUP)
    _narrow("sales_targets", _GROUP)


def _narrow(table: str, seen: str) -> None:
    op.execute(f"CREATE POLICY seen ON {table} AS RESTRICTIVE TO {APP_ROLE} USING (sees_all() OR {seen})")


def _sums() -> None:
    op.create_table(
        "health_states",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("levels", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    op.create_table(
        "health_deals",
        sa.Column("marks", postgresql.JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_health_deals_tenant_id"), "health_deals", ["tenant_id"])
    op.create_table(
        "health_cells",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("team", sa.String(length=100), nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("length_days", sa.Integer(), nullable=False),
        sa.Column("deals", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )


def _of_a_group() -> list[sa.Column[Any]]:
    return [
        sa.Column("dimension", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
    ]


def _groups() -> None:
    op.create_table(
        "health_points",
        *_of_a_group(),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "dimension", "key", "currency", "on"),
    )
    op.create_index(op.f("ix_health_points_tenant_id"), "health_points", ["tenant_id"])
    op.create_index("health_points_day", "health_points", ["tenant_id", "on"])
    op.create_table(
        "sales_targets",
        *_of_a_group(),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("value_cents", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "dimension", "key", "currency", "month"),
    )
    op.create_index(op.f("ix_sales_targets_tenant_id"), "sales_targets", ["tenant_id"])
