"""What is expected of open deals, and of deals that are not opened yet, stands apart in the figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("expected_open_cents", "expected_new_cents"):
        op.add_column("forecast_figures", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        op.alter_column("forecast_figures", name, server_default=None)
    op.add_column("forecasts", sa.Column("worth", sa.Float(), nullable=False, server_default="1"))
    op.alter_column("forecasts", "worth", server_default=None)
    op.alter_column("forecast_snapshots", "correlation", new_column_name="learnt")
    op.execute("""UPDATE forecast_snapshots SET learnt = learnt || '{"timing": {}, "known_since": null}'""")
