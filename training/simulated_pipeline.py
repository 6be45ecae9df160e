"""A pipeline that never was, in which outcomes really follow from what happened.

Each deal lives week by week. Every week the seller may be in touch, the customer may answer, a call may go well or
badly; and every week the deal may advance, be won or be lost, with odds that depend on all that, on the deal itself,
and on a part that nobody sees. So a model can learn from it, and cannot know everything.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from core.forecasting.features import SEGMENTS, SOURCES, STAGES, Activity, DealHistory, StageChange

REGIONS = ("sudeste", "sul", "nordeste", "centro-oeste", "us-east", "us-west")
_SEGMENT_ODDS = {"smb": 0.15, "mid_market": 0.0, "enterprise": -0.2}
_SOURCE_ODDS = {"inbound": 0.3, "outbound": -0.35, "referral": 0.55, "partner": 0.1}
_SIZES = {"smb": 9.2, "mid_market": 10.6, "enterprise": 12.0}  # mean of the logarithm of the value
_COMPANIES = {
    "pt": (
        "Horizonte",
        "Aurora",
        "Ipê",
        "Atlântica",
        "Mantiqueira",
        "Cerrado",
        "Pampa",
        "Litoral",
        "Serra Azul",
        "Bandeirante",
    ),
    "en": (
        "Blue Harbor",
        "Summit",
        "Maple",
        "Redwood",
        "Lakeside",
        "Granite",
        "Prairie",
        "Harborview",
        "Northgate",
        "Clearwater",
    ),
}
_TRADES = {
    "pt": ("Logística", "Alimentos", "Saúde", "Têxtil", "Energia", "Educação", "Seguros", "Móveis"),
    "en": ("Logistics", "Foods", "Health", "Textiles", "Energy", "Learning", "Insurance", "Furniture"),
}
_PEOPLE = {
    "pt": ("Carla Souza", "João Pereira", "Marina Costa", "Rafael Lima", "Paulo Nunes", "Lívia Prado", "Tiago Alves"),
    "en": ("Emma Clark", "James Porter", "Olivia Reed", "Daniel Hughes", "Mark Ellis", "Laura Bennett", "Peter Walsh"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimulatedDeal:
    """A deal with the names that go with it. `seller` counts the sellers from 0."""

    name: str
    account: str
    contact: str
    email: str
    language: str
    seller: int
    history: DealHistory


@dataclass(slots=True)
class _Life:
    """What a deal has been through so far. `hidden` is what nobody sees."""

    at: datetime
    hidden: float
    stage: int = 0
    changes: list[StageChange] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    mood: float = 0.0
    open_objections: int = 0
    competitors: int = 0
    next_step: bool = False
    weeks_silent: int = 0
    weeks_in_stage: int = 0


def simulate(
    *, deals: int = 1500, months: int = 18, until: datetime, seed: int = 7, sellers: int = 6
) -> list[SimulatedDeal]:
    """Deals opened over the months before `until`; those that have no outcome by then are open."""
    rng = random.Random(seed)
    start = until - timedelta(days=30.4 * months)
    skill = [rng.gauss(0, 0.25) for _ in range(sellers)]
    # A few more every month, and none so fresh that nothing can have happened.
    opened = sorted(start + (until - start) * rng.random() ** 0.85 * 0.98 for _ in range(deals))
    return [_deal(rng, number, at, until, skill) for number, at in enumerate(opened)]


def _deal(rng: random.Random, number: int, opened_at: datetime, until: datetime, skill: list[float]) -> SimulatedDeal:
    language = "pt" if rng.random() < 0.6 else "en"
    segment = rng.choices(SEGMENTS, (5, 3, 2))[0]
    source = rng.choices(SOURCES, (4, 4, 2, 1))[0]
    seller = rng.randrange(len(skill))
    value_cents = round(math.exp(rng.gauss(_SIZES[segment], 0.6))) * 100
    life = _Life(opened_at, hidden=rng.gauss(0, 0.55))
    fit = _SEGMENT_ODDS[segment] + _SOURCE_ODDS[source] + skill[seller] + life.hidden
    closed_at, won = _live(rng, life, fit, until)
    account = f"{rng.choice(_COMPANIES[language])} {rng.choice(_TRADES[language])} {number + 1}"
    contact = rng.choice(_PEOPLE[language])
    history = DealHistory(
        value_cents=value_cents, currency="BRL" if language == "pt" else "USD", segment=segment,
        region=rng.choice(REGIONS[:4] if language == "pt" else REGIONS[4:]), source=source, opened_at=opened_at,
        stage_changes=tuple(life.changes), activities=tuple(life.activities),
        expected_close_on=_promised(rng, opened_at), closed_at=closed_at, won=won,
    )  # fmt: skip
    title = "Implantação de CRM" if language == "pt" else "CRM roll-out"
    address = f"{contact.split()[0].lower()}@cliente{number + 1}.example"
    return SimulatedDeal(f"{title}: {account}", account, contact, address, language, seller, history)


def _promised(rng: random.Random, opened_at: datetime) -> date:
    return (opened_at + timedelta(days=rng.choice((45, 60, 90, 120)))).date()


def _live(rng: random.Random, life: _Life, fit: float, until: datetime) -> tuple[datetime | None, bool | None]:
    """Week after week to an outcome or to `until`."""
    life.changes.append(StageChange(life.at, STAGES[0]))
    while True:
        life.at += timedelta(days=7 * rng.uniform(0.8, 1.2))
        if life.at >= until:
            return None, None
        _week(rng, life, fit)
        score = fit + _pull(life)
        lost = _sigmoid(-3.3 - 0.9 * score + 0.10 * life.weeks_in_stage)
        moves = _sigmoid(-1.25 + 0.75 * score)
        if rng.random() < lost:
            life.changes.append(StageChange(life.at, "closed_lost"))
            return life.at, False
        if rng.random() < moves:
            life.stage += 1
            life.weeks_in_stage = 0
            won = life.stage == 5
            life.changes.append(StageChange(life.at, "closed_won" if won else STAGES[life.stage]))
            if won:
                return life.at, True
        else:
            life.weeks_in_stage += 1


def _pull(life: _Life) -> float:
    """How what happened speaks for or against the deal."""
    return (
        1.3 * life.mood
        - 0.45 * min(3, life.open_objections)
        - 0.3 * min(2, life.competitors)
        + (0.45 if life.next_step else -0.15)
        - 0.3 * min(5, life.weeks_silent)
    )


def _week(rng: random.Random, life: _Life, fit: float) -> None:
    """Who was in touch with whom this week, and how it went."""
    touched = False
    for _ in range(rng.choices((0, 1, 2), (3, 5, 2))[0]):
        at = life.at - timedelta(days=rng.uniform(0, 6))
        life.activities.append(Activity(at, "email", "out"))
        touched = True
    if rng.random() < _sigmoid(-0.4 + 0.8 * fit):
        life.activities.append(Activity(life.at - timedelta(days=rng.uniform(0, 4)), "email", "in"))
        touched = True
    if rng.random() < 0.38:
        life.activities.append(_talk(rng, life, fit))
        touched = True
    life.weeks_silent = 0 if touched else life.weeks_silent + 1
    life.activities.sort(key=lambda activity: activity.at)


def _talk(rng: random.Random, life: _Life, fit: float) -> Activity:
    life.mood = max(-1.0, min(1.0, 0.4 * life.mood + 0.18 * fit + rng.gauss(0, 0.4)))
    objections = rng.choices((0, 1, 2, 3), (4, 4, 2, 1))[0]
    unanswered = sum(rng.random() < 0.4 for _ in range(objections))
    named = int(rng.random() < 0.22)
    life.open_objections, life.competitors = unanswered, life.competitors + named
    life.next_step = rng.random() < _sigmoid(0.2 + 1.2 * life.mood)
    return Activity(
        life.at - timedelta(days=rng.uniform(0, 2)), "call" if rng.random() < 0.7 else "meeting", "out",
        round(life.mood + rng.gauss(0, 0.08), 3), objections, unanswered, named, life.next_step,
        int(life.mood > 0.2 and rng.random() < 0.6),
    )  # fmt: skip


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
