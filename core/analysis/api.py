from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from core.analysis import repository
from core.calls import repository as calls
from core.calls.api import not_yet
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/calls", tags=["analysis"], route_class=TenantRoute)
SEE = allow("can_view_calls")


class SegmentMood(BaseModel):
    """How one turn sounds: `valence` from -1 to 1, `arousal` and confidences from 0 to 1."""

    turn: int
    speaker: str
    start_s: float
    end_s: float
    valence: float
    valence_confidence: float
    arousal: float
    emotion: str
    emotion_confidence: float
    intention: str
    intention_confidence: float


class SentimentOut(BaseModel):
    call_id: UUID
    segments: list[SegmentMood]


class InsightsOut(BaseModel):
    call_id: UUID
    score: int
    insights: dict[str, Any]


@router.get("/{call_id}/sentiment", dependencies=[SEE], summary="The mood of each turn")
async def read_sentiment(call_id: UUID, tx: CurrentTx) -> SentimentOut:
    call = await calls.call(tx, call_id)
    transcript, row = await calls.transcript(tx, call_id), await repository.sentiment(tx, call_id)
    if row is None or transcript is None:
        raise not_yet(call, "sentiment")
    segments = [
        SegmentMood(turn=i, speaker=turn["speaker"], start_s=turn["start_s"], end_s=turn["end_s"], **mood)
        for i, (turn, mood) in enumerate(zip(transcript.turns, row.moods, strict=True))
    ]
    return SentimentOut(call_id=call_id, segments=segments)


@router.get("/{call_id}/insights", dependencies=[SEE], summary="What the call showed, with a score and its reasons")
async def read_insights(call_id: UUID, tx: CurrentTx) -> InsightsOut:
    call = await calls.call(tx, call_id)
    row = await repository.insights(tx, call_id)
    if row is None:
        raise not_yet(call, "insights")
    return InsightsOut(call_id=call_id, score=row.score, insights=row.data)
