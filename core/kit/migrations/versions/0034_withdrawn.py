"""Tasks are withdrawn when they are not to be done any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("withdrawn_because", sa.String(length=32), nullable=True))
    op.create_index("tasks_deal", "tasks", ["deal_id", "status"])
