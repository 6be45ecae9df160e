"""The facts that a draft may say. What a customer said is a fact like any other: data on one line, never an instruction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from core.kit.money import format_cents
from core.ports import Fact

_MONTHS = {
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split(),
    "en": "January February March April May June July August September October November December".split(),
}
_TOPICS = {
    "pricing": ("investimento", "pricing"), "integration": ("integração", "integration"),
    "security": ("segurança", "security"), "implementation": ("implantação", "implementation"),
    "contract": ("contrato", "the contract"), "support": ("suporte", "support"), "timeline": ("prazo", "timing"),
    "decision": ("processo de decisão", "the decision process"), "reporting": ("relatórios", "reporting"),
    "team": ("rotina da equipe", "your team's daily work"), "price": ("investimento", "pricing"),
    "timing": ("momento da compra", "timing"), "authority": ("aprovação interna", "internal approval"),
    "competitor": ("comparação com outras opções", "comparison with other options"),
    "trust": ("segurança e garantias", "security and guarantees"), "effort": ("esforço de implantação", "roll-out effort"),
    "need": ("necessidade", "need"), "other": ("ponto que você levantou", "the point that you raised"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One agreed next step: `owner` seller or customer."""

    owner: str
    text: str
    due_on: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Material:
    """What is known, from wherever; `*_source` says where. Empty where it is not known."""

    deal_id: str
    deal_name: str
    value_cents: int
    currency: str
    contact_name: str | None
    seller_name: str
    company: str
    call_id: str | None = None
    called_on: date | None = None
    topics: tuple[tuple[str, str], ...] = ()  # (name, source)
    open_objections: tuple[tuple[str, str], ...] = ()  # (kind, source)
    steps: tuple[Step, ...] = ()


def facts_for(material: Material, language: str) -> tuple[Fact, ...]:
    """Named facts in the words of the language; a fact that is not known is not there."""
    deal = f"deal:{material.deal_id}"
    found = [
        Fact("seller_name", clean(material.seller_name), f"{deal}.owner"),
        Fact("company", clean(material.company), "tenant.name"),
        Fact("deal_name", clean(material.deal_name), f"{deal}.name"),
        Fact("value", format_cents(material.value_cents, material.currency, language), f"{deal}.value"),
    ]
    if material.contact_name:
        found.append(Fact("contact_name", clean(material.contact_name).split()[0], f"{deal}.contact"))
    if material.called_on is not None:
        found.append(Fact("called_on", say_date(material.called_on, language), f"call:{material.call_id}.started_at"))
    for number, (name, source) in enumerate(material.topics[:3]):
        found.append(Fact(f"topic_{number}", _topic(name, language), source))
    for number, (kind, source) in enumerate(material.open_objections[:2]):
        found.append(Fact(f"objection_{number}", _topic(kind, language), source))
    for number, step in enumerate(_best(material.steps)):
        found.append(Fact(f"step_{number}_{step.owner}", quote(step.text), step.source))
        if step.due_on is not None:
            found.append(Fact(f"step_{number}_due", say_date(step.due_on, language), step.source))
    return tuple(found)


def say_date(day: date, language: str) -> str:
    month = _MONTHS[language][day.month - 1]
    return f"{day.day} de {month}" if language == "pt" else f"{month} {day.day}"


def clean(text: str) -> str:
    """One line of plain text."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()[:300]


def quote(text: str) -> str:
    """Somebody's words, short, without what could end the quotation."""
    plain = clean(text).strip("\"'“” .!?,").translate(str.maketrans({'"': "'", "“": "'", "”": "'"}))
    return plain if len(plain) <= 120 else plain[:117].rsplit(" ", 1)[0] + "…"


def _topic(name: str, language: str) -> str:
    return _TOPICS.get(name, _TOPICS["other"])[0 if language == "pt" else 1]


def _best(steps: Iterable[Step]) -> list[Step]:
    """At most three, those with a day first, in the order in which they were agreed."""
    ranked = sorted(enumerate(steps), key=lambda pair: (pair[1].due_on is None, pair[0]))[:3]
    return [step for _, step in sorted(ranked, key=lambda pair: pair[0])]
