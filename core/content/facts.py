"""What is known about a deal and its last call, as facts that a draft may say, each with its source."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

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
_TITLES = frozenset("dr dra mr mrs ms sr sra srta prof profa eng".split())


@dataclass(frozen=True, slots=True)
class Named:
    """A person, a company or a deal."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Said:
    """A topic or a kind of objection, as analysis names it, and where in the call it came up."""

    key: str
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What was agreed, in the words of the call. `owner`: seller or customer."""

    text: str
    owner: str
    due_on: date | None = None
    at_s: float | None = None


def plain(text: str, most: int = LONGEST) -> str:
    """One line of plain text: no control or invisible characters, runs of space as one, cut at a word."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    line = " ".join(unicodedata.normalize("NFC", kept).split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0] + "…"


def first_name(name: str) -> str:
    """`Dra. Maria Souza` → `Maria`."""
    words = name.split()
    rest = [word for word in words if word.rstrip(".").casefold() not in _TITLES]
    return (rest or words or [""])[0]


def format_date(day: date, language: str) -> str:
    """`sexta-feira, 27 de novembro` or `Friday, November 27`."""
    weekday, month = WEEKDAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    if language == "pt":
        return f"{weekday}, {'1º' if day.day == 1 else day.day} de {month}"
    return f"{weekday}, {month} {day.day}"


def facts_for(
    language: str, *, contact: Named | None = None, seller: Named | None = None, tenant: Named | None = None,
    account: Named | None = None, deal: Named | None = None, value_cents: int | None = None,
    currency: str | None = None, call_id: UUID | None = None, called_on: date | None = None,
    topics: Sequence[Said] = (), objections: Sequence[Said] = (), steps: Sequence[Step] = (),
    competitors: Sequence[str] = (), name_competitors: bool = False,
) -> tuple[Fact, ...]:  # fmt: skip
    """`topics` most important first, `objections` those still open, `called_on` the tenant's local date.

    Competitors stay unnamed unless `name_competitors`: a fact that would name one is left out.
    """
    call = f"call:{call_id}" if call_id else "call"
    facts: list[Fact] = []
    for name, kind, known in (
        ("contact_name", "contact", contact), ("seller_name", "user", seller), ("tenant_name", "tenant", tenant),
        ("account_name", "account", account), ("deal_name", "deal", deal),
    ):  # fmt: skip
        if known is not None and plain(known.name):
            facts.append(Fact(name, plain(known.name), f"{kind}:{known.id}.name"))
    if deal is not None and value_cents is not None and currency is not None:
        facts.append(Fact("deal_value", format_cents(value_cents, currency, language), f"deal:{deal.id}.value"))
    if called_on is not None:
        facts.append(Fact("call_date", format_date(called_on, language), f"{call}.started_at"))
    facts += _topics(topics, language, call)
    facts += _objections(objections, language, call)
    people = {"seller": seller, "customer": contact}
    facts += _steps(steps, people, language, call)
    if competitors and name_competitors:
        named = dict.fromkeys(plain(rival) for rival in competitors)
        facts += [Fact(f"competitor_{n}", rival, call) for n, rival in enumerate(named, 1)]
    elif competitors:
        facts = [fact for fact in facts if not _names(fact.text, competitors)]
        facts.append(Fact("comparison", labels()["comparison"][language], call))
    return tuple(facts)


@functools.cache
def labels() -> Mapping[str, Any]:
    """`configs/content/labels.yaml`."""
    table: Mapping[str, Any] = yaml.safe_load((configs_dir() / "content" / "labels.yaml").read_text("utf-8"))
    return table


def _topics(topics: Sequence[Said], language: str, call: str) -> Iterator[Fact]:
    table = labels()["topics"]
    shown: dict[str, str] = {}
    for topic in topics:
        label = table.get(topic.key, {language: plain(topic.key.replace("_", " "))})
        if label:
            shown.setdefault(label[language], _at(call, topic.at_s))
    for number, (text, source) in enumerate(list(shown.items())[:MOST_TOPICS], 1):
        yield Fact(f"topic_{number}", text, source)


def _objections(objections: Sequence[Said], language: str, call: str) -> Iterator[Fact]:
    """One fact for each kind: its name tells the templates which answer fits."""
    table = labels()["objections"]
    first: dict[str, Said] = {}
    for objection in objections:
        first.setdefault(objection.key if objection.key in table else "other", objection)
    for kind, objection in first.items():
        yield Fact(f"objection_{kind}", table[kind][language], _at(call, objection.at_s))


def _steps(steps: Sequence[Step], people: Mapping[str, Named | None], language: str, call: str) -> Iterator[Fact]:
    """Spoken words that no label fits are only worth quoting where a day was named."""
    once: dict[tuple[str, date | None], Step] = {}
    for step in steps:
        text = _label(step.text, language) or (_quoted(step.text) if step.due_on else None)
        if text is not None:
            once.setdefault((text, step.due_on), step)
    for number, ((text, due_on), step) in enumerate(list(once.items())[:MOST_STEPS], 1):
        source = _at(call, step.at_s)
        yield Fact(f"step_{number}", text, source)
        if due_on is not None:
            yield Fact(f"step_{number}_due", format_date(due_on, language), source)
        who = people.get(step.owner)
        if who is not None and plain(who.name):
            yield Fact(f"step_{number}_owner", first_name(plain(who.name)), source)


def _label(said: str, language: str) -> str | None:
    fits = (action for action in labels()["actions"] if re.search(action["match"], said, re.IGNORECASE))
    action = next(fits, None)
    return str(action["label"][language]) if action else None


def _quoted(said: str) -> str:
    said = plain(said).strip("“”\" ")
    return f"“{said}”"


def _names(text: str, competitors: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(re.search(rf"(?<!\w){re.escape(plain(name).casefold())}(?!\w)", folded) for name in competitors)


def _at(call: str, at_s: float | None) -> str:
    return call if at_s is None else f"{call}@{at_s:.1f}"
