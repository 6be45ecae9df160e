"""Knowledge: documents in passages, found by meaning (pgvector, where the server has it) and by words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.kit.migrations.rls import protect

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_WORDS = (
    "to_tsvector(CASE language WHEN 'pt' THEN 'portuguese'::regconfig ELSE 'english'::regconfig END, "
    "(heading || ' ' || text))"
)


def upgrade() -> None:
    # Vectors are arrays in any case: a server without the extension, or an owner who may not add it, compares slower.
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
                CREATE EXTENSION IF NOT EXISTS vector;
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END $$""")
    op.create_table(
        "knowledge_documents",
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "content_hash"),
    )
    op.create_index(op.f("ix_knowledge_documents_tenant_id"), "knowledge_documents", ["tenant_id"])
    op.create_table(
        "knowledge_passages",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("heading", sa.String(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("vector", postgresql.ARRAY(sa.REAL()), nullable=True),
        sa.Column("words", postgresql.TSVECTOR(), sa.Computed(_WORDS, persisted=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["knowledge_documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("document_id", "number"),
    )
    op.create_index(op.f("ix_knowledge_passages_document_id"), "knowledge_passages", ["document_id"])
    op.create_index(op.f("ix_knowledge_passages_tenant_id"), "knowledge_passages", ["tenant_id"])
    op.execute("""
        CREATE FUNCTION forget_vector() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.vector := NULL; RETURN NEW; END $$""")
    op.execute("""
        CREATE TRIGGER forget_vector BEFORE UPDATE OF heading, text ON knowledge_passages FOR EACH ROW
        WHEN (OLD.heading IS DISTINCT FROM NEW.heading OR OLD.text IS DISTINCT FROM NEW.text)
        EXECUTE FUNCTION forget_vector()""")
    for table in ("knowledge_documents", "knowledge_passages"):
        protect(table)
