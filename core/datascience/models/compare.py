"""Two versions on the rows that both held out: which is better, and how sure that is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from core.datascience.models import paired
from core.datascience.models import quality as measures
from core.datascience.models.evidence import Common, Evidence, common
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope, evidence_key
from core.kit.errors import BadAnswer, Conflict, NotFound
from core.ports import ObjectStore

LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Compared:
    """`better`: the one that is better in AUC or Brier score at `alpha` (halved for each side of two measures), and in
    neither the worse; None where nothing is proven."""

    rows: int
    deals: int
    quality_a: dict[str, float]
    quality_b: dict[str, float]
    comparisons: tuple[paired.Difference, ...]
    better: Literal["a", "b"] | None


async def evidence_of(objects: ObjectStore, row: ModelVersion) -> Evidence:
    try:
        raw = await objects.get(evidence_key(row.context, Scope.parse(row.scope), row.version))
    except NotFound:
        raise BadAnswer("The answers of this version on its held-out rows are gone. Train it again.") from None
    return Evidence.from_bytes(raw)


async def compare(objects: ObjectStore, a: ModelVersion, b: ModelVersion, *, alpha: float = 0.05) -> Compared:
    """Raises `Conflict` where the two have too few rows in common."""
    if a.context != b.context:
        raise Conflict(
            f"One answers in the context {a.context}, the other in {b.context}: there is nothing to compare."
        )
    met = common(await evidence_of(objects, a), await evidence_of(objects, b))
    if len(met.won) < LEAST_ROWS or met.won.min() == met.won.max():
        raise Conflict(
            f"Both held out only {len(met.won)} rows together, at least {LEAST_ROWS} with both outcomes are needed. "
            "Train one of them again on the same period."
        )
    return await asyncio.to_thread(of_rows, met, alpha)


def of_rows(met: Common, alpha: float) -> Compared:
    compared = (
        paired.delong(met.won, met.a, met.b, met.deal),
        paired.bootstrap(met.won, met.a, met.b, met.deal, measure="brier"),
        paired.bootstrap(met.won, met.a, met.b, met.deal, measure="log_loss"),
    )
    return Compared(
        compared[0].rows, compared[0].deals, measures.quality(met.won, met.a), measures.quality(met.won, met.b),
        compared, _better(compared[:2], alpha),
    )  # fmt: skip


def _better(compared: tuple[paired.Difference, ...], alpha: float) -> Literal["a", "b"] | None:
    """Two measures and two directions: each at a quarter of `alpha`."""
    for_a = any(c.p < alpha / 4 for c in compared) and not any(c.p_worse < alpha / 2 for c in compared)
    for_b = any(c.p_worse < alpha / 4 for c in compared) and not any(c.p < alpha / 2 for c in compared)
    return "a" if for_a else "b" if for_b else None


def tell(found: Compared, a: str, b: str, language: str) -> str:
    """The outcome as a sentence."""
    area, brier = found.comparisons[0], found.comparisons[1]
    facts = f"AUC {area.a:.3f} / {area.b:.3f}, Brier {brier.a:.3f} / {brier.b:.3f}"
    if found.better is None:
        if language == "pt":
            return f"Nenhuma é comprovadamente melhor em {found.deals} negócios: {facts}."
        return f"Neither is proven better on {found.deals} deals: {facts}."
    name, other = (a, b) if found.better == "a" else (b, a)
    if language == "pt":
        return f"{name} é melhor que {other} em {found.deals} negócios: {facts}."
    return f"{name} is better than {other} on {found.deals} deals: {facts}."
