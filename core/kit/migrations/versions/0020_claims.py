"""Deliveries are claimed before they run: who was never tried and who is tried again are found apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.kit.db import APP_ROLE

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("deliveries_pending", "deliveries")
    fresh, again = sa.text("status = 'pending' AND attempts = 0"), sa.text("status = 'pending' AND attempts > 0")
    op.create_index("deliveries_fresh", "deliveries", ["seq"], postgresql_where=fresh)
    op.create_index("deliveries_again", "deliveries", ["next_at"], postgresql_where=again)
    # The mark stands in the transaction of the effect, which is one of the tenant.
    op.execute(f"GRANT UPDATE (status, done_at, next_at) ON deliveries TO {APP_ROLE}")
