"""The audit trail: rows are added, and never changed or taken away, also not by the owner of the table.

The one change that is let through is forgetting an address with its salt, which the chain survives.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from core.kit.migrations.rls import admit_system, protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), index=True),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("address_salt", sa.LargeBinary()),
        sa.Column("address_hash", sa.LargeBinary()),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("tenant_id", "seq", name="audit_entries_seq"),
    )
    protect("audit_entries", grants="SELECT, INSERT, UPDATE (address, address_salt)")
    admit_system("audit_entries", "SELECT")
    op.execute(
        """
        CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND NEW.address IS NULL AND NEW.address_salt IS NULL
               AND to_jsonb(NEW) - '{address,address_salt}'::text[] = to_jsonb(OLD) - '{address,address_salt}'::text[]
            THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )
