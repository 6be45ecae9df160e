"""What came of it against what was promised: nothing lost, nothing twice, in order, and all sums right."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from core.kit.db import Database
from core.notifications.send import mail_of
from core.pipeline_health import repository as health
from core.pipeline_health.keep import recomputed
from core.tenants import repository as tenants
from tests.chaos.load import Company
from tests.chaos.product import Product

_MOST_SETTLING_S = 1_200.0
# A timer that is due later is no work that is left; a delivery that waits for its next try is.
_LEFT = """SELECT (SELECT count(*) FROM deliveries WHERE status = 'pending'),
                  (SELECT count(*) FROM tasks WHERE status = 'approved' AND due_at <= now()),
                  (SELECT count(*) FROM calls WHERE status NOT IN ('ready', 'failed'))"""
# A contact with the customer changes the deal as well, by another request.
_CHANGED = "e.type = 'DEAL_CHANGED' AND NOT e.data -> 'fields' @> '[\"activities\"]'"
_UNHEARD = "SELECT seq FROM notifications WHERE tenant_id = %s AND user_id = %s ORDER BY seq"


async def settle(product: Product, companies: Sequence[Company]) -> None:
    """Until nothing is left to do and everything was heard."""
    end = time.monotonic() + _MOST_SETTLING_S
    left: list[Any] = []
    while time.monotonic() < end:
        left = list(await asyncio.to_thread(product.rows, _LEFT))
        unheard = [c.name for c in companies if await asyncio.to_thread(_unheard, product, c)]
        if left == [(0, 0, 0)] and not unheard:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"it does not come to rest: deliveries, tasks, calls left {left}; nobody heard at {unheard}")


def _unheard(product: Product, company: Company) -> bool:
    rows = product.rows(_UNHEARD, company.tenant_id, company.user_id)
    return len(company.heard) < len(rows)


async def check(product: Product, companies: Sequence[Company]) -> list[str]:
    """What is wrong; empty where nothing is."""
    wrong = [f"parked: {row}" for row in product.rows(
        "SELECT reaction, error, event_id FROM deliveries WHERE status = 'parked'"
    )]  # fmt: skip
    for company in companies:
        found = (*_deals(product, company), *_changes(product, company), *_calls(product, company))
        wrong += [f"{company.name}: {what}" for what in (*found, *_told(product, company), *_order(product, company))]
    wrong += _mails(product, companies)
    return wrong + await _health(product, companies)


def _deals(product: Product, company: Company) -> Iterator[str]:
    """Each deal once, and as it was left."""
    rows = product.rows("SELECT id, stage, value_cents FROM deals WHERE tenant_id = %s", company.tenant_id)
    held = {str(deal_id): (stage, value) for deal_id, stage, value in rows}
    promised = {deal.id: (deal.stages[-1], deal.values_cents[-1]) for deal in company.deals}
    if held != promised:
        yield f"deals differ: {set(held.items()) ^ set(promised.items())}"
    answers = dict(product.rows(
        "SELECT deal_id::text, count(*) FROM activities WHERE tenant_id = %s AND direction = 'in' AND kind = 'email' "
        "GROUP BY 1", company.tenant_id,
    ))  # fmt: skip
    if answers != (promised := {deal.id: deal.answers for deal in company.deals if deal.answers}):
        yield f"answers differ: {answers} for {promised}"


def _changes(product: Product, company: Company) -> Iterator[str]:
    """Each change is one line of history, one event, one firing of the rule, one notification."""
    promised = {deal.id: (deal.stages, deal.values_cents) for deal in company.deals}
    for deal_id, (stages, values) in promised.items():
        rows = product.rows("SELECT field, after -> 0 FROM deal_changes WHERE deal_id = %s ORDER BY at, id", deal_id)
        seen = [after for field, after in rows if field == "stage"], [a for f, a in rows if f == "value_cents"]
        if seen != (stages, values[1:]):  # its first stage is history, too
            yield f"history of {deal_id}: {seen} for {stages} {values}"
    once = product.rows(
        "SELECT e.id, count(DISTINCT f.id), count(DISTINCT n.id) FROM events e "
        "LEFT JOIN rules r ON r.tenant_id = e.tenant_id AND r.trigger = 'deal_changed' AND EXISTS ("
        "  SELECT 1 FROM rule_versions v WHERE v.rule_id = r.id AND v.definition ->> 'name' = 'Every change') "
        "LEFT JOIN rule_firings f ON f.event_id = e.id AND f.rule_id = r.id "
        "LEFT JOIN notifications n ON n.tenant_id = e.tenant_id AND n.key LIKE '%%' || f.id::text || '%%' "
        f"WHERE e.tenant_id = %s AND {_CHANGED} GROUP BY 1", company.tenant_id,
    )  # fmt: skip
    if len(once) != company.changes():
        yield f"{len(once)} events for {company.changes()} changes"
    counts = Counter((firings, notices) for _, firings, notices in once)
    if set(counts) - {(1, 1)}:
        yield f"(firings, notifications) of a change: {dict(counts)}"


def _calls(product: Product, company: Company) -> Iterator[str]:
    """Each recording is one call that went through every stage once."""
    promised = sorted(call for deal in company.deals for call in deal.calls)
    rows = product.rows("SELECT id::text, status FROM calls WHERE tenant_id = %s", company.tenant_id)
    if sorted(call for call, _ in rows) != promised:
        yield f"calls differ: {len(rows)} for {len(promised)}"
    if late := [row for row in rows if row[1] != "ready"]:
        yield f"calls are not ready: {late}"
    for call in promised:
        kinds = [kind for (kind,) in product.rows("SELECT type FROM events WHERE subject = %s ORDER BY seq", call)]
        if kinds != ["CALL_UPLOADED", "CALL_TRANSCRIBED", "CALL_ANALYZED", "INSIGHTS_READY"]:
            yield f"call {call} went through {kinds}"
        [counts] = product.rows(
            "SELECT (SELECT count(*) FROM transcripts WHERE id = %(c)s), (SELECT count(*) FROM insights "
            "WHERE id = %(c)s), (SELECT count(*) FROM activities WHERE call_id = %(c)s)".replace("%(c)s", "%s"),
            call, call, call,
        )  # fmt: skip
        if counts != (1, 1, 1):
            yield f"call {call} has (transcripts, insights, activities) {counts}"


def _told(product: Product, company: Company) -> Iterator[str]:
    """The socket brought each notification once, in order, over all breaks."""
    kept = [seq for (seq,) in product.rows(_UNHEARD, company.tenant_id, company.user_id)]
    if company.heard != kept:
        extra, missing = Counter(company.heard) - Counter(kept), Counter(kept) - Counter(company.heard)
        yield f"notifications heard {dict(extra)} too often, {dict(missing)} not, or out of order"


def _order(product: Product, company: Company) -> Iterator[str]:
    """The rules of a tenant took its events one after another, and so did its resident of pipeline health."""
    effects = {
        "rules": "SELECT e.seq FROM rule_firings f JOIN events e ON e.id = f.event_id JOIN rule_versions v "
        "ON v.rule_id = f.rule_id AND v.version = f.version WHERE f.tenant_id = %s "
        "AND v.definition ->> 'name' = 'Every change' ORDER BY f.at, f.id",
        "health": "SELECT e.seq FROM handled_events h JOIN events e ON e.id = h.id "
        f"WHERE h.tenant_id = %s AND h.resident = 'health' AND {_CHANGED} ORDER BY h.at",
    }
    for who, query in effects.items():
        order = [seq for (seq,) in product.rows(query, company.tenant_id)]
        if order != sorted(order):
            yield f"{who} took events out of order"
        if len(order) != company.changes():
            yield f"{who} took {len(order)} of {company.changes()} changes"


def _mails(product: Product, companies: Sequence[Company]) -> Iterator[str]:
    """A mail for each task that is done, under the task's id; none for any other, but for notifications that were not
    read; and a task for each negotiation."""
    rows = product.rows(
        "SELECT id::text, CASE WHEN status = 'approved' AND due_at > now() THEN 'later' ELSE status END, deal_id::text "
        "FROM tasks WHERE kind = 'send_email'"
    )
    done = {task for task, status, _ in rows if status == "done"}
    # Who hears notifications and does not mark them as read is written to after a while, about several at once.
    sent = product.rows("SELECT id FROM notifications WHERE sent_at IS NOT NULL")
    told = {str(mail_of(notification)) for (notification,) in sent}
    came = set(product.mail.came)
    if not done <= came <= done | told:
        lost, extra = len(done - came), len(came - done - told)
        yield f"mails differ: {lost} tasks done without one, {extra} sent for no done task and no notification"
    written = {deal for _, _, deal in rows}
    for company in companies:
        for deal in company.deals:
            if "negotiation" in deal.stages and deal.id not in written:
                yield f"{company.name}: nobody writes about {deal.id}"
    stuck = Counter(status for _, status, _ in rows)
    if stuck["failed"] or stuck["approved"]:
        yield f"e-mail tasks are {dict(stuck)}"


async def _health(product: Product, companies: Sequence[Company]) -> list[str]:
    """The sums that were kept by each change equal those of all deals added up anew."""
    db = Database(product.database_url("salesedge").replace("postgresql:", "postgresql+psycopg:"))
    wrong = []
    try:
        for company in companies:
            async with db.tenant(UUID(company.tenant_id)) as tx:
                zone = (await tenants.tenant(tx)).time_zone
                if await health.all_marks(tx) != await recomputed(tx, zone):
                    wrong.append(f"{company.name}: pipeline health differs from adding up anew")
    finally:
        await db.close()
    return wrong
