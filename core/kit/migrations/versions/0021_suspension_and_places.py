"""Tenants can be suspended; sessions know the place that they were opened at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tenants", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sessions", sa.Column("place", sa.String(length=100), nullable=True))
    op.add_column("sessions", sa.Column("latitude", sa.Float(), nullable=True))
    op.add_column("sessions", sa.Column("longitude", sa.Float(), nullable=True))
