"""What is known about a deal and its last call, as facts that a draft may say, each with its source.

What a customer said is a fact like any other: data on one line, never an instruction.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from core.kit.money import format_cents
from core.ports import Fact
from core.settings import configs_dir

LONGEST = 200
MOST_TOPICS = 3
MOST_STEPS = 5

WEEKDAYS = {
    "pt": ("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
MONTHS = {
    "pt": (
        "janeiro", "fevereiro", "março", "abril", "maio", "junho",
        "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
_TITLES = frozenset(["dr", "dra", "mr", "mrs", "ms", "sr", "sra", "srta", "prof", "profa", "eng"])


@dataclass(frozen=True, slots=True)
class Step:
    """One agreed next step, in the words of the call: `owner` seller or customer."""

    owner: str
    text: str
    due_on: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Material:
    """What is known. Topics (most important first) and objections come as (name in analysis, source).

    `called_on` is the tenant's local date. Competitors stay unnamed unless `name_competitors`: a fact that would name
    one is then left out.
    """

    deal_id: str
    deal_name: str
    value_cents: int
    currency: str
    contact_name: str | None
    seller_name: str
    company: str
    call_id: str | None = None
    called_on: date | None = None
    topics: tuple[tuple[str, str], ...] = ()
    open_objections: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    account_name: str | None = None
    competitors: tuple[str, ...] = ()
    name_competitors: bool = False


def facts_for(material: Material, language: str) -> tuple[Fact, ...]:
    """Named facts in the words of the language; a fact that is not known is not there."""
    deal, call = f"deal:{material.deal_id}", f"call:{material.call_id}" if material.call_id else "call"
    value = format_cents(material.value_cents, material.currency, language) if material.value_cents else None
    called_on = say_date(material.called_on, language) if material.called_on else None
    # Where nobody owns the deal the company signs, once.
    seller_name = material.seller_name if material.seller_name != material.company else None
    known = (
        ("contact_name", material.contact_name, f"{deal}.contact"),
        ("seller_name", seller_name, f"{deal}.owner"),
        ("company", material.company, "tenant.name"),
        ("account_name", material.account_name, f"{deal}.account"),
        ("deal_name", material.deal_name, f"{deal}.name"),
        ("value", value, f"{deal}.value"),
        ("called_on", called_on, f"{call}.started_at"),
    )
    facts = [Fact(name, clean(text), source) for name, text, source in known if text and clean(text)]
    facts += _topics(material.topics, language)
    facts += _objections(material.open_objections, language)
    facts += _steps(material, language)
    if material.competitors and material.name_competitors:
        named = dict.fromkeys(clean(rival) for rival in material.competitors)
        facts += [Fact(f"competitor_{n}", rival, call) for n, rival in enumerate(named, 1)]
    elif material.competitors:
        facts = [fact for fact in facts if not _names(fact.text, material.competitors)]
        facts.append(Fact("comparison", labels()["comparison"][language], call))
    return tuple(facts)


def clean(text: str, most: int = LONGEST) -> str:
    """One line of plain text: no control or invisible characters, runs of space as one, cut at a word."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    line = " ".join(unicodedata.normalize("NFC", kept).split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0] + "…"


def first_name(name: str) -> str:
    """`Dra. Maria Souza` → `Maria`."""
    words = name.split()
    rest = [word for word in words if word.rstrip(".").casefold() not in _TITLES]
    return (rest or words or [""])[0]


def say_date(day: date, language: str) -> str:
    """`sexta-feira, 27 de novembro` or `Friday, November 27`."""
    weekday, month = WEEKDAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    if language == "pt":
        return f"{weekday}, {'1º' if day.day == 1 else day.day} de {month}"
    return f"{weekday}, {month} {day.day}"


@functools.cache
def labels() -> Mapping[str, Any]:
    """`configs/content/labels.yaml`."""
    table: Mapping[str, Any] = yaml.safe_load((configs_dir() / "content" / "labels.yaml").read_text("utf-8"))
    return table


def _topics(topics: Sequence[tuple[str, str]], language: str) -> Iterator[Fact]:
    table = labels()["topics"]
    shown: dict[str, str] = {}
    for name, source in topics:
        label = table.get(name, {language: clean(name.replace("_", " "))})
        if label:
            shown.setdefault(label[language], source)
    for number, (text, source) in enumerate(list(shown.items())[:MOST_TOPICS], 1):
        yield Fact(f"topic_{number}", text, source)


def _objections(objections: Sequence[tuple[str, str]], language: str) -> Iterator[Fact]:
    """One fact for each kind: its name tells the templates which answer fits."""
    table = labels()["objections"]
    first: dict[str, str] = {}
    for kind, source in objections:
        first.setdefault(kind if kind in table else "other", source)
    for kind, source in first.items():
        yield Fact(f"objection_{kind}", table[kind][language], source)


def _steps(material: Material, language: str) -> Iterator[Fact]:
    """Spoken words that no label fits are only worth quoting where a day was named."""
    once: dict[tuple[str, date | None], Step] = {}
    for step in material.steps:
        text = _label(step.text, language) or (_quoted(step.text) if step.due_on else None)
        if text is not None:
            once.setdefault((text, step.due_on), step)
    seller, customer = clean(material.seller_name), first_name(clean(material.contact_name or ""))
    people = {"seller": seller if seller == clean(material.company) else first_name(seller), "customer": customer}
    for number, ((text, due_on), step) in enumerate(list(once.items())[:MOST_STEPS], 1):
        yield Fact(f"step_{number}", text, step.source)
        if due_on is not None:
            yield Fact(f"step_{number}_due", say_date(due_on, language), step.source)
        if owner := people.get(step.owner):
            yield Fact(f"step_{number}_owner", owner, step.source)


def _label(said: str, language: str) -> str | None:
    fits = (action for action in labels()["actions"] if re.search(action["match"], said, re.IGNORECASE))
    action = next(fits, None)
    return str(action["label"][language]) if action else None


def _quoted(said: str) -> str:
    said = clean(said).strip('“”" ')
    return f"“{said}”"


def _names(text: str, competitors: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(re.search(rf"(?<!\w){re.escape(clean(name).casefold())}(?!\w)", folded) for name in competitors)
