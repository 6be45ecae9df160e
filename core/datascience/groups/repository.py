"""The queries about what is known of accounts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from core.datascience.groups import profile
from core.datascience.groups.profile import Known
from core.kit.db import Tx

_KNOWN = text("""
    WITH sold AS (
        SELECT account_id, count(*) AS deals, count(*) FILTER (WHERE outcome IS NULL) AS open,
               count(*) FILTER (WHERE outcome = 'won') AS won, count(*) FILTER (WHERE outcome = 'lost') AS lost,
               avg(ln(1 + value_cents / 100.0)) AS log_value,
               avg(extract(epoch FROM closed_at - opened_at)) AS cycle_s
        FROM deals WHERE opened_at <= :at GROUP BY account_id
    ), touched AS (
        SELECT d.account_id, count(*) AS touches, count(*) FILTER (WHERE a.direction = 'in') AS inbound,
               count(*) FILTER (WHERE a.kind = 'meeting') AS meetings, count(*) FILTER (WHERE a.kind = 'call') AS calls,
               avg(a.sentiment) AS mood, sum(a.objections) AS objections, sum(a.competitors) AS competitors,
               max(a.at) AS last_at
        FROM activities a JOIN deals d ON d.id = a.deal_id
        WHERE a.at <= :at AND d.opened_at <= :at GROUP BY d.account_id
    )
    SELECT sold.*, touched.touches, touched.inbound, touched.meetings, touched.calls, touched.mood,
           touched.objections, touched.competitors, touched.last_at
    FROM sold LEFT JOIN touched USING (account_id) ORDER BY account_id
""")


async def known(tx: Tx, at: datetime) -> list[Known]:
    """Every account that has a deal by then."""
    rows = (await tx.session.execute(_KNOWN, {"at": at})).mappings()
    return [profile.known(dict(row), at) for row in rows]
