"""Whose deals these are and were: found without reading all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("deals_contact", "deals", ["contact_id"])
    op.create_index("deals_owner", "deals", ["owner_id"])
    op.create_index(
        "deal_changes_people", "deal_changes", ["tenant_id", "field", "at"],
        postgresql_where=sa.text("field IN ('owner_id', 'contact_id')"),
    )  # fmt: skip
