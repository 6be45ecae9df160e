"""The feature store; and when a deal or a contact with the customer was written down, which may be long after it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.db import APP_ROLE
from core.kit.migrations.rls import protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# A feature is seen with what it hangs on; of a customer, with one of his deals.
_SEEN = """
    CASE entity
        WHEN 'deal' THEN entity_id IN (SELECT deals.id FROM deals)
        WHEN 'call' THEN entity_id IN (SELECT calls.id FROM calls)
        WHEN 'account' THEN entity_id IN (SELECT deals.account_id FROM deals)
        WHEN 'contact' THEN entity_id IN (SELECT deals.contact_id FROM deals)
        WHEN 'seller' THEN entity_id = my_user_id() OR (
            current_setting('app.sees', true) = 'team' AND entity_id IN (
                SELECT users.id FROM users WHERE users.team = (SELECT u.team FROM users u WHERE u.id = my_user_id())))
        ELSE false
    END
"""


def upgrade() -> None:
    op.create_table(
        "feature_rows",
        sa.Column("entity", sa.String(length=8), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("feature_set", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Uuid(), nullable=True),
        sa.Column("cause_type", sa.String(length=64), nullable=False),
        sa.Column("module", sa.String(length=100), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_feature_rows_tenant_id"), "feature_rows", ["tenant_id"])
    newest = ["tenant_id", "entity_id", "feature_set", "version"]
    backwards = [sa.text(f"{name} DESC") for name in ("event_at", "written_at", "id")]
    op.create_index("feature_rows_newest", "feature_rows", [*newest, *backwards])
    op.create_index("feature_rows_month", "feature_rows", ["tenant_id", "feature_set", "event_at"])
    protect("feature_rows", grants="SELECT, INSERT, DELETE")
    op.execute(f"CREATE POLICY seen ON feature_rows AS RESTRICTIVE TO {APP_ROLE} USING (sees_all() OR {_SEEN})")
    op.add_column("deals", sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("activities", sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True))
