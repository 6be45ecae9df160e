"""What a condition may ask of: each field with its type and what it means, in both languages."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.datascience.features.definitions import DEAL
from core.deals.rules import STAGES
from core.forecasting.features import NAMES

Kind = Literal["number", "text", "flag", "texts"]
Trigger = Literal[
    "call_understood", "score_changed", "deal_created", "deal_changed", "contact_made", "customer_answered"
]
TRIGGERS: Mapping[Trigger, tuple[str, str]] = {
    "call_understood": ("uma ligação foi analisada", "a call was analysed"),
    "score_changed": ("a probabilidade do negócio foi calculada de novo", "the odds of a deal were predicted anew"),
    "deal_created": ("um negócio foi aberto", "a deal was opened"),
    "deal_changed": ("campos de um negócio mudaram", "fields of a deal changed"),
    "contact_made": ("nós entramos em contato com o cliente", "we contacted the customer"),
    "customer_answered": ("o cliente entrou em contato", "the customer contacted us"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """`when` empty: known after any event; else null after others."""

    name: str
    kind: Kind
    pt: str
    en: str
    when: tuple[Trigger, ...] = ()

    def said(self, language: str) -> str:
        return self.pt if language == "pt" else self.en


CALLS: tuple[Trigger, ...] = ("call_understood", "score_changed")
"""Those that may be about a call."""
_OWN: tuple[Field, ...] = (
    Field("event.fields", "texts", "nomes dos campos que mudaram", "names of the fields that changed",
          ("deal_changed",)),
    Field("event.kind", "text", "tipo do contato: call, email, meeting, note", "kind of the contact: call, email, "
          "meeting, note", ("contact_made", "customer_answered")),
    Field("deal.stage", "text", f"etapa: {', '.join(STAGES)}", f"stage: {', '.join(STAGES)}"),
    Field("deal.is_open", "flag", "o negócio está aberto", "the deal is open"),
    Field("deal.value_cents", "number", "valor do negócio, em centavos", "value of the deal, in cents"),
    Field("deal.segment", "text", "segmento", "segment"),
    Field("deal.region", "text", "região", "region"),
    Field("deal.team", "text", "equipe", "team"),
    Field("deal.source", "text", "origem", "source"),
    Field("deal.products", "texts", "produtos", "products"),
    Field("score.probability", "number", "probabilidade de ganho, de 0 a 1", "probability of winning, 0 to 1"),
    Field("score.before", "number", "a probabilidade anterior, de 0 a 1", "the probability before, 0 to 1"),
    Field("score.fell_points", "number", "quantos pontos percentuais ela caiu", "percentage points by which it fell"),
    Field("score.low", "number", "limite inferior do intervalo de 90 %", "lower end of the 90 % interval"),
    Field("score.high", "number", "limite superior do intervalo de 90 %", "upper end of the 90 % interval"),
    Field("score.risk", "text", "risco: low, medium, high", "risk: low, medium, high"),
    Field("call.score", "number", "nota da ligação, de 0 a 100", "score of the call, 0 to 100", CALLS),
    Field("call.sentiment", "number", "humor do cliente, de -1 a 1", "the customer's mood, -1 to 1", CALLS),
    Field("call.sentiment_trend", "number", "como o humor mudou durante a ligação", "how the mood changed during the "
          "call", CALLS),
    Field("call.objections", "number", "objeções", "objections", CALLS),
    Field("call.unanswered_objections", "number", "objeções sem resposta", "objections without an answer", CALLS),
    Field("call.competitors", "texts", "nomes dos concorrentes citados", "names of the competitors named", CALLS),
    Field("call.competitor_count", "number", "quantos concorrentes foram citados", "how many competitors were named",
          CALLS),
    Field("call.buying_signals", "number", "sinais de compra", "buying signals", CALLS),
    Field("call.next_steps", "number", "próximos passos combinados", "next steps agreed", CALLS),
    Field("call.seller_steps", "number", "o que o vendedor prometeu", "what the seller promised", CALLS),
    Field("time.hour", "number", "hora do dia, de 0 a 23, no fuso da empresa", "hour of the day, 0 to 23, in the "
          "company's time zone"),
    Field("time.weekday", "number", "dia da semana, de 1 (segunda) a 7", "day of the week, 1 (Monday) to 7"),
    Field("time.is_working_day", "flag", "é dia útil no calendário da empresa", "is a working day in the company's "
          "calendar"),
    Field("time.working_days_since_contact", "number", "dias úteis desde o último contato de qualquer lado",
          "working days since the last contact of either side"),
    Field("time.working_days_since_answer", "number", "dias úteis desde a última resposta do cliente", "working days "
          "since the customer last answered"),
)  # fmt: skip


@functools.cache
def fields() -> Mapping[str, Field]:
    """All by name: our own, and each feature of a deal under `features.`."""
    told = {feature.name: feature for feature in DEAL.features}
    learnt = [Field(f"features.{name}", "number", told[name].pt, told[name].en) for name in NAMES]
    return {field.name: field for field in (*_OWN, *learnt)}
