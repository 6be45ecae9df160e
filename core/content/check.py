"""The guard on every draft: what it states must be carried by a fact.

It looks for what can be wrong in a way that hurts: numbers, money, shares, dates, times, addresses and names. It is
strict on purpose: a draft refused in error is written by the next generator, a wrong price is sent to a customer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import yaml

from core.content.facts import MONTHS, WEEKDAYS
from core.ports import Brief, Fact, Text
from core.settings import configs_dir

LONGEST_SUBJECT = 300
LONGEST_BODY = 6_000

Claim = tuple[str, Any]  # (kind, value): equal claims say the same, however each is written

_SPELLED = {
    word: Decimal(value)
    for value, words in {
        "0.5": "half metade", "2": "two dois duas twice double dobro", "3": "three três triple triplo",
        "4": "four quatro", "5": "five cinco", "6": "six seis", "7": "seven sete", "8": "eight oito", "9": "nine nove",
        "10": "ten dez", "11": "eleven onze", "12": "twelve doze dozen dúzia", "13": "thirteen treze", "14": "fourteen",
        "15": "fifteen quinze", "16": "sixteen dezesseis", "17": "seventeen dezessete", "18": "eighteen dezoito",
        "19": "nineteen dezenove", "20": "twenty vinte", "30": "thirty trinta", "40": "forty quarenta",
        "50": "fifty cinquenta", "60": "sixty sessenta", "70": "seventy setenta", "80": "eighty oitenta",
        "90": "ninety noventa", "100": "hundred cem cento", "1000": "thousand mil",
        "1000000": "million milhão milhões millions",
    }.items()
    for word in words.split()
}  # fmt: skip
_TIMES = {"k": 3, "mil": 3, "thousand": 3, "mi": 6, "milhão": 6, "milhões": 6, "million": 6, "bilhões": 9, "billion": 9}
_SIGNS = {
    "r$": "BRL", "brl": "BRL", "reais": "BRL", "us$": "USD", "$": "USD", "usd": "USD", "dólares": "USD",
    "dollars": "USD", "dollar": "USD", "€": "EUR", "eur": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP",
    "pounds": "GBP", "libras": "GBP", "mxn": "MXN", "ars": "ARS", "clp": "CLP", "cop": "COP",
}  # fmt: skip


def _any(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NUMBER = rf"(?:\d+(?:[.,]\d+)*|\b(?:{_any(list(_SPELLED))})\b)(?:\s?(?:{_any(list(_TIMES))})\b)?"
_MONTH_NAMES = {name.casefold(): n for names in MONTHS.values() for n, name in enumerate(names, 1)}
_MONTH_NAMES |= {name[:3].casefold(): n for n, name in enumerate(MONTHS["en"], 1)}
_MONTH = _any(list(_MONTH_NAMES))
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th|º|o)?"
_YEAR = r"(?P<y>\d{4})"
_DATES = [
    re.compile(rf"\b{_YEAR}-(?P<m>\d{{2}})-(?P<d>\d{{2}})\b"),
    re.compile(rf"\b{_DAY}\s+(?:de\s+|of\s+)?(?P<n>{_MONTH})\b(?:,?\s+(?:de\s+)?{_YEAR})?", re.I),
    re.compile(rf"\b(?P<n>{_MONTH})\.?\s+{_DAY}\b(?:,?\s+{_YEAR})?", re.I),
]
_FIGURES = re.compile(rf"\b(?P<d>\d{{1,2}})/(?P<m>\d{{1,2}})(?:/{_YEAR})?\b")
# "may" and "march" are also words: as months alone they count only after a preposition.
_MONTH_ALONE = re.compile(
    rf"\b(?P<n>{_any([n for n in _MONTH_NAMES if len(n) > 3 and n not in ('march',)])})\b"
    r"|\b(?:in|by|until|since|of|next|last|this|early|late|mid)[\s-](?P<n2>may|march)\b",
    re.I,
)
_WEEKDAY = re.compile(
    rf"\b(?:(?P<en>{_any(WEEKDAYS['en'])})|(?P<pt>terça|quarta|quinta|sexta|sábado|domingo)(?:-feira)?"
    r"|(?:(?P<s1>segunda)-feira|(?:na|até|até a|próxima|nesta|desta) (?P<s2>segunda)(?!-feira|\s+\w+ção)))s?\b",
    re.I,
)
_NEAR = re.compile(r"\b(tomorrow|yesterday|amanhã|ontem)\b", re.I)
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)\S+"
    r"|\b[\w-]+\.(?:com|net|org|io|ai|app|dev|co|br)(?:\.[a-z]{2})?\b(?:/\S*)?",
    re.I,
)
_MONEY = re.compile(
    rf"(?P<s>R\$|US\$|[$€£]|\b(?:BRL|USD|EUR|GBP|MXN|ARS|CLP|COP)\b)\s*(?P<a>{_NUMBER})"
    rf"|(?P<b>{_NUMBER})\s*(?:de\s+)?(?P<t>[€£$]|\b(?:{_any([s for s in _SIGNS if s.isalpha()])})\b)",
    re.I,
)
_SHARE = re.compile(rf"(?P<a>{_NUMBER})\s*(?:%|per\s?cent\b|por cento\b)", re.I)
_TIME = re.compile(
    r"\b(?P<h>\d{1,2})(?::(?P<m>\d{2})|h(?P<m2>\d{2})?)\s*(?P<p>[ap]\.?m\b)?|\b(?P<h2>\d{1,2})\s*(?P<p2>[ap]\.?m)\b",
    re.I,
)
_PLAIN = re.compile(_NUMBER, re.I)

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_STARTS = re.compile(r"(?:^|[.!?:;…]|\n)[\s\-\u2013—•*>\"“”'\u2018\u2019()\[\]]*$")
_BETWEEN = re.compile(r"[ \t]+(?:(?:d[aeo]s?|e|von|van|of)[ \t]+)?")
_HIDDEN = "·"  # stands where something already checked was: no word, no start of a sentence


@functools.cache
def _openers() -> frozenset[str]:
    """The words of `configs/content/openers.yaml`."""
    table: dict[str, str] = yaml.safe_load((configs_dir() / "content" / "openers.yaml").read_text("utf-8"))
    return frozenset(word for words in table.values() for word in words.split())


def untraceable(text: str, facts: Sequence[Fact]) -> list[str]:
    """What the text states and no fact carries, as written there; empty where all is well."""
    known: set[Claim] = set()
    words: list[set[str]] = []
    for fact in facts:
        known.update(also for claim, _ in _claims(fact.text)[0] for also in _implied(claim))
        words.append({word.casefold() for word in _WORD.findall(fact.text)})
    claims, rest = _claims(_hide_facts(text, facts))
    found = [shown for claim, shown in claims if claim not in known]
    return list(dict.fromkeys([*found, *_unknown_names(rest, words)]))


def problems(brief: Brief, text: Text) -> list[str]:
    """Why this text cannot be handed to a person; empty where it can."""
    found = []
    if not text.subject.strip() or not text.body.strip():
        found.append("empty")
    if "\n" in text.subject or len(text.subject) > LONGEST_SUBJECT or len(text.body) > LONGEST_BODY:
        found.append("malformed")
    found += [f"untraceable: {claim}" for claim in untraceable(f"{text.subject}\n\n{text.body}", brief.facts)]
    names = {fact.name for fact in brief.facts}
    found += [f"unknown fact: {name}" for name in text.used if name not in names]
    return found


def _hide_facts(text: str, facts: Sequence[Fact]) -> str:
    """Replace each fact that stands in the text word for word, the longest first.

    A single word is left to the comparisons: a fact 10 must not excuse 10 %, nor the names Ana and Souza an Ana Souza.
    """
    for fact in sorted(facts, key=lambda f: len(f.text), reverse=True):
        if " " in fact.text and re.search(r"[^\W\d_]{2}", fact.text):
            pattern = rf"(?<![\w$€£%])(?<!\d[.,]){re.escape(fact.text)}(?![\w%]|[.,]\d|\s?%)"
            text = re.sub(pattern, _HIDDEN, text, flags=re.IGNORECASE)
    return text


def _claims(text: str) -> tuple[list[tuple[Claim, str]], str]:
    """What a text states, each with its wording, and the text without it."""
    found: list[tuple[Claim, str]] = []
    for pattern, read in _READERS:

        def take(match: re.Match[str], read: Callable[[re.Match[str]], Claim] = read) -> str:
            found.append((read(match), match.group().strip()))
            return _HIDDEN

        text = pattern.sub(take, text)
    return found, text


def _implied(claim: Claim) -> list[Claim]:
    """A fact with a day also carries that day without its year, in figures, and its month."""
    kind, value = claim
    if kind != "date":
        return [claim]
    year, month, day = value
    short = [("date", (None, month, day)), ("figures", (None, frozenset((month, day)))), ("month", month)]
    return [claim, *short, ("figures", (year, frozenset((month, day))))]


def _date(match: re.Match[str]) -> Claim:
    named = match.groupdict()
    month = _MONTH_NAMES[named["n"].casefold()] if named.get("n") else int(named["m"])
    return "date", (int(named["y"]) if named["y"] else None, month, int(named["d"]))


def _figures(match: re.Match[str]) -> Claim:
    """11/12 is read either way: which is the month differs from country to country."""
    year = int(match["y"]) if match["y"] else None
    return "figures", (year, frozenset((int(match["d"]), int(match["m"]))))


def _money(match: re.Match[str]) -> Claim:
    sign, amount = match["s"] or match["t"], match["a"] or match["b"]
    return "money", (_SIGNS[sign.casefold()], _value(amount))


def _time(match: re.Match[str]) -> Claim:
    hour, minute, half = int(match["h"] or match["h2"]), int(match["m"] or match["m2"] or 0), match["p"] or match["p2"]
    if half:
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    return "time", hour * 60 + minute


def _weekday(match: re.Match[str]) -> Claim:
    if match["en"]:
        return "weekday", [name.casefold() for name in WEEKDAYS["en"]].index(match["en"].casefold())
    word = (match["pt"] or match["s1"] or match["s2"]).casefold()
    return "weekday", [name.removesuffix("-feira") for name in WEEKDAYS["pt"]].index(word)


def _value(text: str) -> Decimal:
    """`50 mil`, `1.234,5`, `1,234.5` and `twenty` as numbers."""
    folded = text.casefold().strip()
    figures = re.match(r"\d+(?:[.,]\d+)*", folded)
    first = figures.group() if figures else folded.split()[0]
    power = _TIMES.get(folded.removeprefix(first).strip(), 0)
    if not figures:
        return _SPELLED[first].scaleb(power)
    whole, _, part = first.replace(",", ".").rpartition(".")
    # Three figures after the last separator are thousands in either way of writing, unless the number is below one.
    decimals = whole and (len(part) != 3 or whole == "0")
    number = f"{whole}.{part}" if decimals else whole + part
    return Decimal(number.replace(".", "", number.count(".") - bool(decimals))).scaleb(power)


def _unknown_names(text: str, words: Sequence[set[str]]) -> list[str]:
    """Capitalised words that no fact has, and neighbours that no one fact has together."""
    openers = _openers()
    found: list[str] = []
    before: tuple[str, int, set[int]] | None = None
    for match in _WORD.finditer(text):
        word = re.sub(r"['\u2019]s$", "", match.group())
        if word == word.lower():
            continue
        base = re.split(r"['\u2019-]", word)[0]
        opens = base.casefold() in openers and base[1:] == base[1:].lower()
        if base == "I" or (opens and _STARTS.search(text[: match.start()])):
            before = None
            continue
        carriers = {number for number, known in enumerate(words) if word.casefold() in known}
        if not carriers:
            found.append(word)
        elif before is not None and _BETWEEN.fullmatch(text[before[1] : match.start()]) and not carriers & before[2]:
            found.append(f"{before[0]} {word}")
        before = (word, match.end(), carriers) if carriers else None
    return found


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Claim]], ...] = (
    (_ADDRESS, lambda m: ("address", m.group().casefold().rstrip(".,;"))),
    *((pattern, _date) for pattern in _DATES),
    (_FIGURES, _figures),
    (_MONEY, _money),
    (_SHARE, lambda m: ("share", _value(m["a"]))),
    (_TIME, _time),
    (_PLAIN, lambda m: ("number", _value(m.group()))),
    (_MONTH_ALONE, lambda m: ("month", _MONTH_NAMES[(m["n"] or m["n2"]).casefold()])),
    (_WEEKDAY, _weekday),
    (_NEAR, lambda m: ("near", m.group().casefold())),
)
