"""Who sees which deals and calls inside a tenant: a seller his own, a leader the team's, a manager all.

The policies are restrictive: they narrow what the tenant's policy admits and never widen it. A transaction that has not
been narrowed (`Tx.see_as`) is the machinery's and sees the whole tenant.
"""

from __future__ import annotations

from alembic import op

from core.kit.db import APP_ROLE

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OF_A_DEAL = ("activities", "deal_changes", "drafts", "forecasts", "tasks")
OF_A_CALL = ("insights", "sentiments", "transcripts")


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION sees_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
        RETURN coalesce(current_setting('app.sees', true), '') NOT IN ('own', 'team')
        """
    )
    op.execute(
        """
        CREATE FUNCTION my_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(current_setting('app.user_id', true), '')::uuid
        """
    )
    team = "SELECT team FROM users WHERE users.id = my_user_id() AND current_setting('app.sees', true) = 'team'"
    mine = f"owner_id = my_user_id() OR owner_id IN (SELECT users.id FROM users WHERE users.team = ({team}))"
    _narrow("deals", f"{mine} OR team = ({team})")
    _narrow("calls", f"{mine} OR deal_id IN (SELECT deals.id FROM deals)")
    for table in OF_A_DEAL:
        _narrow(table, "deal_id IN (SELECT deals.id FROM deals)")
    for table in OF_A_CALL:
        _narrow(table, "id IN (SELECT calls.id FROM calls)")


def _narrow(table: str, seen: str) -> None:
    op.execute(f"CREATE POLICY seen ON {table} AS RESTRICTIVE TO {APP_ROLE} USING (sees_all() OR {seen})")
