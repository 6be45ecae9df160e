"""A call about a deal, as the pipeline leaves it behind."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from core.analysis.conversation import insights
from core.analysis.model import CallInsights
from core.calls.model import Call, Transcript
from core.calls.turns import Turn
from core.deals import repository as deals
from core.kit.db import Tx
from core.ports import Emotion, Intention, Mood

NEUTRAL = Mood(0.0, 0.9, 0.3, Emotion.NEUTRAL, 0.9, Intention.INFORMATION, 0.9)
SAID = [
    ("seller", "Thank you for your time, how does your sales team work today?", NEUTRAL),
    ("customer", "Your price is too expensive for our budget.", replace(NEUTRAL, intention=Intention.OBJECTION)),
    ("seller", "Okay.", NEUTRAL),
    ("seller", "I will send you the proposal by Friday.", replace(NEUTRAL, intention=Intention.COMMITMENT)),
]


async def talked(tx: Tx, call_id: UUID, deal_id: UUID, owner_id: UUID) -> None:
    now = tx.clock.now()
    turns = [Turn(speaker, 10.0 * n, 10.0 * n + 4, text, (), 0.9) for n, (speaker, text, _) in enumerate(SAID)]
    showed = insights(turns, [mood for _, _, mood in SAID], language="en", called_at=now, mentions=(), proposed=())
    found = showed.to_json()
    tx.session.add(
        Call(
            id=call_id, tenant_id=tx.tenant_id, deal_id=deal_id, owner_id=owner_id, status="ready", language="en",
            object_key="calls/1", content_hash=call_id.hex * 2, size_bytes=1, duration_s=40.0, channels=2, codec="opus",
            started_at=now, created_at=now,
        )
    )  # fmt: skip
    await tx.session.flush()
    tx.session.add(
        Transcript(
            id=call_id, tenant_id=tx.tenant_id, language="en", language_confidence=1.0, engine="test", created_at=now,
            turns=[{"start_s": turn.start_s} for turn in turns],
        )
    )  # fmt: skip
    tx.session.add(
        CallInsights(id=call_id, tenant_id=tx.tenant_id, score=found["score"]["points"], data=found, created_at=now)
    )
    await deals.note_call(tx, {"deal_id": deal_id, "call_id": call_id, "at": now, **showed.for_deal()})
