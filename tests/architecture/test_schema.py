"""Rules 3 and 12: row-level security binds every tenant's table, and personal data is declared on its column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    create_engine,
    make_url,
    text,
)

from core import bootstrap
from core.kit.db import Base
from core.settings import Settings
from tests.architecture.test_style import names_money

NOT_PERSONAL = {
    "a word of our own, from a fixed list": """
        activities.direction activities.kind audit_entries.action audit_entries.actor_kind calls.codec
        calls.error calls.language calls.status consents.basis
        consents.purpose contacts.language person_requests.kind person_requests.status privacy_settings.analysis_basis
        privacy_settings.marketing_basis privacy_settings.recording_basis
        deal_changes.field deals.currency deals.outcome deals.stage deliveries.reaction deliveries.status drafts.kind
        drafts.language drafts.status drafts.written_by events.type forecasts.basis forecasts.cause_type forecasts.model
        feature_rows.cause_type feature_rows.code feature_rows.entity feature_rows.feature_set feature_rows.module
        live_sessions.error live_sessions.language live_sessions.metrics live_sessions.reason live_sessions.status
        drift_proposals.action drift_proposals.status forecasts.risk forecasts.version idempotency_keys.route
        model_changes.action model_versions.algorithm model_versions.alias model_versions.code model_versions.context
        model_versions.name model_versions.scope model_versions.status sessions.method sessions.revoked_why tasks.kind
        handled_events.resident resident_turns.resident rules.trigger rule_firings.done
        notification_settings.digest_at notification_settings.muted notification_settings.quiet_from
        notification_settings.quiet_until notification_settings.ways notifications.kind timers.kind
        tasks.status tasks.template tasks.withdrawn_because tenants.autonomy tenants.currency tenants.locale
        tenants.plan tenants.time_zone agent_decisions.cause agent_decisions.helps agent_decisions.kind
        agent_decisions.template agent_decisions.verdict agent_decisions.why agent_decisions.usual
        agent_decisions.said agent_arms.context agent_arms.dimension agent_arms.name
        prediction_logs.basis prediction_logs.context prediction_logs.model prediction_logs.role prediction_logs.source
        prediction_logs.version transcripts.engine transcripts.language users.roles api_keys.scopes
        invitations.roles knowledge_documents.error knowledge_documents.kind knowledge_documents.language
        knowledge_documents.status knowledge_passages.language playbook_entries.kind playbook_entries.language
        playbook_entries.on suggestions.kind suggestions.verdict trainings.action trainings.algorithm trainings.context
        trainings.status trainings.why""",
    "what a training says of its steps: numbers of deals and of rows": """
        training_lines.text trainings.error trainings.stage""",
    "of the customer's company, not of a person in it": """
        accounts.name accounts.region accounts.segment calls.region deals.crm_id deals.name deals.products deals.region
        deals.segment deals.source""",
    "sums of deals, and how they are divided, in words of ours or of the tenant's": """
        health_cells.currency health_cells.kind health_cells.region health_cells.segment health_cells.stage
        health_cells.team health_deals.marks health_points.currency health_points.dimension health_points.figures
        health_points.key health_states.levels health_states.time_zone sales_targets.currency sales_targets.dimension
        sales_targets.key""",
    "of a roll-up: how deals are divided, in words of ours or of the tenant's": """
        forecast_figures.currency forecast_figures.dimension forecast_figures.key forecast_overrides.currency
        forecast_overrides.dimension forecast_overrides.key forecast_scores.outcome forecast_snapshots.learnt
        forecast_snapshots.kind""",
    "what an administrator made the system do, and when his company works": """
        rule_versions.definition work_calendars.closed work_calendars.country work_calendars.open
        work_calendars.subdivision work_calendars.weekend""",
    "of another company": """
        competitors.aliases competitors.category competitors.name competitors.strengths competitors.weaknesses""",
    "of who operates the product": "automation_halts.reason",
    "of a try to carry a task out, in words of ours": """
        task_attempts.destination task_attempts.error task_attempts.outcome""",
    "of the tenant itself": "tenants.limits tenants.name tenants.slug",
    "how the tenant divides its sellers": "deals.team invitations.region invitations.team users.region users.team",
    "says nothing to who reads it: a hash, or a key chosen by chance": """
        audit_entries.address_hash audit_entries.address_salt audit_entries.hash audit_entries.previous_hash
        calls.content_hash knowledge_documents.content_hash privacy_settings.salt tombstones.email_hash
        idempotency_keys.fingerprint idempotency_keys.key model_versions.fingerprint model_versions.object_key
        model_versions.run_id model_versions.sha256 refresh_tokens.secret_hash
        scim_tokens.secret_hash users.password_hash api_keys.secret_hash recovery_codes.code_hash""",
    "ids and numbers, never content": """
        audit_entries.after audit_entries.before audit_entries.subject notifications.data notifications.key timers.key
        deal_changes.after deal_changes.before events.data events.trace forecasts.features forecasts.reasons
        drift_reports.findings drift_reports.inputs drift_reports.quality drift_reports.score
        model_versions.baseline model_versions.importance model_versions.inputs model_versions.leaks
        model_versions.metrics model_versions.parameters model_versions.verdict person_requests.counts
        prediction_logs.input prediction_logs.outside prediction_logs.output rule_waits.moment tasks.reasons
        agent_decisions.odds agent_decisions.signals suggestion_rankings.weights suggestions.entry
        suggestions.features""",
    "a file until it was read": "knowledge_documents.content",
    "a trigger takes it away with the words that it stands for": "knowledge_passages.vector playbook_entries.vector",
    "the name of an error's class": "deliveries.error",
    "a secret, sealed": "second_factors.secret slack_hooks.url_sealed sso_providers.client_secret",
    "keys of a browser, by which nobody is known": "push_subscriptions.auth push_subscriptions.p256dh",
    "what an administrator calls his machines": "api_keys.name",
    "how a tenant's directory and its groups are called": """
        scim_groups.display_name scim_groups.external_id scim_tokens.name sso_providers.allowed_domains
        sso_providers.client_id sso_providers.group_roles sso_providers.groups_claim sso_providers.issuer
        sso_providers.slug sso_settings.default_role sso_settings.group_roles""",
}


@pytest.fixture(scope="module")
def tables() -> list[Table]:
    bootstrap.load_models()
    return [table for table in Base.metadata.sorted_tables if table.name != "alembic_version"]


@pytest.fixture
def owner(settings: Settings) -> Iterator[Connection]:
    """A connection of the schema's owner to a migrated database; what it does is rolled back."""
    assert settings.database.admin_url is not None
    url = make_url(settings.database.admin_url.get_secret_value()).set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


# ── row-level security ───────────────────────────────────────────────────────────────────────────────────────────────


def unprotected(connection: Connection) -> list[str]:
    """Tables with a tenant that do not force row-level security, or have no policy that compares the tenant."""
    query = text("""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
        WHERE c.relkind IN ('r', 'p') AND (c.relname = 'tenants' OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
            SELECT FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname
            AND p.qual LIKE '%app.tenant_id%' AND p.with_check LIKE '%app.tenant_id%'))
        ORDER BY 1""")
    return list(connection.execute(query).scalars())


def test_every_table_of_tenants_forces_row_level_security(owner: Connection) -> None:
    assert unprotected(owner) == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE deals DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE deals NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON deals",
    ],
)
def test_an_unprotected_table_is_noticed(owner: Connection, change: str) -> None:
    owner.execute(text(change))
    assert unprotected(owner) == ["deals"]


def test_every_row_belongs_to_a_tenant(tables: list[Table]) -> None:
    assert [table.name for table in tables if "tenant_id" not in table.c] == ["automation_halts", "tenants"]


# ── migrations and models ────────────────────────────────────────────────────────────────────────────────────────────


def differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "include_name": lambda name, kind, _: (kind, name) != ("table", "alembic_version")}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


@pytest.mark.usefixtures("tables")
def test_the_migrated_schema_is_that_of_the_models(owner: Connection) -> None:
    assert differences(owner) == []


@pytest.mark.usefixtures("tables")
def test_a_schema_that_drifted_is_noticed(owner: Connection) -> None:
    owner.execute(text("ALTER TABLE deals ADD COLUMN mood text"))
    assert [difference[0] for difference in differences(owner)] == ["remove_column"]


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def undeclared(tables: Iterable[Table], allowed: Iterable[str]) -> list[str]:
    """Columns that could hold a person's data and do not say so; and names in `allowed` that need not be there."""
    tables = list(tables)
    present = {table.name for table in tables}
    could = {
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.c
        if isinstance(column.type, String | JSON | LargeBinary | ARRAY) and not column.info.get("personal")
    }
    return sorted(could ^ {name for name in allowed if name.split(".")[0] in present})


def test_personal_data_is_declared_on_its_column(tables: list[Table]) -> None:
    assert undeclared(tables, " ".join(NOT_PERSONAL.values()).split()) == []


def test_an_undeclared_column_is_noticed() -> None:
    people = Table(
        "people", MetaData(), Column("id", Uuid), Column("email", String), Column("notes", JSON),
        Column("name", String, info={"personal": "name"}),
    )  # fmt: skip
    assert undeclared([people], ["people.notes"]) == ["people.email"]
    assert undeclared([people], ["people.notes", "people.email", "people.name"]) == ["people.name"]


def without_unit(tables: Iterable[Table]) -> list[str]:
    """Columns with money that are not counted in cents."""
    return [
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.c
        if isinstance(column.type, Integer | BigInteger | Numeric | Float) and names_money(column.name)
    ]


def test_money_is_counted_in_cents(tables: list[Table]) -> None:
    assert without_unit(tables) == []


def test_money_without_its_unit_is_noticed() -> None:
    orders = Table("orders", MetaData(), Column("unit_price", BigInteger), Column("value_cents", BigInteger))
    assert without_unit([orders]) == ["orders.unit_price"]
