"""Events can be taken once more, also by reactions that were not there when they happened."""

from __future__ import annotations

from alembic import op

from core.kit.db import SYSTEM_ROLE

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(f"GRANT INSERT ON deliveries TO {SYSTEM_ROLE}")
    op.create_index("events_at", "events", ["at"])
